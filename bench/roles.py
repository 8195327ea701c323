"""Role migration with writers at work: how long one of them ever has to wait.

A whole first deploy moves everybody from one role to the other, while pgbench, in the container of
the database, changes users and signs new ones up. It writes down how long each statement took.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import server as lab
from lab.engine import client
from lab.places import Server

from .frame import Asked, BenchError, say
from .measure import Goal, Sample, Section, Verdict, seconds
from .tool import NO_WATCH, ROOT, Run, fab, production

TIMES = 3
LIMIT = 100.0  # ms
# By the number of users: what a writer waits for, by the run's log.
MISSED = {
    1_000_000: "commits wait for the disk: the writers' own while a dump is written and synced, "
    "a batch's while the rows move",
}
SIZES = (4, 70_000)
LONG_SIZES = (4, 70_000, 1_000_000)
GUIDES = ("user-learner-1", "user-learner-2", "user-admin-1", "user-admin-2")
WRITERS = 4
RATE = 100  # statements a second, of all together
QUIET = 5.0  # seconds before the deploy, for comparison
MIGRATION = "02-database-migration"

_FILL = """
INSERT INTO "User" (id, email, name, password, role)
SELECT 'bench-' || n, 'bench' || n || '@example.org', 'Bench', 'x', 'LEARNER'
  FROM generate_series(1, {more}) AS n;
ANALYZE "User";
"""
_CHANGE = """\\set n random(1, {users})
UPDATE "User" SET "updatedAt" = now() WHERE id = {who};
"""
# Without a role: what is the default at that moment.
_SIGN_UP = """INSERT INTO "User" (id, email, name, password)
SELECT u, u || '@example.org', 'Newcomer', 'x' FROM (SELECT gen_random_uuid()::text AS u) AS made;
"""
_PGBENCH = """
cd /tmp && rm -f bench.log.* && printf '%s' "$1" > change.sql && printf '%s' "$2" > sign-up.sql
echo $$ > bench.pid
exec pgbench --no-vacuum --client={writers} --rate={rate} --time=3600 --log --log-prefix=bench.log \
    --file=change.sql@9 --file=sign-up.sql@1 -U stories stories > bench.out 2>&1
"""


@dataclass(frozen=True)
class Wait:
    """One statement of a writer.

    :param ended: when, in seconds since the epoch.
    :param seconds: how long it took, from the moment at which it was sent.
    """

    ended: float
    seconds: float


@dataclass(frozen=True)
class Measured:
    """One deploy over so many users.

    :param longest: wait of a writer, in seconds; `quiet` the same before the deploy began.
    :param step: that was under way at the end of the longest wait.
    :param refused: statements that were not only slow.
    """

    users: int
    longest: float
    quiet: float
    step: str
    statements: int
    refused: int
    seconds: float


def measure(asked: Asked) -> Section:
    """One size after the other."""
    times, found = asked.often(TIMES), []
    for users in LONG_SIZES if asked.long else SIZES:
        for number in range(times):
            found.append(_deploy_over(users))
            say(f"{users:,} users, {number + 1}: {found[-1]}")
    lab.reset()
    return _section(found, times)


def _deploy_over(users: int) -> Measured:
    production()
    more = users - len(GUIDES)
    if more:
        lab.run(
            ["docker", "exec", "-i", "1001-stories-db", "psql", "-q", "-U", "stories", "stories"],
            text=_FILL.format(more=more),
            timeout=300,
        )
    with _any_users() as migrations, _writers(users) as writers:
        time.sleep(QUIET)
        run = fab("deploy", NO_WATCH, environment={"DEPLOY_MIGRATION__FOLDER": str(migrations)})
        time.sleep(2)
    return _judged(users, run, *writers())


def _judged(users: int, run: Run, waits: Sequence[Wait], refused: int) -> Measured:
    during = [wait for wait in waits if wait.ended >= run.began]
    before = [wait for wait in waits if wait.ended < run.began]
    if not during or not before:
        raise BenchError("the writers have written nothing")
    worst = max(during, key=lambda wait: wait.seconds)
    # The step that it waited in, not the one in which it came to its end.
    step = run.log.step_at(worst.ended - worst.seconds / 2)
    return Measured(
        users=users,
        longest=worst.seconds,
        quiet=max(wait.seconds for wait in before),
        step=step,
        statements=len(during),
        refused=refused,
        seconds=run.seconds,
    )


@contextmanager
def _any_users() -> Iterator[Path]:
    """The migrations, without the number of users that the guide expects."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        copied = Path(shutil.copytree(ROOT / "sql/migrations", Path(folder, "migrations")))
        own = copied / MIGRATION / "migration.yaml"
        settings = yaml.safe_load(own.read_text())
        settings["roles"].pop("expect", None)
        own.write_text(yaml.safe_dump(settings))
        yield copied


