"""What a run does, noted while it does it: what its report is made from."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..documents.report import LogCount, People, Traffic
from .checks import Check


@dataclass
class StepNote:
    """One step; times are seconds after the recorder's beginning.

    :param checks: what it has looked at.
    """

    title: str
    began: float
    takes_back: bool
    seconds: float = 0.0
    failed: bool = False
    checks: Sequence[Check] = ()


@dataclass
class PhaseNote:
    """One phase.

    :param checks: the phase's own list, which grows while it runs.
    """

    name: str
    criteria: tuple[str, ...]
    triggers: tuple[str, ...]
    checks: Sequence[Check]
    began: float
    seconds: float = 0.0
    failed: bool = False
    steps: list[StepNote] = field(default_factory=list)


@dataclass(frozen=True)
class MarkNote:
    """Visitors were sent to another release, or, `back`, to the one that was live at first."""

    at: float
    what: str
    colour: str
    release: str
    back: bool


class Recorder:
    """The notes of one run, or of the tasks of one chain.

    :param began: seconds since 1970.
    """

    def __init__(self) -> None:
        self.began = time.time()
        self._clock = time.monotonic()
        self.running = False  # a task is under way that ends with a report
        self.name = self.task = ""  # the report's, once it has one; the first task of a chain
        self.phases: list[PhaseNote] = []
        self.marks: list[MarkNote] = []
        self.former: tuple[str, str] | None = None  # colour and release
        self.people: People | None = None  # before anything was changed
        self.traffic: list[Traffic] = []
        self.visitors: list[LogCount] = []

    @property
    def now(self) -> float:
        """Seconds after the beginning."""
        return time.monotonic() - self._clock

    @contextlib.contextmanager
    def phase(
        self,
        name: str,
        criteria: Sequence[str],
        triggers: Sequence[str],
        checks: Sequence[Check],
    ) -> Iterator[None]:
        """Note a phase while it runs.

        :param checks: the list to which it adds what it looks at.
        """
        note = PhaseNote(name, tuple(criteria), tuple(triggers), checks, self.now)
        self.phases.append(note)
        try:
            yield
        except BaseException:
            note.failed = True
            raise
        finally:
            note.seconds = self.now - note.began

    @contextlib.contextmanager
    def step(self, title: str, *, takes_back: bool = False) -> Iterator[None]:
        """Note a step of the phase that runs."""
        note = StepNote(title, self.now, takes_back)
        checks = self.phases[-1].checks
        before = len(checks)
        self.phases[-1].steps.append(note)
        try:
            yield
        except BaseException:
            note.failed = True
            raise
        finally:
            note.seconds = self.now - note.began
            note.checks = tuple(checks[before:])

    def found_live(self, colour: str, release: str) -> None:
        """What was live when the run came; what it moves itself is no news."""
        self.former = self.former or (colour, release)

    def sent(self, colour: str, release: str) -> bool:
        """Visitors are being sent there from now on.

        :returns: whether that is what was live when the run came.
        """
        back = (colour, release) == self.former
        what = f"visitors {'back ' if back else ''}to {colour} {release}"
        self.marks.append(MarkNote(self.now, what, colour, release, back))
        return back

    def happened(self, what: str) -> None:
        """Something else that visitors may have noticed."""
        self.marks.append(MarkNote(self.now, what, "", "", False))
