"""How long an application rollback takes: from the command to the last answer by the bad release.

Warm: the former release's container is there, stopped. Cold: it is gone, and is made again from
its image and its kept settings. The floor is the container's own way from its start to `healthy`,
as the engine's clock has it, in the same run.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from lab import server as lab
from lab.places import Server
from lab.website import fetch

from .frame import Asked, say
from .measure import Goal, Sample, Section, Verdict, ratio, seconds
from .tool import NO_WATCH, deployed, fab

TIMES = 3
LIMIT = 1.0  # seconds above the container's own start
# By the runs' logs, on a machine without visitors.
MISSED = (
    "Python's start takes 1.5 s, the sign-in, the lock and what is live 0.5 s, docker start 0.4 s "
    "(Compose, cold, 0.6 s), the direct questions 0.1 s, nginx's file, test and reload 0.5 s; the "
    "rest is that visitors have the same processors"
)
# Each asks some 15 times a second: more would take the processors from what is measured.
VISITORS = 2
KINDS = ("warm", "cold")


@dataclass(frozen=True)
class Measured:
    """One rollback, in seconds.

    :param last_bad: from the command to the last answer by the release that was left.
    :param floor: the former container's own way from its start to `healthy`.
    :param answered: requests while it ran, of which `failed` got no good answer.
    """

    last_bad: float
    whole: float
    floor: float
    answered: int
    failed: int


class Watch:
    """Visitors who note which release answered them, and when."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str]] = []
        self.failed = 0
        self._guard = threading.Lock()
        self._enough = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask on loopback for as long as the block takes."""
        threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(VISITORS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._enough.set()
            for thread in threads:
                thread.join()

    def last_by(self, release: str) -> float:
        """When the last answer by a release came."""
        return max(moment for moment, name in self.seen if name == release)

    def _visit(self) -> None:
        while not self._enough.wait(0.05):
            try:
                status, release, _ = fetch(Server(), "/")
            except OSError:
                status, release = 0, ""
            with self._guard:
                self.seen.append((time.monotonic(), release))
                self.failed += status != 200


def measure(asked: Asked) -> Section:
    """Deploy and roll back, warm and cold in turns."""
    times = asked.often(TIMES)
    deployed()
    found: dict[str, list[Measured]] = {kind: [] for kind in KINDS}
    for number in range(times):
        for kind in KINDS:
            fab("deploy", NO_WATCH)
            found[kind].append(_measure(cold=kind == "cold"))
            say(f"{kind} {number + 1}: {found[kind][-1]}")
    return _section(found, times)


def _section(found: dict[str, list[Measured]], times: int) -> Section:
    rows, verdicts = [], []
    for kind, ones in found.items():
        last_bad, floor = [one.last_bad for one in ones], [one.floor for one in ones]
        rows.append(
            [
                kind,
                seconds(last_bad),
                seconds(floor),
                ratio(Sample.ratios(last_bad, floor)),
                seconds(one.whole for one in ones),
                f"{sum(one.answered for one in ones):,}",
                f"{sum(one.failed for one in ones)}",
            ]
        )
        above = Sample.of(one.last_bad - one.floor for one in ones)
        words = f"{kind}: last bad answer after the container's own start"
        goal = Goal(words, LIMIT, "s", missed=MISSED)
        verdicts.append(Verdict(goal, above))
    failed = Sample.of([sum(one.failed for ones in found.values() for one in ones)])
    verdicts.append(Verdict(Goal("failed requests", 0, digits=0), failed))
    return Section(
        title="Application rollback",
        text="From the command (with the start of Python and the sign-in) to the last answer by "
        "the release that was left; the floor is the former container's own way from its start to "
        "`healthy`.",
        head=("", "last bad answer", "floor", "ratio", "whole command", "requests", "failed"),
        rows=rows,
        verdicts=verdicts,
        times=times,
    )


def _measure(*, cold: bool) -> Measured:
    if cold:
        lab.run("docker rm $(docker ps -aq --filter name=1001-stories-app --filter status=exited)")
    bad = _answering()
    watch = Watch()
    with watch.running():
        time.sleep(0.5)
        began = time.monotonic()
        fab("rollback")
        ended = time.monotonic()
        time.sleep(0.3)
    return Measured(
        last_bad=watch.last_by(bad) - began,
        whole=ended - began,
        floor=_start_to_healthy(),
        answered=len(watch.seen),
        failed=watch.failed,
    )


def _answering() -> str:
    return fetch(Server(), "/")[1]


def _start_to_healthy() -> float:
    """Of the app container that runs: from its start to its first good health check."""
    names = lab.run("docker ps --filter name=1001-stories-app --format '{{.Names}}'").stdout
    state = json.loads(lab.run(["docker", "inspect", names.split()[0]]).stdout)[0]["State"]
    return start_to_healthy(state["StartedAt"], state["Health"]["Log"])


def start_to_healthy(started: str, checks: Sequence[dict[str, object]]) -> float:
    """Seconds from a container's start to its first good check after it.

    The engine keeps the checks of an earlier run of the same container.

    :param checks: the engine's own log of them.
    """
    begun = _moment(started)
    good = (_moment(str(check["End"])) for check in checks if check["ExitCode"] == 0)
    return (next(end for end in good if end > begun) - begun).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26].rstrip("Z").replace("T", " ")[:26])
