"""Hooks: what they are told, how they end, what is refused, and that nothing of them is left."""

from __future__ import annotations

import os
import re
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fabfile import interrupts, preflight
from fabfile.errors import BadSettings, DeployError, Interrupted, TakenBack, ValidationFailed
from fabfile.phases.phase import Phase, Step
from fabfile.plans.deeds import only
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.settings import load
from fabfile.settings_file import Origins, SettingsFile
from fabfile.settings_hooks import Hook, When
from fabfile.site import Site, _outcome
from fabfile.telling import process
from fabfile.telling.facts import End
from tests.programs import ROOT, program
from tests.unit.test_webhooks import NOBODY, Live

Script = Callable[..., str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """An executable with this body; its path."""

    def write(body: str, name: str = "hook") -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return write


def site_with(*hooks: dict[str, Any], **more: Any) -> Site:
    chosen = load({**NOBODY, "name": "Shop", "hooks": list(hooks), **more})
    site = Site(chosen, Server(chosen), Console(), "20260101-000000")
    site.__dict__["live"] = Live()
    return site


def hook(run: str, phase: str = "deploy", when: str = "before", **more: Any) -> dict[str, Any]:
    return {"run": run, "phase": phase, "when": when, **more}


def running(script: str, seconds: float = 20) -> tuple[str, list[str]]:
    lines: list[str] = []
    return process.run([script], os.environ, seconds, lines.append), lines


def alive(pid: int) -> bool:
    """Whether it still does something; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def gone(pid: int) -> bool:
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


# -- a process ---------------------------------------------------------------------------------


def test_what_it_prints_is_said_line_by_line_without_what_a_terminal_acts_on(
    script: Script,
) -> None:
    body = (
        r"printf 'one\n\033[31mred\033[0m\a\ttab\n\033]0;title\0071%%\r2%%\r\n'; echo two >&2; "
        "printf end"
    )
    assert running(script(body)) == ("", ["one", "red     tab", "2%", "two", "end"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 3", "ended with exit code 3"),
        ("kill -9 $$", "was ended by SIGKILL"),
        ("exit 0", ""),
    ],
)
def test_how_it_ended_is_said(script: Script, body: str, words: str) -> None:
    assert running(script(body))[0] == words


def test_one_that_cannot_be_started_says_why(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0\1\2")
    (tmp_path / "x").chmod(0o755)
    assert running(str(tmp_path / "x"))[0] == "cannot be started: Exec format error"


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"], ids=["obedient", "deaf"])
def test_after_its_time_the_whole_group_is_ended(
    script: Script, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE", 0.3)
    body = f"{trap} sleep 60 & echo $!; echo $$; while :; do sleep 0.1; done"
    problem, lines = running(script(body), seconds=0.5)
    assert problem == "took longer than 0.5 s, and was ended"
    assert [gone(int(line)) for line in lines] == [True, True]


def test_it_is_asked_to_end_before_it_is_killed(script: Script) -> None:
    body = "trap 'echo tidied; exit' TERM; echo ready; while :; do sleep 0.1; done"
    lines = running(script(body), seconds=1)[1]
    assert (lines[0], lines[-1]) == ("ready", "tidied")


def test_what_it_leaves_behind_ends_with_it_and_nobody_waits_for_that(script: Script) -> None:
    began = time.monotonic()
    problem, lines = running(script("sleep 60 & echo $!"))
    assert problem == ""
    assert gone(int(lines[0]))
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("body", ["yes", "tr '\\0' x < /dev/zero"])
def test_output_without_end_is_cut_and_its_time_holds(script: Script, body: str) -> None:
    problem, lines = running(script(body), seconds=1)
    assert problem == "took longer than 1 s, and was ended"
    assert len(lines) <= 1001
    assert max(map(len, lines)) <= 501


def test_ctrl_c_ends_it_as_it_ends_a_run(script: Script) -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    lines: list[str] = []
    with interrupts.listening():
        timer.start()
        with pytest.raises(Interrupted, match="interrupted by SIGINT"):
            process.run([script("echo $$; sleep 60")], os.environ, 30, lines.append)
        interrupts.settled()
    assert gone(int(lines[0]))


# -- what it is told ---------------------------------------------------------------------------


def test_a_hook_has_the_run_in_its_environment(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_PART", "another's")
    seen = "env | grep -E '^(DEPLOY_HOOK|SERVER_PART)' | sort"
    site = site_with(hook(script(f"{seen} > {tmp_path}/seen")))
    site.telling.begin("deploy")
    site.hooks.around("deploy", "before")
    assert (tmp_path / "seen").read_text().splitlines() == [
        "DEPLOY_HOOK_COLOUR=green",
        "DEPLOY_HOOK_FORMER_RELEASE=",
        "DEPLOY_HOOK_LIVE_RELEASE=20260102-030405",
        "DEPLOY_HOOK_OUTCOME=",
        "DEPLOY_HOOK_PHASE=deploy",
        "DEPLOY_HOOK_REASON=",
        "DEPLOY_HOOK_RELEASE=20260101-000000",
        "DEPLOY_HOOK_REPORT=",
        "DEPLOY_HOOK_SERVER=nobody@127.0.0.1:9",
        "DEPLOY_HOOK_SITE=Shop",
        "DEPLOY_HOOK_STATE=",
        "DEPLOY_HOOK_TASK=deploy",
        "DEPLOY_HOOK_URL=https://1001stories.seedsofempowerment.org",
        "DEPLOY_HOOK_WHEN=before",
    ]


def test_a_function_gets_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "def show(told):\n    open('seen', 'w').write(f'{told[\"release\"]} {told[\"phase\"]}')\n"
        "def fail(told):\n    raise ValueError('not on a Friday')\n"
    )
    fails = hook("mine:fail", on_failure="stop")
    site = site_with(hook("mine:show", "deploy"), fails)
    preflight.check(site.settings)
    site.telling.begin("deploy")
    with pytest.raises(DeployError, match="hook mine:fail ended with exit code 1") as caught:
        site.hooks.around("deploy", "before")
    assert (tmp_path / "seen").read_text() == "20260101-000000 deploy"
    assert caught.value.evidence == f"{tmp_path}/mine.py:4: ValueError: not on a Friday"
    assert "--set hooks=[]" in caught.value.next_command


def test_a_hook_may_call_fab_itself_and_a_broken_one_keeps_nobody_from_looking() -> None:
    argv = ("fab", "notify", f"--set=hooks=[{MISSING}]")
    done = program(*argv, environment={"DEPLOY_HOOK_RELEASE": "x"})
    assert done.returncode == 0, done.stderr


def test_the_secret_of_a_webhook_is_not_shown_in_what_a_hook_prints(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"webhooks": [{"url": "https://a.example/secret/1"}]}
    site = site_with(hook(script("echo see https://a.example/secret/1")), notify=told)
    shown: list[str] = []
    monkeypatch.setattr(site.console, "detail", shown.append)
    site.hooks.around("deploy", "before")
    assert shown == ["see https://a.example/…"]


# -- what a failure means ----------------------------------------------------------------------


def test_a_failure_warns_unless_the_setting_says_stop(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = script("echo because; exit 1")
    site_with(hook(failing)).hooks.around("deploy", "before")
    assert f"! hook {failing} ended with exit code 1" in capsys.readouterr().out
    kinds: dict[When, type[DeployError]] = {"before": DeployError, "after": ValidationFailed}
    for when, kind in kinds.items():
        site = site_with(hook(failing, when=when, on_failure="stop"))
        with pytest.raises(kind) as caught:
            site.hooks.around("deploy", when)
        assert caught.value.evidence == "because"


class Told:
    """In the place of the lock and the ledger."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class TwoSteps(Phase):
    name = "blue-green-deploy"
    script = ""
    criteria = triggers = ()

    def __init__(self, site: Site, *, by_itself: bool = False) -> None:
        super().__init__(site)
        self.by_itself = by_itself
        self.done: list[str] = []
        lock: Any = Told()
        lock.owner = type("Owner", (), {"token": "x"})()
        site.__dict__.update(lock=lock, ledger=Told(), migration_folders=())

    def steps(self) -> tuple[Step, ...]:
        plan = only("server", "does one")
        return (Step("one", lambda: self.done.append("one"), self.undo, plan=plan),)

    def undo(self) -> str:
        self.done.append("undone")
        return "one"


class Back(TwoSteps):
    name = "rollback --full"


def test_a_hook_before_a_phase_that_stops_it_lets_no_step_begin(script: Script) -> None:
    phase = TwoSteps(site_with(hook(script("exit 1"), "blue-green-deploy", on_failure="stop")))
    with pytest.raises(DeployError) as caught:
        phase.run()
    assert (caught.value.exit_code, phase.done) == (1, [])
    assert caught.value.state == "the site is as it was before this phase"


def test_a_hook_after_a_phase_that_stops_it_is_like_a_step_that_fails(script: Script) -> None:
    after = hook(script("exit 1"), "*", "after", on_failure="stop")
    phase = TwoSteps(site_with(after))
    with pytest.raises(TakenBack):
        phase.run()
    assert phase.done == ["one", "undone"]


def test_the_way_back_is_stopped_by_none_after_it_and_has_none_when_it_comes_by_itself(
    script: Script, tmp_path: Path
) -> None:
    after = hook(script(f"echo after >> {tmp_path}/ran; exit 1"), "*", "after", on_failure="stop")
    before = hook(script(f"echo before >> {tmp_path}/ran; exit 1", "b"), "*", on_failure="stop")
    phase = Back(site_with(after))
    phase.run()
    assert phase.done == ["one"]
    phase = Back(site_with(after, before), by_itself=True)
    phase.run()
    assert phase.done == ["one"]
    assert (tmp_path / "ran").read_text() == "after\n"


def test_a_hook_of_a_failure_runs_once_at_the_end_of_the_run_and_knows_how_it_ended(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = '"$DEPLOY_HOOK_PHASE $DEPLOY_HOOK_OUTCOME $DEPLOY_HOOK_REASON"'
    say = script(f"echo {told} >> {tmp_path}/said; exit 1")
    other = hook(script(f"echo other >> {tmp_path}/said", "b"), "restore", "failed")
    site = site_with(hook(say, "*", "failed"), hook(say, "deploy", "failed"), other)
    site.telling.begin("deploy")
    site.telling.failed += ["run-migration"]
    error = TakenBack("too slow")
    site.telling.end(End.of(_outcome(error), error))
    assert (tmp_path / "said").read_text().splitlines() == [
        "run-migration taken back too slow",
        "deploy taken back too slow",
    ]
    assert capsys.readouterr().out.count("! hook") == 2  # which fails nothing


def test_rollback_is_its_full_kind_too() -> None:
    one = Hook(phase="rollback", when="before", run="./x")
    assert one.at("rollback --full", "before")
    assert not one.at("restore", "before")
    full = Hook(phase="rollback --full", when="before", run="./x")
    assert not full.at("rollback", "before")


# -- what is refused ---------------------------------------------------------------------------


CANNOT_RUN = [
    ("{tmp}/none", "it is not there"),
    ("{tmp}", "it is a folder"),
    ("{tmp}/plain", "it is not executable"),
    ("no_such_module:f", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("json:no_such", "AttributeError: module 'json' has no attribute 'no_such'"),
    ("json:__name__", "TypeError: __name__ in json is no function"),
    ("broken_module:f", "broken_module.py:2: ModuleNotFoundError"),
    ("leaving_module:f", "SystemExit: 3"),
]


@pytest.mark.parametrize(("run", "words"), CANNOT_RUN)
def test_what_cannot_be_run_is_refused_with_its_line(
    run: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "broken_module.py").write_text("print('loading')\nimport no_such_thing\n")
    (tmp_path / "leaving_module.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    path, run = tmp_path / "site.yaml", run.format(tmp=tmp_path)
    entries = [hook("/bin/true"), hook("json:dumps"), hook(run, "*")]
    path.write_text(yaml.safe_dump({"site": {"hooks": entries}}, sort_keys=False))
    origins = Origins([SettingsFile(path)])
    with pytest.raises(BadSettings) as caught:
        preflight.check(load(yaml.safe_load(path.read_text())["site"], origins=origins))
    origins.explain(caught.value)
    assert caught.value.reason.startswith("site.yaml:9: site.hooks.2.run is ")
    assert words in caught.value.reason
    assert "--set hooks=[]" in caught.value.next_command


def test_such_a_hook_ends_a_task_that_changes_something_before_anything_is_contacted() -> None:
    done = program("fab", "-H", "u@127.0.0.1:9", "assess", f"--set=hooks=[{MISSING}]")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("✗ --set hooks: site.hooks.0.run is './none': it is not")


MISSING = "{phase: deploy, when: before, run: ./none}"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"when": "failed", "on_failure": "stop"}, "with when 'failed'; allowed: warn"),
        ({"phase": "restore", "when": "after", "on_failure": "stop"}, "the way back; allowed"),
        ({"phase": "assess"}, "site.hooks.0.phase is 'assess'; allowed: deploy, assess-infra"),
        ({"run": ""}, "site.hooks.0.run is ''; allowed"),
    ],
)
def test_a_hook_that_makes_no_sense_is_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettings, match=re.escape(words)):
        load({**NOBODY, "hooks": [{**hook("./x"), **entry}]})


def test_a_bare_name_is_one_in_this_folder_and_not_on_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadSettings, match="is 'true': it is not there"):
        preflight.check(load({**NOBODY, "migration": {"folder": ""}, "hooks": [hook("true")]}))
    assert stat.S_IXUSR & (ROOT / ".ci/run").stat().st_mode  # what `true` is meant to stand for
