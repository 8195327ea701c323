"""Visitors in steps: a bad release is met by few, a good one by all, and nobody goes to and fro.

The tests run in their order; each starts from the state that the one before it left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from lab import server as lab_server
from lab.load import Load
from tests.lab.conftest import Fab, noticed

WATCH = ("--set=canary.watch_seconds=4", "--set=canary.minimum_requests=20")
QUICK = ("--set=deploy.watch_seconds=2", *WATCH)
KEY = "cat 1001-stories-deploy/side-key"
ASK = "curl -sk -o /dev/null -D - https://127.0.0.1{} | tr -d '\\r' | grep -i '^x-deploy-release'"


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


@pytest.fixture
def browsers() -> Iterator[Load]:
    """Many visitors who keep their cookies; stop it to see what each has met."""
    load = Load(rate=60, visitors=48, browsers=True, most_seconds=300).start()
    yield load
    load.stop()


def _changes(load: Load) -> set[tuple[str, ...]]:
    """The ways that visitors went, with `old` and `new` for the releases in their order."""
    names: dict[str, str] = {}
    for journey in sorted(load.journeys, key=len, reverse=True):
        for release, word in zip(journey, ("old", "new"), strict=False):
            names.setdefault(release, word)
    return {tuple(names[release] for release in journey) for journey in load.journeys}


def test_a_good_release_gets_all_visitors_and_each_of_them_changes_once(
    fab: Fab, browsers: Load
) -> None:
    """From plain production: the adopted container is the live one of a canary too."""
    done = fab("deploy", "--canary", "15,50", *QUICK)
    load = browsers.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert noticed(load) == 0, str(load)
    assert _changes(browsers) == {("old", "new")}
    told = re.search(
        r"• Canary: 15 %, 50 %, then all; before that (\d+) visitors met the new release in "
        r"([\d,]+) requests, 0 of them failed",
        done.stdout,
    )
    assert told, done.stdout
    assert 1 <= int(told[1]) < 48, "and not all of them"
    assert int(told[2].replace(",", "")) <= load.answered
    config = lab_server.run("cat 1001-stories/nginx/nginx.conf").stdout
    assert "split_clients" not in config
    assert "canary" not in config
    kept = lab_server.run("cat 1001-stories/nginx/nginx.conf.backup-*").stdout
    assert "X-Deploy-Canary" not in kept, "the kept copy is what was there before it all"


def test_a_release_that_fails_some_requests_is_taken_back_at_the_first_step(
    fab: Fab, browsers: Load, working_copy: Callable[..., str]
) -> None:
    was = lab_server.run("cat 1001-stories/nginx/nginx.conf").stdout
    done = fab("blue-green-deploy", "--canary", "20,50", working_copy("fails-some 10"), *QUICK)
    load = browsers.stop()
    assert done.returncode == 3, done.stdout + done.stderr
    assert "rollback trigger: more of the canary's requests fail than is acceptable" in done.stderr
    assert "watch 20 % of visitors: " in done.stderr
    assert "50 %" not in done.stdout
    told = re.search(
        r"taken back: visitors back on green \S+; (\d+) visitors met the new release in ([\d,]+) "
        r"requests, ([\d,]+) of them failed; 1001-stories-app-blue removed",
        done.stderr,
    )
    assert told, done.stderr
    people, requests, failed = (int(word.replace(",", "")) for word in told.groups())
    assert 1 <= people < 30, "a fifth of 48, more or less"
    assert 1 <= failed == load.failed < requests, str(load)
    assert _changes(browsers) <= {("old",), ("old", "new", "old")}
    assert ("old", "new", "old") in _changes(browsers)
    assert lab_server.run("cat 1001-stories/nginx/nginx.conf").stdout == was
    ledger = lab_server.run("tail -n 20 1001-stories-deploy/ledger.jsonl").stdout
    assert '"event": "canary-judged"' in ledger
    assert '"outcome": "taken back"' in ledger


def test_too_few_requests_are_said_and_the_setting_decides(fab: Fab) -> None:
    hurry = ("--set=canary.watch_seconds=1", "--set=canary.longest_seconds=1")
    done = fab("blue-green-deploy", "--canary=5", *hurry, "--set=canary.too_few=back")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "0 requests to the new release, 50 wanted" in done.stderr
    assert "rollback trigger: the canary has too few requests to be judged" in done.stderr


def test_the_operator_sees_the_idle_release_before_anybody_else(fab: Fab) -> None:
    """The key opens it, by header, cookie and path; everybody else is where he was."""
    live = _release("/")
    on = ("--set=nginx.preview.enabled=true", "--set=deploy.watch_seconds=0")
    assert "the next switch puts it there" in fab("nginx", "--preview", on[0]).stderr
    done = fab("blue-green-deploy", *on, "--set=nginx.preview.hold_seconds=1")
    assert done.returncode == 0, done.stdout + done.stderr
    now = _release("/")
    assert now != live
    key = lab_server.run(KEY).stdout.strip()
    assert key not in done.stdout + done.stderr
    assert key in fab("nginx", "--preview", on[0]).stdout
    assert key not in fab("nginx", "--diff", on[0]).stdout
    # The colour that was left, started again: it is the idle one now.
    lab_server.run("docker start 1001-stories-app-green")
    wait = "until curl -sf http://127.0.0.1:3001/api/health; do sleep 0.2; done"
    lab_server.run(wait)
    assert _app(f"/ -H 'X-Preview: {key}'") == live
    assert _app(f"/ -b 'preview={key}'") == live
    assert _app(f"/green/login -H 'X-Preview: {key}'") == live
    assert _app(f"/blue/login -H 'X-Preview: {key}'") == now
    assert _app("/") == _app("/ -H 'X-Preview: 1'") == now
    assert lab_server.run("curl -sk -o /dev/null -w '%{http_code}' https://127.0.0.1/green/login")
    lab_server.run("docker stop 1001-stories-app-green")


def _release(path: str) -> str:
    return lab_server.run(ASK.format(path)).stdout.split()[-1]


def _app(path_and_options: str) -> str:
    """The release that the app itself names."""
    ask = f"curl -sk -o /dev/null -D - https://127.0.0.1{path_and_options} | tr -d '\\r'"
    return lab_server.run(f"{ask} | grep -i '^x-app-release'").stdout.split()[-1]
