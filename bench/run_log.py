"""A run's full log, read again: steps with their seconds, and each way to the server and back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Literal

Kind = Literal["command", "file", "sql"]
KINDS: tuple[Kind, ...] = ("command", "file", "sql")
AROUND = "around the phases"  # lock, ledger, and what is read before and after

_LINE = re.compile(r"^(\d\d):(\d\d):(\d\d)\.(\d\d\d)  (.*)$")
_DAY = re.compile(r"^(\d{4})-(\d\d)-(\d\d) [0-9:]{8} UTC, ")
_PHASE = re.compile(r"^── (.+) ──$")
_PHASE_ENDS = re.compile(r"^   (\S.*): [0-9].*$")
_STEP = re.compile(r"^  [✓✗] (.+) \((\d+\.\d+) s\)$")
_COMMAND = re.compile(r"^      #(\d+) \$ (.*)$")
_ENDED = re.compile(r"^      #(\d+) exit \d+ in (\d+\.\d+) s")
_DIALOGUE = re.compile(r"^      \$ (.*) \(a dialogue\)$")
_FILE = re.compile(r"^      ((?:read|write|upload) /.*)$")
_SQL = re.compile(r"^      sql: (.* -- \d+\.\d+ s)$")


@dataclass(frozen=True)
class Step:
    """One step of a phase, and its seconds.

    :param ended: when, in seconds since the epoch.
    """

    phase: str
    title: str
    seconds: float
    ended: float


@dataclass(frozen=True)
class Trip:
    """Something that was sent to the server and waited for.

    :param at: when, in seconds since the epoch.
    :param seconds: that a command took; 0 for what the log does not say it of.
    """

    phase: str
    kind: Kind
    at: float
    text: str
    seconds: float = 0.0


@dataclass(frozen=True)
class RunLog:
    """What a run's full log says."""

    steps: Sequence[Step]
    trips: Sequence[Trip]

    @property
    def phases(self) -> list[str]:
        """In their order; what is around them comes last."""
        names = [*(step.phase for step in self.steps), *(trip.phase for trip in self.trips)]
        return [*(name for name in dict.fromkeys(names) if name != AROUND), AROUND]

    def counts(self, phase: str) -> Counter[Kind]:
        """How many trips of each kind a phase makes."""
        return Counter(trip.kind for trip in self.trips if trip.phase == phase)

    def seconds(self, *titles: str) -> float:
        """Of all steps whose title begins with one of these."""
        return sum(step.seconds for step in self.steps if step.title.startswith(titles))

    def by_program(self) -> dict[str, list[float]]:
        """The seconds of all commands, by the words that say what each of them runs."""
        found: dict[str, list[float]] = {}
        for trip in self.trips:
            if trip.kind == "command":
                words = " ".join(trip.text.split()[:2])
                found.setdefault(words, []).append(trip.seconds)
        return found

    def step_at(self, moment: float) -> str:
        """The title of the step that was under way then; empty for none.

        :param moment: in seconds since the epoch.
        """
        under_way = (s.title for s in self.steps if s.ended - s.seconds <= moment <= s.ended)
        return next(under_way, "")

    def sent(self, words: str) -> list[float]:
        """When a command with these words was sent, each time."""
        return [t.at for t in self.trips if t.kind == "command" and words in t.text]


def read(text: str) -> RunLog:
    """A full log, as `fabfile/report/run_log.py` writes it."""
    steps: list[Step] = []
    trips: list[Trip] = []
    phase, clock, numbers = AROUND, _Clock(), dict[str, int]()
    for line in text.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        said = found[5]
        at = clock.at(found, said)
        if begun := _PHASE.match(said):
            phase = begun[1]
        elif (ended := _PHASE_ENDS.match(said)) and ended[1] == phase:
            phase = AROUND
        elif step := _STEP.match(said):
            steps.append(Step(phase, step[1], float(step[2]), at))
        elif over := _ENDED.match(said):
            place = numbers.get(over[1])
            if place is not None:
                trips[place] = replace(trips[place], seconds=float(over[2]))
        elif command := _COMMAND.match(said):
            if command[1] not in numbers:  # one of several lines has its number in each
                numbers[command[1]] = len(trips)
                trips.append(Trip(phase, "command", at, command[2]))
        elif trip := _trip(said):
            trips.append(Trip(phase, trip[0], at, trip[1]))
    return RunLog(steps, trips)


def _trip(said: str) -> tuple[Kind, str] | None:
    if dialogue := _DIALOGUE.match(said):
        return "command", dialogue[1]
    if file := _FILE.match(said):
        return "file", file[1]
    if statement := _SQL.match(said):
        return "sql", statement[1]
    return None


class _Clock:
    """The moment of a line, which has the time alone: the day stands in the second line."""

    def __init__(self) -> None:
        self._day = datetime(1970, 1, 1, tzinfo=timezone.utc)
        self._last = timedelta()

    def at(self, line: re.Match[str], said: str) -> float:
        if day := _DAY.match(said):
            self._day = datetime(int(day[1]), int(day[2]), int(day[3]), tzinfo=timezone.utc)
        hours, minutes, seconds, milliseconds = (int(line[n]) for n in range(1, 5))
        time = timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
        if time + timedelta(hours=12) < self._last:  # past midnight
            self._day += timedelta(days=1)
        self._last = time
        return (self._day + time).timestamp()
