"""Hooks and webhooks at the command line: what they are told, what stops, what does not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from lab import server as lab_server
from tests.lab.conftest import HERE, SETTINGS_FILE, THERE, Fab
from tests.programs import BIN, ROOT, Done
from tests.receiver import Receiver, receiving

OnServer = Callable[..., "Done"]
ALL = ["started", "done", "failed", "taken back", "needs a person"]
CONTAINERS = "docker ps -a --format '{{.ID}} {{.Names}}' | sort"
SAY = (
    "echo $DEPLOY_HOOK_WHEN $DEPLOY_HOOK_PHASE $DEPLOY_HOOK_COLOUR $DEPLOY_HOOK_OUTCOME "
    '>> "$(dirname "$0")/said"'
)


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def told(*receivers: Receiver) -> str:
    """The setting with which these are webhooks."""
    some = [{"url": one.url, "events": ALL, "timeout": 1} for one in receivers]
    return f"--set=notify.webhooks={_flow(some)}"


def hooked(tmp_path: Path, *hooks: tuple[str, str, str]) -> str:
    """The setting with which these are hooks: phase, when, and the body; before and after stop."""
    entries = []
    for number, (phase, when, body) in enumerate(hooks):
        path = tmp_path / f"hook{number}"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        entry = {"phase": phase, "when": when, "run": str(path)}
        entries.append(entry if when == "failed" else {**entry, "on_failure": "stop"})
    return f"--set=hooks={_flow(entries)}"


def said(tmp_path: Path) -> list[str]:
    """What its hooks have said, in their order."""
    return (tmp_path / "said").read_text().splitlines()


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()


def test_an_assessment_runs_its_hooks_and_tells_who_wants_to_know(
    fab: Fab, tmp_path: Path, receiver: Receiver
) -> None:
    hooks = hooked(
        tmp_path,
        ("assess-infrastructure", "before", SAY),
        ("*", "after", SAY),
        ("rollback", "before", "touch $0.never"),
    )
    with receiving(status=500) as failing:
        done = fab("assess", hooks, told(receiver, failing))
    assert done.returncode == 0, done.stdout + done.stderr
    assert said(tmp_path) == [
        "before assess-infrastructure blue",
        "after assess-infrastructure blue",
    ]
    assert not list(tmp_path.glob("*.never"))
    assert sorted(receiver.events()) == ["done", "started"]
    [end] = [one for one in receiver.got if one["event"] == "done"]
    assert end["colour"] == "blue"
    assert re.search(r"visitors are on blue \S+; took \d+", end["text"])
    warned = f"! webhook {failing.host}: answered 500: ok"
    assert done.stdout.count(warned) == 2
    assert "do-not-show-me" not in done.stdout + done.stderr


def test_a_hook_that_stops_a_phase_leaves_the_site_as_it_was(
    fab: Fab, on_server: OnServer, tmp_path: Path, receiver: Receiver
) -> None:
    hooks = hooked(
        tmp_path,
        ("blue-green-deploy", "before", "echo no deploys on Fridays; exit 1"),
        ("*", "failed", SAY),
    )
    before = on_server(CONTAINERS).stdout
    with receiving(status=None) as hanging:
        done = fab("blue-green-deploy", hooks, told(receiver, hanging))
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"✗ hook \S+/hook0 ended with exit code 1", done.stderr)
    assert "│ no deploys on Fridays" in done.stderr
    assert "state: the site is as it was before this phase" in done.stderr
    assert "--set hooks=[]" in done.stderr
    assert said(tmp_path) == ["failed blue-green-deploy blue failed"]
    assert "see what is live" not in done.stdout
    assert before == on_server(CONTAINERS).stdout
    assert sorted(receiver.events()) == ["failed", "started"]
    assert f"! webhook {hanging.host}: no answer within 1 s" in done.stdout


def test_a_hook_after_the_switch_takes_the_visitors_back(
    fab: Fab, on_server: OnServer, tmp_path: Path, receiver: Receiver
) -> None:
    after = f"{SAY}; test $DEPLOY_HOOK_LIVE_RELEASE != $DEPLOY_HOOK_RELEASE"
    hooks = hooked(tmp_path, ("blue-green-deploy", "after", after), ("*", "failed", SAY))
    patient = ("--set=deploy.watch_seconds=1", "--set=limits.response_seconds=9")
    done = fab("blue-green-deploy", hooks, told(receiver), *patient)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "✗ hook" in done.stderr, done.stderr
    assert said(tmp_path) == [
        "after blue-green-deploy green",
        "failed blue-green-deploy blue taken back",
    ]
    assert re.search(r"taken back: .*visitors back on blue", done.stderr)
    assert "app-green" not in on_server("docker ps -a --format '{{.Names}}'").stdout
    [end] = [one for one in receiver.got if one["event"] == "taken back"]
    assert end["colour"] == "blue"
    assert end["failed_requests"] == 0 < end["requests"]


def test_ctrl_c_ends_the_hook_and_then_the_run(
    on_server: OnServer, tmp_path: Path, fab: Fab
) -> None:
    hooks = hooked(tmp_path, ("blue-green-deploy", "before", "echo $$ > $0.pid; sleep 61"))
    process = subprocess.Popen(
        [str(BIN / "fab"), "-f", str(SETTINGS_FILE), "-H", HERE.host, "blue-green-deploy", hooks],
        cwd=ROOT,
        env={**os.environ, **THERE},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    note = tmp_path / "hook0.pid"
    while not (note.exists() and note.read_text().strip()):
        assert process.poll() is None
        time.sleep(0.1)
    pid = int(note.read_text())
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 1, out + errors
    assert "interrupted by SIGINT" in errors
    assert not Path(f"/proc/{pid}").exists()
    assert "free" in fab("lock").stdout
