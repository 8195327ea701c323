"""What a measurement is told, and how all of them are run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from lab.shell import LabError

from .measure import Results, Section, machine, today

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"

# By name: the module and its section's title, in the order of RESULTS.md.
BENCHES: dict[str, str] = {
    "deploy": "A whole deploy",
    "trips": "Round trips and the connection",
    "switch": "The switch",
    "rollback": "Application rollback",
    "database": "Backup, verify, restore and swap",
    "roles": "Role migration with writers at work",
    "start": "The start of the programs",
    "servers": "Several servers",
}


class BenchError(Exception):
    """Why something could not be measured, in words."""


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a measurement.

    :param times: how often each thing is measured; 0: as often as the measurement itself thinks.
    :param long: the sizes and counts that take hours.
    :param servers: of several, no more than these; 0: as many as there are ports for.
    :param requests: that a long switch is measured with; 0: a million, if it is to be long.
    """

    times: int = 0
    long: bool = False
    servers: int = 0
    requests: int = 0

    def often(self, usual: int) -> int:
        """How often, where the measurement's own number is `usual`."""
        return self.times or usual


Measure = Callable[[Asked], Section]


def run(names: Sequence[str], asked: Asked, path: Path = RESULTS) -> int:
    """Measure one after the other; what cannot be measured does not keep the others from it.

    :returns: 1 where a goal stopped to hold, or something could not be measured.
    """
    results, good = Results(path, list(BENCHES.values())), True
    for name in names:
        began = time.monotonic()
        say(f"── {name} ──")
        try:
            section = _measure(name)(asked)
        except (BenchError, LabError, OSError) as error:
            print(f"bench {name}: {error}", file=sys.stderr, flush=True)
            good = False
            continue
        results.put(section.render(machine(), today()))
        good &= not any(verdict.broken for verdict in section.verdicts)
        for verdict in section.verdicts:
            say(verdict.line.replace("**", ""))
        say(f"{name}: {time.monotonic() - began:.0f} s")
    return 0 if good else 1


def say(text: str) -> None:
    """A line of how far it has come."""
    print(text, flush=True)


def _measure(name: str) -> Measure:
    found: Measure = import_module(f"bench.{name}").measure
    return found
