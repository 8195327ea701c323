"""The operator's process is killed, or its connection cut, at every step.

Visitors must not notice, and whatever is typed next must lead to a whole state. Each step that
changes something dies once, in turn in its middle or at its end, and in turn a deploy or a
rollback comes next. What a step leaves that only looks is what the one before it left: of those
only the first and the last of a task die. `ALL_DEATHS=1` kills each step of all in both ways before
each of the two, which takes hours.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle, product

import pytest

from lab import server as lab_server
from lab.load import Load
from lab.load_result import LoadResult
from tests.lab.conftest import THERE, Fab, noticed
from tests.lab.dying import steps_of
from tests.programs import ROOT, Done

QUICK = "--set=deploy.watch_seconds=0"
NEXT = {
    "deploy": ("deploy", QUICK),
    "rollback": ("rollback",),
    "resume": ("deploy", "--resume", QUICK),
    "full": ("rollback", "--full", "--yes"),
}
ALL = bool(os.environ.get("ALL_DEATHS"))
# Of the phases that change nothing: what leaves something behind all the same.
LEAVES_SOMETHING = ("verified backup", "assessment report")
# Of the others: what leaves nothing.
ONLY_LOOKS = (
    "check the database",
    "validate users and sessions",
    "see what is live",
    "ask it directly",
    "wait until it is healthy",
    "its memory, CPU",
    "what would be lost",
)
# What is tried first, whatever the time: rows, visitors or the one copy of something move there.
FIRST = (
    "back up before",
    "start the idle",
    "switch visitors",
    "let old nginx",
    "move the r",
    "stop the",
    "restore into",
    "swap the",
)
# Around these, what runs and what is live are not the same for a while.
MOVES = ("start the former", "switch visitors", "let old nginx", "stop the release")

# What a whole state looks like on the server, one fact a line.
LOOK = r"""
cd /home/ubuntu
echo lock $(ls 1001-stories-deploy/lock 2>/dev/null)
echo running $(docker ps --filter name=^1001-stories --format '{{.Names}}' | sort)
echo stopped $(docker ps -a --filter name=^1001-stories --filter status=exited \
    --filter status=created --filter status=dead --format '{{.Names}}')
echo one-off $(docker ps -aq --filter label=com.docker.compose.oneoff=True) \
    $(docker ps -aq --filter status=created)
echo config $(head -n 1 1001-stories/nginx/nginx.conf | grep -o 'colour=.*release=[^ ]*')
echo nginx $(docker exec 1001-stories-nginx nginx -t 2>&1 | grep -c successful)
echo candidate $(docker exec 1001-stories-nginx ls /etc/nginx | grep candidate)
echo unwritten $(find 1001-stories-deploy 1001-stories 1001-stories-backups \
    -name '*.new' ! -name 'lock*' -o -name '*.partial')
for backup in 1001-stories-backups/*/; do
  [ -e "$backup/manifest.json" ] || echo unfinished $backup
done
for folder in 1001-stories-deploy/releases/*/; do
  docker image inspect 1001stories:$(basename $folder) >/dev/null 2>&1 || echo orphan $folder
