"""Visitors on two releases at once: the configuration, the share, the log and the judgement."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabfile.commands.nginx import configuration, parse_marker, refuse_bad_template
from fabfile.commands.nginx_sides import Canary, Sides, canary_in, canary_of, parse_shares
from fabfile.errors import BadSettings
from fabfile.probes.canary_log import Met, met, parse, visitors
from fabfile.probes.comparison import compare
from fabfile.settings import Limits, load
from tests.programs import ROOT, program

KEY = "0123456789abcdef" * 2
OLD, NEW = "20240828-143000", "20240829-090000"


@cache
def rendered(share: int | None, *assignments: str) -> str:
    """Blue is live; with a share green is to come, with None only the operator can look."""
    canary = None if share is None else Canary("green", NEW, share)
    return configuration(
        load({"nginx": {"manage": "whole"}}, assignments=assignments),
        colour="blue",
        release=OLD,
        container="1001-stories-app-blue",
        version=(1, 30, 6),
        former="",
        sides=Sides("green", "1001-stories-app-green", KEY, canary),
    )


# -- the option --------------------------------------------------------------------------------


def test_shares_are_rising_whole_numbers() -> None:
    assert parse_shares("5,25,50") == (5, 25, 50)
    assert parse_shares("1, 99") == (1, 99)
    assert parse_shares("") == ()


@pytest.mark.parametrize("text", ["5,3", "5,5", "0", "100", "5,", "5%", "-5", "1.5", "all", "٥"])
def test_other_shares_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadSettings) as caught:
        parse_shares(text)
    assert caught.value.reason == (
        f"--canary is {text!r}; allowed: rising whole numbers from 1 to 99, for instance 5,25,50"
    )


@pytest.mark.parametrize("task", ["deploy", "blue-green-deploy"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--canary", "5,3"], "--canary is '5,3'; allowed: rising whole numbers"),
        (
            ["--canary", "5", "--set", "nginx.manage=upstream"],
            "site.nginx.manage is 'upstream', and --canary divides visitors",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_contacted(
    task: str, options: list[str], words: str
) -> None:
    done = program("fab", "-H", "nobody@127.0.0.1:9", task, *options)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[1]
    assert "Traceback" not in done.stderr


def test_a_template_of_ones_own_that_knows_one_side_only_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "templates/nginx-blue-green.conf.j2").read_text()
    (tmp_path / "own.j2").write_text(text.replace("{{ side.to }}", "live"))
    own = load({"nginx": {"manage": "whole", "template": str(tmp_path / "own.j2")}})
    refuse_bad_template(own)
    with pytest.raises(BadSettings, match="it knows no canary and no preview"):
        refuse_bad_template(own, 5)


# -- the configuration -------------------------------------------------------------------------


@pytest.mark.parametrize("share", [None, 0, 5])
def test_nginx_starts_though_the_new_container_is_gone(share: int | None) -> None:
    text = rendered(share)
    assert re.findall(r"^\s*server (\S+);", text, re.M) == ["1001-stories-app-blue:3000"]
    assert "resolver 127.0.0.11" in text
    assert "new 1001-stories-app-green:3000;" in text


def test_the_live_release_is_the_former_one_and_the_canary_is_read_back() -> None:
    text = rendered(25)
    assert parse_marker(text) == ("blue", OLD)
    assert canary_in(text) == Canary("green", NEW, 25)
    [header] = re.findall(r'add_header X-Deploy-Canary "([^"]+)" always;', text)
    assert canary_of(header) == Canary("green", NEW, 25)
    assert f'add_header X-Deploy-Live "blue {OLD}" always;' in text
    assert canary_in(rendered(None)) is None
    assert canary_of("") is None


def test_each_answer_and_each_line_of_the_log_names_the_side_that_answered() -> None:
    text = rendered(5)
    assert 'add_header X-Deploy-Release "$deploy_release" always;' in text
    assert '"colour":"$deploy_colour","release":"$deploy_release"' in text
    assert '"visitor":"$deploy_counted"' in text
    assert "proxy_pass http://live;" not in text


def test_the_cookie_is_set_beside_the_security_headers_and_drops_none() -> None:
    text = rendered(5)
    assert "add_header Set-Cookie $deploy_cookie always;" in text
    locations = re.findall(r"^ *location [^{]*\{(?:[^{}]|\{[^}]*\})*\}", text, re.M)
    assert len(locations) >= 5
    assert not [block for block in locations if "add_header" in block]


def test_by_address_no_cookie_is_set() -> None:
    text = rendered(5, "canary.by=address")
    assert "Set-Cookie" not in text
    assert "cookie_deploy_visitor" not in text
    assert "default $remote_addr;" in text


def test_where_only_the_operator_may_look_no_visitor_is_divided() -> None:
    for text in (rendered(None, "nginx.preview.enabled=true"), rendered(0)):
        assert "split_clients" not in text
        assert "Set-Cookie" not in text


def test_the_preview_has_the_names_of_the_settings_and_the_key() -> None:
    text = rendered(
        None,
        "nginx.preview={enabled: true, header: X-Look-Ahead, cookie: ahead}",
    )
    assert '"$http_x_look_ahead $cookie_ahead"' in text
    assert f'"~^{KEY} " 1;' in text
    assert 'proxy_set_header X-Look-Ahead "";' in text, "the app does not get the key"
    assert KEY not in rendered(5).replace(f"{KEY}-new", "").replace(f"{KEY}-old", "")


def test_a_preview_needs_a_configuration_of_ours() -> None:
    with pytest.raises(BadSettings, match=r"nginx\.preview\.enabled is true and .*manage"):
        load({"nginx": {"manage": "upstream", "preview": {"enabled": True}}})


def murmur(text: str) -> int:
    """What nginx's split_clients makes of a key: MurmurHash2."""
    data, m, mask = text.encode(), 0x5BD1E995, 0xFFFFFFFF
    h = len(data)
    for at in range(0, len(data) - len(data) % 4, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if rest := data[len(data) - len(data) % 4 :]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def side(config: str, visitor: str) -> str:
    """The part of split_clients that a visitor falls into, as nginx reads the parts: in order."""
    parts = re.search(r"split_clients \S+ \S+ \{\n(.*?)\}", config, re.S)
    assert parts
    upto, hashed = 0, murmur(visitor)
    for percent, name in re.findall(r"(\d+%|\*) (\w+);", parts[1]):
        if percent == "*":
            return str(name)
        upto += int(percent[:-1]) * 100 * 0xFFFFFFFF // 10_000
        if hashed < upto:
            return str(name)
    raise AssertionError("no part for all others")


@hypothesis.settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 99), min_size=2, max_size=5, unique=True).map(sorted), st.uuids())
def test_who_is_on_the_new_release_stays_on_it_as_the_share_grows(
    shares: list[int], visitor: Any
) -> None:
    sides = [side(rendered(share), visitor.hex) for share in shares]
    assert sides == sorted(sides, reverse=True), "old, …, then new, …"


