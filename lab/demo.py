"""`make demo`: a new release under live traffic, back, another, and all the way back; the numbers.

The load is the lab's own, apart from the tool: sixteen visitors who read and write, half of them
with a new connection for each request. Ends with 0 only if no request failed, none had to be sent
again, and every write that was acknowledged is there; only in the full rollback, whose swap ends
the app's database sessions, some may fail within a second.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from lab import server as lab
from lab.load import Load
from lab.load_result import LoadResult
from lab.places import Server
from lab.progress import spoken
from lab.shell import LabError

ROOT = Path(__file__).resolve().parents[1]
FAB = Path(sys.executable).with_name("fab")
NEIGHBOURS = ("1001-stories-nginx", "1001-stories-db")
LEAST_REQUESTS = 20_000
SWAP_SECONDS = 1.0  # within which a request may fail while the databases are swapped
RUNS = (
    ("first deploy, from plain production", ("deploy",)),
    ("rollback", ("rollback",)),
    ("second deploy", ("deploy",)),
    ("full rollback, database and all", ("rollback", "--full", "--yes")),
)
MOST_SECONDS = 900.0

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the demonstration.

    :returns: 0 if every run succeeded, no request failed, none was resent, and the neighbours
        are the same containers as before.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=160.0, help="requests a second in all")
    options = parser.parse_args()
    try:
        return _run(options.rate)
    except LabError as error:
        console.print(f"lab: {error}", style="red", markup=False)
        return 1


def _run(rate: float) -> int:
    say = spoken(console)
    try:
        lab.up(say=say)
    except LabError as error:  # a lab that was cut off in the middle of something is put back
        say(str(error).splitlines()[0])
    lab.reset(say=say)
    before = _identities()
    target = Server().host
    load = Load(rate, most_seconds=MOST_SECONDS).start()
    good = True
    lines = []
    for title, command in RUNS:
        start = load.snapshot()
        good &= _fab(target, command, title) == 0
        end = load.snapshot()
        lines.append(_figures(title, start, end))
        good &= end.failed == start.failed or _within_a_swap(command, start, end)
        console.print(f"\n>>> {lines[-1]}", style="bold")
    _go_on(load)
    result = load.stop()
    good &= _report(result, lines, before)
    good &= end.failed == result.failed
    failed = result.failed
    print(f"demo: {result.answered + failed} requests, {failed} failed, {result.resent} resent")
    return 0 if good and not result.resent else 1


def _within_a_swap(command: tuple[str, ...], start: LoadResult, end: LoadResult) -> bool:
    """Whether all that failed in a full rollback failed within one short moment."""
    moments = [failure.at for failure in end.failures if failure.at > start.seconds]
    counted = len(moments) == end.failed - start.failed
    return "--full" in command and counted and max(moments) - min(moments) < SWAP_SECONDS


def _fab(target: str, command: tuple[str, ...], title: str) -> int:
    argv = [str(FAB), "-f", "lab/settings.yaml", "-H", target, *command]
    console.rule(title)
    console.print("$ fab " + " ".join(argv[1:]), style="bold")
    there = {**os.environ, **Server().environment}
    return subprocess.run(argv, cwd=ROOT, env=there, check=False).returncode


def _figures(title: str, start: LoadResult, end: LoadResult) -> str:
    return (
        f"{title}: {end.answered - start.answered:,} requests answered, "
        f"{end.failed - start.failed} failed, {end.resent - start.resent} resent"
    )


def _go_on(load: Load) -> None:
    """Go on until there are enough requests to speak of."""
    deadline = time.monotonic() + MOST_SECONDS / 2
    while load.snapshot().answered < LEAST_REQUESTS and time.monotonic() < deadline:
        time.sleep(0.5)


def _report(result: LoadResult, lines: list[str], before: dict[str, str]) -> bool:
    same = _identities() == before
    roles = lab.psql('SELECT role, count(*) FROM "User" GROUP BY role ORDER BY role')
    console.rule("what the visitors saw")
    for line in lines:
        console.print(f"• {line}")
    console.print(f"• in all: {result}", markup=False)
    console.print(f"• users by role after the full rollback: {' '.join(roles.split())}")
    lost = _lost(result.written)
    console.print(
        f"• {len(result.written)} writes acknowledged: in the live or the kept database "
        f"{len(result.written) - len(lost)}, lost {len(lost)}",
        style="red" if lost else None,
    )
    console.print(f"• nginx and db are the containers they were before: {'yes' if same else 'NO'}")
    enough = result.answered >= LEAST_REQUESTS
    if not enough:
        console.print(f"• too few requests: {result.answered} of {LEAST_REQUESTS}", style="red")
    return same and enough and not lost


def _lost(written: tuple[int, ...]) -> set[int]:
    """Writes that were acknowledged, and are in no database that was live."""
    names = lab.psql("SELECT datname FROM pg_database WHERE datname LIKE 'stories%'").split()
    there = (lab.psql('SELECT id FROM "Story"', database=name) for name in names)
    return set(written) - {int(number) for rows in there for number in rows.split()}


def _identities() -> dict[str, str]:
    """The neighbours' container ids."""
    seen = lab.run(["docker", "inspect", "--format", "{{.Name}} {{.Id}}", *NEIGHBOURS]).stdout
    return dict(line.split() for line in seen.splitlines())


if __name__ == "__main__":
    sys.exit(main())