done
"""
ROLLED_BACK = "SELECT count(*) FROM migration_log WHERE status = 'ROLLED_BACK'"
LAST_ENTRY = "tail -n 1 1001-stories-deploy/ledger.jsonl"
DATABASES = "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1"


def _deaths(task: str) -> list[tuple[int, str, str]]:
    """Step, position and what comes next."""
    steps = steps_of(task)
    if ALL:
        return list(product(range(len(steps)), ("mid", "after"), ("deploy", "rollback")))
    chosen = [step for step in range(len(steps)) if _differs(task, step)]
    ways = cycle(product(("mid", "after"), ("deploy", "rollback")))
    return [(step, *way) for step, way in zip(chosen, ways, strict=False)]


def _differs(task: str, step: int) -> bool:
    """Whether a death in it leaves something else than one in the step before."""
    steps = steps_of(task)
    phase, _, title = steps[step]
    if task == "full" and title in {name for _, _, name in steps_of("rollback")}:
        return title.startswith("switch")  # what both have dies in the shorter one
    if step in (0, len(steps) - 1):
        return True
    if not phase.changes:
        return title in LEAVES_SOMETHING
    return not title.startswith(ONLY_LOOKS)


def _named(task: str) -> list[object]:
    titles = [f"{phase.name}: {title}" for phase, _, title in steps_of(task)]
    return [
        pytest.param(
            step,
            position,
            then,
            id=f"{titles[step]}, {position}, then {then}",
            marks=[] if steps_of(task)[step][2].startswith(FIRST) else pytest.mark.last,
        )
        for step, position, then in _deaths(task)
    ]


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


@pytest.fixture
def visitors(live_release: None) -> Iterator[Load]:
    """Visitors all the while; one that died early would prove nothing."""
    load = Load(rate=8, visitors=4, most_seconds=600).start()
    yield load
    load.stop()


@pytest.fixture
def live_release(fab: Fab) -> None:
    """A release of ours is live, the one before it too is ours and kept still, and no other
    database is."""
    for name in _kept():
        lab_server.psql(f"DROP DATABASE {name} WITH (FORCE)")
    for _ in range(2):
        if not _has_a_release_to_go_back_to():
            done = fab("deploy", QUICK)
            assert done.returncode == 0, done.stdout + done.stderr
    assert _has_a_release_to_go_back_to()


def _has_a_release_to_go_back_to() -> bool:
    """Not the plain container of before the first deploy: whatever row comes first, it is gone."""
    kept = lab_server.run("docker images --format '{{.Tag}}' 1001stories").stdout.split()
    containers = lab_server.run("docker ps -aq --filter name=^1001-stories-app").stdout.split()
    return _former() in kept and all(_label(one, "release") for one in containers)


@pytest.mark.parametrize(("step", "position", "then"), _named("deploy"))
def test_a_deploy_dies(
    step: int, position: str, then: str, fab: Fab, visitors: Load, live_release: None
) -> None:
    before = visitors.snapshot()
    _die("deploy", step, position)
    _whole_after(fab(*NEXT[then]), before, visitors)


@pytest.mark.parametrize(("step", "position", "then"), _named("rollback"))
def test_a_rollback_dies(
    step: int, position: str, then: str, fab: Fab, visitors: Load, live_release: None
) -> None:
    before = visitors.snapshot()
    _die("rollback", step, position)
    _whole_after(fab(*NEXT[then]), before, visitors)


@pytest.mark.parametrize(("step", "position", "then"), _named("full"))
def test_a_full_rollback_dies(
    step: int, position: str, then: str, fab: Fab, visitors: Load, live_release: None
) -> None:
    before = visitors.snapshot()
    _die("full", step, position)
    _whole_after(fab(*NEXT[then]), before, visitors, swapped=True)


def _die(task: str, step: int, position: str) -> None:
    done = _operator(task, str(step), position)
    assert done.returncode == -9, f"{done.returncode}\n{done.stdout}{done.stderr}"


def _number(task: str, title: str) -> int:
    """The step of a task whose title begins like this."""
    return next(n for n, (_, _, name) in enumerate(steps_of(task)) if name.startswith(title))


def _operator(*what: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "tests.lab.dying", *what],
        cwd=ROOT,
        env={**os.environ, **THERE},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _whole_after(
    done: Done,
    before: LoadResult,
    visitors: Load,
    *,
    swapped: bool = False,
    taken_over: bool = True,
) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "took over the lock of a dead run" in done.stdout or not taken_over
    now = visitors.snapshot()
    assert now.answered > before.answered
    failures = [f for f in now.failures if f.at > before.seconds]
    if not swapped:  # who was at work in the moment of the swap may have to ask again
        assert noticed(now) == noticed(before), failures
    facts = _facts()
    live, release = facts["config"].split()
    colour = live.removeprefix("colour=")
    other = "green" if colour == "blue" else "blue"
    assert facts["lock"] == ""
    assert facts["running"].split() == sorted(
        ["1001-stories-db", "1001-stories-nginx", f"1001-stories-app-{colour}"]
    )
    assert facts["stopped"] in ("", f"1001-stories-app-{other}")
    assert facts["one-off"] == facts["candidate"] == facts["unwritten"] == ""
    assert facts["nginx"] == "1"
    assert not {"unfinished", "orphan"} & set(facts), facts
    assert release.removeprefix("release=") == _label(f"1001-stories-app-{colour}", "release")
    names = lab_server.psql(DATABASES).split()
    assert [name for name in names if "_kept_" not in name] == ["postgres", "stories"]
    assert lab_server.run("curl -sk https://127.0.0.1/api/roles").stdout.startswith('{"')


def _facts() -> dict[str, str]:
    lines = lab_server.run(LOOK, check=False).stdout.splitlines()
    return {line.partition(" ")[0]: line.partition(" ")[2].strip() for line in lines}


def _live_container() -> str:
    colour = _facts()["config"].partition("=")[2].partition(" ")[0]
    return f"1001-stories-app-{colour}"


def _former() -> str:
    return _label(_live_container(), "former")


def _label(container: str, name: str) -> str:
    seen = lab_server.run(["docker", "inspect", container], check=False).stdout or "[]"
    labels = [entry["Config"]["Labels"] for entry in json.loads(seen)]
    return str(labels[0].get(f"deploy.{name}", "")) if labels else ""


def _kept() -> list[str]:
    return [name for name in lab_server.psql(DATABASES).split() if "_kept_" in name]


# -- a connection that is cut ------------------------------------------------------------------


@pytest.mark.parametrize(
    "task",
    ["rollback", *(pytest.param(task, marks=pytest.mark.last) for task in ("deploy", "full"))],
)
def test_a_connection_that_is_cut_in_every_step_comes_again(
    task: str, visitors: Load, live_release: None
) -> None:
    before = visitors.snapshot()
    done = _operator(task, "all", "cut")
    _whole_after(done, before, visitors, swapped=task == "full", taken_over=False)


@pytest.mark.parametrize(
    ("task", "title", "then"),
    [
        pytest.param("deploy", "start the idle colour", "rollback", marks=pytest.mark.last),
        ("deploy", "let old nginx workers finish", "deploy"),
        pytest.param("deploy", "stop the former colour", "rollback", marks=pytest.mark.last),
        pytest.param("rollback", "let old nginx workers finish", "deploy", marks=pytest.mark.last),
        pytest.param("full", "carry over the migration log", "rollback", marks=pytest.mark.last),
    ],
)
def test_a_connection_that_stays_away_leaves_the_site_up(
    task: str, title: str, then: str, fab: Fab, visitors: Load, live_release: None
) -> None:
    before = visitors.snapshot()
    number = _number(task, title)
    try:
        done = _operator(task, str(number), "away")
    finally:
        lab_server.run("pkill -CONT -x sshd", user="root")
    assert done.returncode in (1, 4), done.stdout + done.stderr
    assert "cannot connect to" in done.stderr
    assert "Traceback" not in done.stderr
    _whole_after(fab(*NEXT[then]), before, visitors, swapped=task == "full")


# -- visitors on two releases ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "position", "then"),
    [
        pytest.param("send 5 % of visitors", "mid", "deploy", marks=pytest.mark.last),
        pytest.param("send 5 % of visitors", "after", "rollback", marks=pytest.mark.last),
        ("watch 50 % of visitors", "after", "resume"),
    ],
)
def test_a_canary_dies_and_the_next_command_brings_its_visitors_back(
    title: str, position: str, then: str, fab: Fab, visitors: Load, live_release: None
) -> None:
    was, before = _label(_live_container(), "release"), visitors.snapshot()
    _die("canary", _number("canary", title), position)
    two = "canary:  " in fab("status").stdout
    assert two == (position == "after"), "what is live is still the former release"
    hurry = ("--set=canary.watch_seconds=0.1", "--set=canary.longest_seconds=0.1")
    done = fab(*NEXT[then], *(hurry if then == "resume" else ()))
    _whole_after(done, before, visitors)
    assert not two or re.search(rf"taking them back to \w+ {was}", done.stdout)
    there = _label(_live_container(), "release")
    assert (there == was) == (then == "rollback")
    assert ("send 50 % of visitors" in done.stdout) == (then == "resume"), "as it was begun"


# -- Ctrl-C ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, marks=[] if title.startswith("switch") else pytest.mark.last)
        for step, (_, _, title) in enumerate(steps_of("rollback"))
        if ALL or title.startswith(MOVES)
    ],
)
def test_ctrl_c_in_a_rollback_leaves_visitors_on_one_release_or_the_other(
    step: int, fab: Fab, visitors: Load, live_release: None
) -> None:
    """Never on neither, and the next rollback never goes one release too far."""
    was, to = _label(_live_container(), "release"), _former()
    before = visitors.snapshot()
    done = _operator("rollback", str(step), "ctrl-c")
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    there = _label(_live_container(), "release")
    assert there == (to if done.returncode == 0 else was), done.stdout + done.stderr
    if done.returncode:
        again = fab("rollback")
        assert f"1001stories:{to}" in again.stdout
        done = again
    _whole_after(done, before, visitors, taken_over=False)


# -- one death after another -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "then", "ends_on"),
    [
        pytest.param(
            ("deploy", "switch visitors"),
            ("resume", "let old nginx"),
            "resume",
            "new",
            marks=pytest.mark.last,
        ),
        (("deploy", "switch visitors"), ("resume", "verified backup"), "rollback", "former"),
        pytest.param(
            ("deploy", "wait until it is"),
            ("resume", "start the idle"),
            "rollback",
            "former",
            marks=pytest.mark.last,
        ),
        pytest.param(
            ("rollback", "switch visitors"),
            ("rollback", "see what is live"),
            "rollback",
            "former",
            marks=pytest.mark.last,
        ),
        pytest.param(
            ("rollback", "switch visitors"),
            ("deploy", "verified"),
            "deploy",
            "new",
            marks=pytest.mark.last,
        ),
        (("full", "swap the two"), ("full", "carry over the migration"), "full", "former"),
    ],
)
def test_one_death_after_another(
    first: tuple[str, str],
    second: tuple[str, str],
    then: str,
    ends_on: str,
    fab: Fab,
    visitors: Load,
    live_release: None,
) -> None:
    was = _label(_live_container(), "release")
    to = was if first[0] == "deploy" else _former()
    before = visitors.snapshot()
    for task, title in (first, second):
        done = _operator(task, str(_number(task, title)), "after")
        assert done.returncode == -9, done.stdout + done.stderr
    _whole_after(fab(*NEXT[then]), before, visitors, swapped=then == "full", taken_over=False)
    there = _label(_live_container(), "release")
    assert (there == to) == (ends_on == "former"), f"{there}; was {was}, former {to}"
    assert len(_kept()) == (1 if then == "full" else 0), "one swap, however often it was begun"


@pytest.mark.parametrize(
    ("title", "then"),
    [
        pytest.param("restore into", "rollback", marks=pytest.mark.last),
        pytest.param("swap the two", "deploy", marks=pytest.mark.last),
        ("swap the two", "rollback"),
        pytest.param("carry over the migration", "deploy", marks=pytest.mark.last),
    ],
)
def test_a_restore_dies(
    title: str, then: str, fab: Fab, visitors: Load, live_release: None
) -> None:
    before, rolled_back = visitors.snapshot(), lab_server.psql(ROLLED_BACK)
    _die("restore", _number("restore", title), "after")
    done = fab(*NEXT[then])
    _whole_after(done, before, visitors, swapped=True)
    swapped = title != "restore into"
    assert ("fab restore --undo brings it back" in done.stdout) == swapped
    assert (lab_server.psql(ROLLED_BACK) != rolled_back) == swapped


def test_new_rows_are_carried_over_though_the_run_died_at_the_swap(
    fab: Fab, visitors: Load, live_release: None
) -> None:
    before = visitors.snapshot()
    title = f"'kept-{time.time():.0f}'"
    story = f'INSERT INTO "Story" (title, content, "authorId") SELECT {title}, \'\', id FROM "User"'
    lab_server.psql(f"{story} LIMIT 1")
    _die("keeping", _number("keeping", "swap the two"), "after")
    _whole_after(fab(*NEXT["full"]), before, visitors, swapped=True)
    assert lab_server.psql(f'SELECT count(*) FROM "Story" WHERE title = {title}') == "1"


# -- going on with it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "skipped"),
    [
        pytest.param("verified backup", (), marks=pytest.mark.last),
        ("build", ("build 1001stories", "get the code onto the server")),
        ("switch visitors", ("build 1001stories", "start the idle colour")),
        pytest.param(
            "stop the former colour",
            ("build 1001stories", "start the idle colour"),
            marks=pytest.mark.last,
        ),
        pytest.param(
            "Performance", ("build 1001stories", "start the idle colour"), marks=pytest.mark.last
        ),
    ],
)
def test_a_deploy_that_died_is_resumed(
    title: str, skipped: tuple[str, ...], fab: Fab, visitors: Load, live_release: None
) -> None:
    before = visitors.snapshot()
    _die("deploy", _number("deploy", title), "after")
    [release] = re.findall(r'"release": "(\S+)"', lab_server.run(LAST_ENTRY).stdout)
    assert fab("assess").returncode == 0, "what only reads changes nothing of it"
    done = fab("deploy", "--resume", QUICK)
    _whole_after(done, before, visitors, taken_over=False)
    assert f"resuming release {release}" in done.stdout
    assert f"release={release}" in _facts()["config"]
    for step in skipped:
        assert step not in done.stdout
    again = fab("deploy", "--resume")
    assert again.returncode == 1
    assert "there is nothing to resume" in again.stderr
