"""What setup and the doctor work out without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fabfile.commands import compose, system
from fabfile.commands.daemon import rotates, with_rotation
from fabfile.commands.nginx_upstream import hosts_in
from fabfile.errors import BadSettings, DeployError
from fabfile.operations.doctor.check import Finding, Patient, Question, diagnose, failing, well
from fabfile.operations.doctor.checklist import questions
from fabfile.operations.setup.site import SiteSetup
from fabfile.probes.tls import covers
from fabfile.report.diagnosis import count
from fabfile.server.compose import Compose
from fabfile.server.ports import taken
from fabfile.settings import Settings, load


@pytest.mark.parametrize("text", ["", "{}", '{"bip": "10.1.0.1/24", "log-opts": {"labels": "x"}}'])
def test_rotation_is_added_and_every_key_stays(text: str) -> None:
    assert not rotates(text)
    merged = with_rotation(text)
    assert rotates(merged) == "max-size 20m, max-file 5"
    before, after = json.loads(text or "{}"), json.loads(merged)
    assert after["log-opts"].items() >= before.pop("log-opts", {}).items()
    assert {k: v for k, v in after.items() if k != "log-opts"} == before


def test_a_limit_of_the_servers_own_stays() -> None:
    merged = with_rotation('{"log-opts": {"max-size": "1g"}}')
    assert json.loads(merged)["log-opts"] == {"max-size": "1g", "max-file": "5"}


def test_a_driver_that_knows_no_such_options_is_left_alone() -> None:
    assert "journald" in rotates('{"log-driver": "journald"}')


@pytest.mark.parametrize("text", ["{", "[]", '{"log-opts": 3}', "# none"])
def test_a_file_that_is_none_of_the_engines_is_refused(text: str) -> None:
    with pytest.raises(DeployError, match="cannot be read"):
        with_rotation(text)


def test_packages_are_installed_without_questions() -> None:
    argv = system.install_packages(["docker.io"])
    assert "DEBIAN_FRONTEND=noninteractive" in argv
    assert argv[-3:] == ["install", "--no-install-recommends", "docker.io"]


def test_the_images_of_a_compose_file_are_those_that_are_not_built() -> None:
    text = "services: {a: {image: x}, b: {image: y, build: .}, c: {image: x}, d: {build: .}}"
    assert compose.images_of(text) == ["x"]


def test_an_upstreams_own_name_is_no_host_that_visitors_are_sent_to() -> None:
    config = """
    upstream app { server db:3000 max_fails=3;
        # server app:3000;
    }
    server { listen 80; server_name web; location / { proxy_pass http://app; }
        location /blue/ { set $blue 1001-stories-app-blue; proxy_pass http://$blue:3000/x; }
        location /api/ { proxy_pass https://other/api/; }
    }
    """
    assert hosts_in(config) == {"db", "other"}


def test_a_first_start_makes_nothing_anew() -> None:
    argv = compose.up_all(Compose(("docker", "compose"), "2.26.1").of(load({})))
    assert argv[-3:] == ["up", "--detach", "--no-recreate"]
    assert "--project-name" not in argv


TABLE = """\
  sl  local_address rem_address   st tx_queue
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000
   1: 00000000:0016 00000000:0000 0A 00000000:00000000
   2: 0100007F:0BB9 0100007F:C000 01 00000000:00000000
   3: 0205A8C0:0BBA 00000000:0000 0A 00000000:00000000
   4: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0
"""


def test_ports_that_somebody_listens_on_are_taken_and_connections_are_not() -> None:
    assert taken(TABLE) == {3000, 22, 443}


@pytest.mark.parametrize(
    ("names", "covered"),
    [
        (("a.example.org",), True),
        (("A.Example.org",), True),
        (("*.example.org",), True),
        (("example.org",), False),
        (("*.org",), False),
        (("b.a.example.org",), False),
    ],
)
def test_a_certificate_covers_its_names_and_one_label_of_a_wildcard(
    names: tuple[str, ...], covered: bool
) -> None:
    assert covers(names, "a.example.org") is covered


# -- the doctor's run --------------------------------------------------------------------------


def _raises(error: Exception) -> Finding:
    raise error


def _asked(*rows: Question) -> dict[str, tuple[str, str]]:
    patient: Patient = None  # type: ignore[assignment]  # no question here looks at it
    return {one.name: (one.verdict, one.found) for one in diagnose(patient, rows)}


def test_what_depends_on_a_failed_check_names_the_first_that_failed() -> None:
    assert _asked(
        Question("g", "a", "why", lambda p: failing("no", "mend")),
        Question("g", "b", "why", lambda p: well("yes"), ("a",)),
        Question("g", "c", "why", lambda p: well("yes"), ("b",)),
        Question("g", "d", "why", lambda p: well("yes")),
    ) == {
        "a": ("fail", "no"),
        "b": ("skip", "not asked, because “a” failed"),
        "c": ("skip", "not asked, because “a” failed"),
        "d": ("pass", "yes"),
    }


def test_an_error_inside_a_check_is_its_finding_and_hides_no_other() -> None:
    error = DeployError("it refuses", evidence="in its\nown words", next_command="mend it")
    found = _asked(
        Question("g", "a", "why", lambda p: _raises(error)),
        Question("g", "b", "why", lambda p: _raises(KeyError("x"))),
        Question("g", "c", "why", lambda p: well("yes")),
    )
    assert found == {
        "a": ("fail", "it refuses: in its own words"),
        "b": ("fail", "unexpected KeyError: 'x'"),
        "c": ("pass", "yes"),
    }


def test_the_count_says_how_many_checks_ended_how() -> None:
    patient: Patient = None  # type: ignore[assignment]
    diagnoses = diagnose(patient, [Question("g", "a", "w", lambda p: failing("f", "m"))])
    assert count(diagnoses) == "1 checks: 0 passed, 0 warnings, 1 failed"


@pytest.mark.parametrize("kind", ["git", "server", "registry", "stream"])
def test_every_check_has_a_name_of_its_own_and_needs_only_earlier_ones(kind: str) -> None:
    settings = Settings.model_validate({"source": {"kind": kind, "image": "x"}})
    seen: list[str] = []
    for question in questions(settings):
        assert set(question.needs) <= set(seen)
        assert question.name not in seen
        seen.append(question.name)


def test_the_folder_of_no_site_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"compose\.yml"):
        SiteSetup.local_folder(Settings(), str(tmp_path))
    assert SiteSetup.local_folder(Settings(), "") is None