class _Writers:
    """What they wrote down; it is asked once they have stopped."""

    def __init__(self) -> None:
        self.log = self.said = ""

    def __call__(self) -> tuple[list[Wait], int]:
        return waits(self.log), refusals(self.said)


@contextmanager
def _writers(users: int) -> Iterator[_Writers]:
    """Writers at work in the database's container for as long as the block takes."""
    script = _PGBENCH.format(writers=WRITERS, rate=RATE)
    inside = ["docker", "exec", "1001-stories-db", "sh", "-c"]
    whole = [*inside, script, "sh", _change(users), _SIGN_UP]
    argv = [client(), "exec", "-u", "ubuntu", Server().name, *whole]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    found = _Writers()
    try:
        yield found
    finally:
        lab.run([*inside, "kill -INT $(cat /tmp/bench.pid)"], check=False)
        process.wait(timeout=30)
        found.log = lab.run([*inside, "cat /tmp/bench.log.*"], check=False).stdout
        found.said = lab.run([*inside, "cat /tmp/bench.out"], check=False).stdout


def _change(users: int) -> str:
    guides = ", ".join(f"'{name}'" for name in GUIDES)
    who = f"(ARRAY[{guides}])[:n]" if users == len(GUIDES) else "'bench-' || :n"
    return _CHANGE.format(users=max(len(GUIDES), users - len(GUIDES)), who=who)


def waits(log: str) -> list[Wait]:
    """pgbench's own log: client, number, µs, file, second, µs of it, and µs that it came late."""
    found = []
    for line in log.splitlines():
        words = line.split()
        if len(words) < 7 or not all(word.isdigit() for word in words[:7]):
            continue  # a last line that is cut off
        took, second, part, late = (int(words[n]) for n in (2, 4, 5, 6))
        found.append(Wait(second + part / 1e6, (took - late) / 1e6))
    return found


def refusals(said: str) -> int:
    """How many of pgbench's lines say that a statement was refused."""
    return sum("aborted" in line or "ERROR:" in line for line in said.splitlines())


def _section(found: Sequence[Measured], times: int) -> Section:
    rows, verdicts = [], []
    for users in dict.fromkeys(one.users for one in found):
        ones = [one for one in found if one.users == users]
        worst = max(ones, key=lambda one: one.longest)
        rows.append(
            [
                f"{users:,}",
                seconds(one.longest for one in ones),
                seconds(one.quiet for one in ones),
                seconds(one.seconds for one in ones),
                f"{sum(one.statements for one in ones):,}",
                f"{sum(one.refused for one in ones)}",
                worst.step or "between two steps",
            ]
        )
        longest = Sample.of(one.longest * 1000 for one in ones)
        missed, name = MISSED.get(users, ""), f"{users:,} users: longest wait of a writer"
        goal = Goal(name, LIMIT, "ms", digits=0, missed=missed)
        verdicts.append(Verdict(goal, longest))
    refused = Sample.of([sum(one.refused for one in found)])
    verdicts.append(Verdict(Goal("statements that were refused", 0, digits=0), refused))
    return Section(
        title="Role migration with writers at work",
        text=f"A first deploy from plain production, with its build and its dumps, while {WRITERS} "
        f"writers send {RATE} statements a second: nine of ten change a user, one signs a new one "
        f"up. Quiet: the longest wait in the {QUIET:g} s before.",
        head=("users", "longest wait", "quiet", "deploy", "statements", "refused", "worst in step"),
        rows=rows,
        verdicts=verdicts,
        times=times,
    )