def test_a_share_is_about_that_share_of_the_visitors() -> None:
    config = rendered(25)
    sides = [side(config, f"{number:032x}") for number in range(4000)]
    assert 0.2 < sides.count("new") / len(sides) < 0.3


# -- the log -----------------------------------------------------------------------------------


def line(release: str, status: int, seconds: str, visitor: str, path: str = "/") -> str:
    return (
        f'{{"time":"x","colour":"c","release":"{release}","status":{status},"method":"GET",'
        f'"path":"{path}","address":"1.2.3.4","seconds":9.000,"upstream":"172.18.0.4:3000",'
        f'"upstream_status":"{status}","upstream_seconds":"{seconds}","visitor":"{visitor}",'
        '"agent":"a"}'
    )


LOG = [
    line(NEW, 200, "0.010", "a"),
    line(NEW, 500, "0.001", "a"),
    line(NEW, 502, "-", "b"),
    line(NEW, 200, "0.030, 0.010", "b"),
    line(NEW, 200, "5.000", ""),  # a probe of the deploy's own
    line(OLD, 200, "0.020", "c"),
    line(OLD, 200, "0.020", "c", path='/\\"release\\":\\"forged\\",\\"status\\":500,'),
    f'{{"time":"x","colour":"c","release":"{OLD}","status":200,"method":"GET"}}',  # before it
    '172.18.0.1 - - [x] "GET / HTTP/1.1" 200 12',
]


class HereServer:
    """Runs scripts on this machine, with a `docker` that prints the log."""

    def __init__(self, folder: Path) -> None:
        (folder / "log").write_text("\n".join(LOG) + "\n")
        docker = folder / "docker"
        docker.write_text(f'#!/bin/sh\n[ "$1" = logs ] && cat {folder}/log\nexit 0\n')
        docker.chmod(0o755)
        self.path = f"{folder}:{os.environ['PATH']}"

    def shell(self, script: str, *arguments: str) -> Any:
        done = subprocess.run(
            ["sh", "-c", script, "sh", *arguments],
            env={"PATH": self.path},
            capture_output=True,
            text=True,
            check=True,
        )
        return type("Output", (), {"stdout": done.stdout, "text": done.stdout.strip()})


def test_only_visitors_are_counted_and_the_app_times_are_of_good_answers(tmp_path: Path) -> None:
    server: Any = HereServer(tmp_path)
    found = met(server, "nginx", "2024-08-29T09:00:00Z")
    new, old = found[NEW], found[OLD]
    assert (new.requests, new.failed) == (4, 2)
    assert sorted(new.seconds) == [0.010, 0.040]
    assert (old.requests, old.failed, old.seconds) == (2, 0, [0.020, 0.020])
    assert set(found) == {NEW, OLD}
    assert visitors(server, "nginx", "2024-08-29T09:00:00Z", NEW) == 2
    assert visitors(server, "nginx", "2024-08-29T09:00:00Z", "20200101-000000") == 0


def test_an_empty_log_is_no_requests() -> None:
    assert parse("")[NEW].requests == 0


# -- the judgement -----------------------------------------------------------------------------


def answers(requests: int, failed: int = 0, seconds: float = 0.01) -> Met:
    return Met(requests, failed, [seconds] * (requests - failed))


@pytest.mark.parametrize(
    ("new", "live", "word"),
    [
        (answers(200), answers(2000), "good"),
        (answers(200, 20), answers(2000), "failing"),
        (answers(20, 20), answers(2000), "failing"),
        (answers(3, 3), answers(2000), "erring"),
        (answers(60, 1), answers(2000), "erring"),
        (answers(2000, 19), answers(2000), "good"),
        (answers(200, 20), answers(2000, 240), "good"),
        (answers(200, 60), answers(2000, 240), "failing"),
        (answers(49), answers(2000), "too few"),
        (answers(0), answers(0), "too few"),
        (answers(200, seconds=0.5), answers(2000, seconds=0.1), "slow"),
        (answers(200, seconds=3.0), answers(3), "slow"),
        (answers(200, seconds=0.03), answers(2000, seconds=0.01), "good"),
    ],
    ids=str,
)
def test_the_new_release_is_held_against_the_live_one(new: Met, live: Met, word: str) -> None:
    found = compare(new, live, Limits(), enough=50)
    assert found.word == word, found.reason
