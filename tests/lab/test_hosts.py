"""One command on two servers: in order, stopped, taken back, side by side.

The tests run in their order; each starts from the state that the one before it left.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import server as lab_server
from lab import website
from lab.load import Load
from lab.places import Server as LabServer
from tests.lab.conftest import HERE, SECOND, SETTINGS_FILE, SHARED, noticed
from tests.programs import BIN, ROOT, Done, program

BOTH = f"{HERE.alias},{SECOND.alias}"
ROLES = "SELECT string_agg(DISTINCT role::text, ' ' ORDER BY role::text) FROM \"User\""
QUICK = "--set=deploy.watch_seconds=0"
# Nobody listens there; a public address of its own, as every server must have.
GONE = ("--set=hosts.gone.ssh.host=nobody@127.0.0.1:9", "--set=hosts.gone.public.connect=a:9")
AT_WORK = "let old nginx workers"  # a step when visitors are on the new release already

Copy = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def _plain_production(second: LabServer) -> None:
    for server in (HERE, second):
        lab_server.reset(server)


@pytest.fixture
def loads() -> Iterator[list[Load]]:
    """Visitors on both servers."""
    both = [Load(rate=20, visitors=8, port=s.https_port, most_seconds=400) for s in (HERE, SECOND)]
    yield [load.start() for load in both]
    for load in both:
        load.stop()


@pytest.fixture
def broken(working_copy: Copy) -> str:
    """The option by which the second server, and it alone, gets a release that is never healthy."""
    return f"--set=hosts.{SECOND.alias}.{working_copy('health-fails').removeprefix('--set=')}"


@dataclass(frozen=True)
class Packing:
    """What git packed on this machine while a test ran, and what is left of it.

    :param log: a line for each `git archive`; `folder` is where temporary files go.
    """

    log: Path
    folder: Path

    @property
    def times(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    @property
    def left(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if path.name.startswith("servers-")]


@pytest.fixture
def packing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packing:
    """A git in front of git that notes each archive, and a folder for temporary files."""
    made = Packing(tmp_path / "archives", tmp_path / "temporary")
    made.folder.mkdir()
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$1" = archive ] && echo "$*" >>{made.log}\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(made.folder))
    return made


def fab(*arguments: str) -> Done:
    return program("fab", "-f", str(SETTINGS_FILE), "-H", *arguments, environment=SHARED)


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BIN / "fab"), "-f", str(SETTINGS_FILE), "-H", *arguments],
        cwd=ROOT,
        env={**os.environ, **SHARED, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(process: subprocess.Popen[str], words: str, on: LabServer) -> str:
    """What it printed up to these words, in the lines of this server."""
    assert process.stdout
    shown = ""
    for line in process.stdout:
        shown += line
        if words in line and line.startswith(on.alias):
            return shown
    raise AssertionError(f"it never came to {words!r}:\n{shown}")


def live() -> list[str]:
    """The release that visitors meet, on the first and on the second server."""
    return [website.fetch(server, "/api/health")[1] for server in (HERE, SECOND)]


def rows(text: str) -> dict[str, str]:
    """The table at the end: how each server ended, with its release before it."""
    table = text[text.index("Servers:") :]
    found = {
        name: re.search(rf"^{name} +(\S+) +(blue|green) +(.+?)(  |$)", table, re.MULTILINE)
        for name in (HERE.alias, SECOND.alias)
    }
    return {name: f"{row[1]} {row[3]}" if row else "" for name, row in found.items()}


def is_locked(server: LabServer) -> bool:
    there = lab_server.run("ls 1001-stories-deploy/lock", server=server, check=False)
    return there.returncode == 0


def test_both_are_deployed_in_order_with_one_stamp_and_no_request_fails(
    loads: list[Load], packing: Packing
) -> None:
    done = fab(BOTH, "deploy")
    results = [load.stop() for load in loads]
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = live()
    assert first == second
    assert re.fullmatch(r"\d{8}-\d{6}", first)
    assert [noticed(r) for r in results] == [0, 0], [str(r) for r in results]
    assert rows(done.stdout) == dict.fromkeys((HERE.alias, SECOND.alias), f"{first} done")
    headlines = [line for line in done.stdout.splitlines() if line.startswith("══")]
    assert headlines == [
        f"══ {HERE.alias}: {HERE.host}, 1 of 2 ══",
        f"══ {SECOND.alias}: {SECOND.host}, 2 of 2 ══",
    ]
    assert done.stdout.count("Deployment Summary:") == 2
    assert (packing.times, packing.left) == (1, []), "packed once, for both"
    assert len(re.findall(r"0 of \d+", done.stdout[done.stdout.index("Servers:") :])) == 2


def test_reading_tasks_have_a_headline_for_each_server_under_invoke_too() -> None:
    argv = ("status", "--on", f"{SECOND.alias},{HERE.host},{SECOND.host}")
    done = program("invoke", "-f", str(SETTINGS_FILE), *argv)
    assert done.returncode == 0, done.stderr
    assert f"══ {SECOND.alias}: {SECOND.host}, 1 of 2 ══" in done.stdout
    assert f"══ {HERE.alias}: {HERE.host}, 2 of 2 ══" in done.stdout, "its address is its name"
    assert done.stdout.count("last run:") == 2


def test_a_reading_task_goes_on_after_a_server_that_cannot_be_reached() -> None:
    done = fab(f"gone,{HERE.alias}", "status", *GONE)
    assert done.returncode == 1
    assert f"{HERE.alias}: {HERE.host}, 2 of 2" in done.stdout
    assert rows(done.stdout)[HERE.alias].endswith(" done")
    assert f"failed on gone; done: {HERE.alias}" in done.stderr


def test_no_server_is_touched_while_another_one_cannot_be_reached() -> None:
    before = live()
    done = fab(f"{HERE.alias},gone", "deploy", *GONE)
    assert done.returncode == 1
    assert "cannot connect to nobody@127.0.0.1:9" in done.stderr
    assert "nothing was begun on any server" in done.stderr
    assert "assess" not in done.stdout
    assert live() == before


def test_what_fails_first_leaves_the_others_as_they_are(broken: str, packing: Packing) -> None:
    before = live()
    done = fab(f"{SECOND.alias},{HERE.alias}", "blue-green", QUICK, broken)
    assert done.returncode == 3, done.stdout + done.stderr
    assert live() == before
    assert rows(done.stdout) == {
        SECOND.alias: f"{before[1]} failed, taken back",
        HERE.alias: f"{before[0]} not begun",
    }
    assert f"failed on {SECOND.alias}; not begun: {HERE.alias}" in done.stderr
    assert f"the same command for {SECOND.alias},{HERE.alias}" in done.stderr
    assert (packing.times, packing.left) == (1, []), "its own release, which it packed itself"


def test_all_or_nothing_takes_back_what_this_run_has_moved_and_no_request_fails(
    broken: str, loads: list[Load]
) -> None:
    before = live()
    done = fab(BOTH, "deploy", "--all-or-nothing", QUICK, broken)
    results = [load.stop() for load in loads]
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"══ {HERE.alias}: {HERE.host}, taking back ══" in done.stdout
    assert live() == before
    assert [noticed(r) for r in results] == [0, 0], [str(r) for r in results]
    assert len(results[0].by_release) == 2, "it had been moved"
    assert rows(done.stdout) == {
        HERE.alias: f"{before[0]} taken back",
        SECOND.alias: f"{before[1]} failed, taken back",
    }
    assert f"failed on {SECOND.alias}; taken back: {HERE.alias}" in done.stderr
    assert [lab_server.psql(ROLES, server=s) for s in (HERE, SECOND)] == ["ADMIN CUSTOMER"] * 2


def test_side_by_side_each_line_says_whose_it_is(packing: Packing) -> None:
    before = live()
    done = fab(BOTH, "blue-green", QUICK, "--parallel=2")
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = live()
    assert first == second
    assert first != before[0]
    lines = done.stdout[: done.stdout.index("Servers:")].splitlines()
    marked = [
        line for line in lines if line and not line.startswith(("══", "  ✓ reach", "  ✓ pack"))
    ]
    owners = [line.split(" ")[0] for line in marked]
    assert set(owners) == {HERE.alias, SECOND.alias}
    changes = sum(a != b for a, b in itertools.pairwise(owners))
    assert changes > 2, "both were at work at the same time"
    assert (packing.times, packing.left) == (1, []), "packed once, for both"


def test_both_go_back_and_no_request_fails(loads: list[Load]) -> None:
    before = live()
    done = fab(BOTH, "rollback")
    results = [load.stop() for load in loads]
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = live()
    assert first < before[0]
    assert second < before[1]
    ended = {HERE.alias: f"{first} done", SECOND.alias: f"{second} done"}
    assert rows(done.stdout) == ended
    assert [noticed(r) for r in results] == [0, 0], [str(r) for r in results]


def test_the_single_phases_go_over_both() -> None:
    before = live()
    for task in ("assess", "migrate", "validate"):
        done = fab(BOTH, task)
        assert done.returncode == 0, done.stdout + done.stderr
        ended = {HERE.alias: f"{before[0]} done", SECOND.alias: f"{before[1]} done"}
        assert rows(done.stdout) == ended, task
    assert live() == before


def test_ctrl_c_reaches_all_and_is_waited_for(packing: Packing) -> None:
    before = live()
    process = started(BOTH, "blue-green", "--parallel=2", "--set=deploy.watch_seconds=60")
    shown = until(process, AT_WORK, SECOND)
    archives = list(packing.folder.glob("servers-*/*.tar.gz"))
    assert [path.stat().st_mode & 0o777 for path in archives] == [0o600]
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=180)
    assert process.returncode == 3, shown + rest
    assert live() == before
    assert not is_locked(HERE)
    assert not is_locked(SECOND)
    assert packing.left == []
    assert rows(rest) == {
        HERE.alias: f"{before[0]} failed, taken back",
        SECOND.alias: f"{before[1]} failed, taken back",
    }
    for server in (HERE, SECOND):
        assert re.search(rf"^{server.alias} +│ .*interrupted by SIGINT", rest, re.MULTILINE)


def test_all_or_nothing_takes_back_a_server_whose_process_was_killed() -> None:
    before = live()
    process = started(
        BOTH, "blue-green", "--all-or-nothing", "--parallel=2", "--set=deploy.watch_seconds=20"
    )
    shown = until(process, AT_WORK, SECOND)
    lock = json.loads(lab_server.run("cat 1001-stories-deploy/lock", server=SECOND).stdout)
    os.kill(lock["pid"], signal.SIGKILL)
    rest, _ = process.communicate(timeout=240)
    assert process.returncode == 3, shown + rest
    assert live() == before
    assert rows(rest) == {
        HERE.alias: f"{before[0]} taken back",
        SECOND.alias: f"{before[1]} taken back",
    }


def test_the_command_may_die_and_each_server_comes_to_its_end() -> None:
    before = live()
    process = started(BOTH, "blue-green", "--parallel=2", QUICK)
    until(process, "build 1001stories", SECOND)
    process.kill()
    process.communicate(timeout=10)
    deadline = time.monotonic() + 300
    while is_locked(HERE) or is_locked(SECOND):
        assert time.monotonic() < deadline, "they never ended"
        time.sleep(1)
    first, second = live()
    assert first == second
    assert first != before[0]
    assert "cut off" not in fab(BOTH, "status").stdout
