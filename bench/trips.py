"""How often a deploy goes to the server and back, and what its one connection saves.

The count is the run's own: its full log has every command, file and statement that it sends. The
time is that of the connection alone: as many commands that do nothing, over one session as the
tool has it, and as the old scripts have it: an ssh process for each.
"""

from __future__ import annotations

import subprocess
import time

import yaml

from fabfile.server.connection import Server as Connection
from fabfile.settings import Settings, load
from lab import keys
from lab.places import Server

from .frame import Asked, BenchError, say
from .measure import Goal, Sample, Section, Verdict, ratio, seconds, table
from .run_log import AROUND, KINDS, RunLog
from .tool import NO_WATCH, ROOT, deployed, fab

TIMES = 3
LIMIT = 0.5
SAMPLED = 40  # ssh processes that are started for one measurement; the rest are reckoned
PROGRAMS = 8  # that are named
WORDS = {"command": "commands", "file": "files", "sql": "statements"}


def measure(asked: Asked) -> Section:
    """Count a first deploy's and a next one's trips, then time the connection for as many."""
    first = deployed().log
    following = fab("deploy", NO_WATCH).log
    trips = len(first.trips)
    times = asked.often(TIMES)
    ours, old = list[float](), list[float]()
    for number in range(times):
        ours.append(_one_session(trips))
        old.append(_process_each(trips))
        say(f"{number + 1}: {trips} trips, {ours[-1]:.1f} s in one session, {old[-1]:.1f} s in ssh")
    found = Sample.ratios(ours, old)
    return Section(
        title="Round trips and the connection",
        text=f"What each phase sends and waits for, by the run's full log: {_words()}. In brackets "
        "the next deploy, which finds the migration done. A statement is one round trip, a command "
        "two (its channel, then itself), a file four to six.",
        head=("phase", *WORDS.values(), "in all"),
        rows=_rows(first, following),
        verdicts=[
            Verdict(Goal("time of the connection against an ssh process each", LIMIT), found)
        ],
        times=times,
        notes=(
            f"The connection's own time for {trips} commands that do nothing: {seconds(ours)} over "
            f"one session with its sign-in, {seconds(old)} as an ssh process each (reckoned from "
            f"{SAMPLED} in turns with it): {ratio(found)}.",
            "What the first deploy waits for, by program:\n\n" + _longest(first),
        ),
    )


def _words() -> str:
    return "commands, files read or written, SQL statements"


def _rows(first: RunLog, following: RunLog) -> list[list[str]]:
    rows = [_row(phase, [phase], first, following) for phase in first.phases]
    return [*rows, _row("in all", [*first.phases], first, following)]


def _row(title: str, phases: list[str], first: RunLog, following: RunLog) -> list[str]:
    cells = [title if title != AROUND else f"{AROUND}: lock, ledger, summaries"]
    sums = [0, 0]
    for kind in KINDS:
        both = [sum(log.counts(phase)[kind] for phase in phases) for log in (first, following)]
        sums = [sums[0] + both[0], sums[1] + both[1]]
        cells.append(f"{both[0]} ({both[1]})")
    return [*cells, f"{sums[0]} ({sums[1]})"]


def _longest(log: RunLog) -> str:
    """The programs that are waited for the longest, all their calls together."""
    ordered = sorted(log.by_program().items(), key=lambda one: -sum(one[1]))[:PROGRAMS]
    rows = [[f"`{words}`", f"{len(took)}", f"{sum(took):.1f} s"] for words, took in ordered]
    return table(("program", "calls", "time"), rows)


def _one_session(commands: int) -> float:
    """Sign in once and run so many commands that do nothing, as the tool runs its own."""
    server = Connection(lab_settings())
    began = time.monotonic()
    try:
        for _ in range(commands):
            server.run(["true"])
        return time.monotonic() - began
    finally:
        server.close()


def _process_each(commands: int) -> float:
    """The same with an ssh process for each; of many, a part is measured."""
    argv, some = keys.ssh_command(Server(), "true"), min(commands, SAMPLED)
    began = time.monotonic()
    for _ in range(some):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise BenchError(f"ssh: exit {done.returncode}: {done.stderr}")
    return (time.monotonic() - began) * commands / some


def lab_settings() -> Settings:
    """The lab's settings, as the programs see them."""
    section = yaml.safe_load((ROOT / "invoke.yaml").read_text())["site"]
    for group, values in yaml.safe_load((ROOT / "lab/settings.yaml").read_text())["site"].items():
        below = section.get(group)
        section[group] = {**below, **values} if isinstance(below, dict) else values
    for name in ("key_file", "known_hosts"):
        section["ssh"][name] = str(ROOT / section["ssh"][name])
    return load(section, environment=Server().environment)
