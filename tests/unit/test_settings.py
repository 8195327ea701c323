"""Settings are refused in one line that names the setting, the value and what is allowed."""

from __future__ import annotations

import pytest
import yaml

from fabfile.errors import BadSettings
from fabfile.server.migration_folder import read_folders
from fabfile.settings import load
from tests.programs import ROOT


def refusal(section: object, **options: object) -> str:
    with pytest.raises(BadSettings) as caught:
        load(section, **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.reason
    return caught.value.reason


def test_the_shipped_example_is_the_guides_site() -> None:
    site = load(yaml.safe_load((ROOT / "invoke.yaml").read_text())["site"])
    assert site.ssh.host == "ubuntu@3.128.143.122"
    assert site.app.container_of("green") == "1001-stories-app-green"
    assert site.app.port_of("green") == 3001
    [roles] = [folder.roles for folder in read_folders(site)]
    assert roles and roles.expect == {"LEARNER": 2, "ADMIN": 2}
    assert site.deploy.watch_seconds == 30


@pytest.mark.parametrize(
    ("pages", "front", "timed"),
    [
        ({"/up": 200, "/": 200}, "/", ["/up", "/"]),
        ({"/": 302, "/items": 200, "/up": 200}, "/items", ["/up", "/items"]),
        ({"/": 404, "/up": 200}, "/up", ["/up"]),
        ({"/": 404}, "", ["/up"]),
        ({}, "", ["/up"]),
    ],
)
def test_the_page_that_shows_the_site_need_not_be_the_first(
    pages: dict[str, int], front: str, timed: list[str]
) -> None:
    listed = {path: {"status": [status]} for path, status in pages.items()}
    settings = load({"public": {"pages": listed}, "app": {"health_path": "/up"}})
    assert (settings.public.front, settings.timed_paths) == (front, timed)


def test_fabric_reads_the_same_file_as_invoke() -> None:
    assert (ROOT / "fabric.yaml").resolve() == (ROOT / "invoke.yaml").resolve()


def test_an_unknown_name_is_refused_with_the_nearest_right_one() -> None:
    assert refusal({"app": {"prot": 3000}}) == (
        "invoke.yaml: site.app.prot: no such setting; did you mean port?"
    )


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"app": {"port": 0}}, "site.app.port is 0; allowed: a whole number from 1 to 65535"),
        ({"app": {"port": "x"}}, "site.app.port is 'x'"),
        ({"app": {"container": "a; rm -rf /"}}, "site.app.container is 'a; rm -rf /'"),
        ({"folders": {"backups": "/srv/../etc"}}, "without '..'"),
        ({"folders": {"backups": "/"}}, "not '/' itself"),
        ({"migration": {"data": "later"}}, "allowed: auto, now or after-switch"),
        ({"nginx": {"certificate": "/a b;"}}, "site.nginx.certificate is '/a b;'"),
        ({"nginx": {"limit_exempt": ["1.2.3.4 1; }"]}}, "site.nginx.limit_exempt.0"),
        ({"app": None}, "site.app is empty; allowed: settings below it: image"),
        ("text", "allowed: a mapping of settings"),
        (None, "no `site:` section"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(section: object, words: str) -> None:
    assert words in refusal(section)


def test_set_beats_the_environment_and_the_environment_beats_the_file() -> None:
    section = {"app": {"port": 1}}
    environment = {"DEPLOY_APP__PORT": "2", "PATH": "/bin"}
    assert load(section, environment=environment).app.port == 2
    assert load(section, environment=environment, assignments=["app.port=3"]).app.port == 3


def test_overrides_are_read_as_yaml() -> None:
    settings = load({}, assignments=["app.health_status=[fine]", "ssh.accept_new_host_key=false"])
    assert settings.app.health_status == ("fine",)
    assert settings.ssh.accept_new_host_key is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"environment": {"DEPLOY_APP__PRT": "1"}},
            "DEPLOY_APP__PRT: site.app.prt: no such setting",
        ),
        (
            {"assignments": ["app.prt=1"]},
            "--set app.prt: site.app.prt: no such setting; did you mean port?",
        ),
        ({"assignments": ["app.port"]}, "allowed: NAME=VALUE"),
        ({"assignments": ["app.port.x=1"]}, "site.app.port is {'x': 1}"),
    ],
)
def test_a_wrong_override_is_refused(options: dict[str, object], words: str) -> None:
    assert words in refusal({}, **options)


def test_a_validation_names_groups_that_there_are() -> None:
    assert load({"validation": {"only_warn": ["Logs", "Security: days left"]}})
    assert "groups: Containers, Database" in refusal({"validation": {"critical": ["Log"]}})
