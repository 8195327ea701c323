"""What an operator sees while a task runs: phases, steps with a clock, and details below them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.console import Console as RichConsole
from rich.markup import escape

from .. import interrupts
from ..errors import DeployError, Interrupted
from .build_output import BuildProgress
from .lines import Lines
from .live import Live, step_line, transferred
from .words import span

UNFOLDED = 20  # lines below a step that failed; the log has all


@dataclass
class _Step:
    """A step under way.

    :param folded: details, in their order, that only a failure shows.
    :param facts: lines that are shown below it once it is done.
    """

    title: str
    began: float
    folded: list[str] = field(default_factory=list)
    facts: list[tuple[str, str | None]] = field(default_factory=list)


class Console(Lines):
    """One line a step. A terminal also shows the running step with a moving clock.

    Whatever is said here is in the full log too, folded or not.

    :param verbose: show every detail as it comes.
    :param beside: leave standard output to a document.
    """

    def __init__(
        self, rich: RichConsole | None = None, *, verbose: bool = False, beside: bool = False
    ) -> None:
        super().__init__(rich, beside=beside)
        self.verbose = verbose
        self.gauge: Callable[[], str] | None = None
        self._live: Live | None = None
        self._steps: list[_Step] = []

    def __deepcopy__(self, memo: object) -> Console:
        """Fabric copies what a task is called with; a command has one console."""
        return self

    @property
    def moves(self) -> bool:
        """Whether it shows what moves: a terminal that is not to be plain."""
        rich = self.rich
        return rich.is_terminal and not rich.is_dumb_terminal and not os.environ.get("NO_COLOR")

    # -- below a step --------------------------------------------------------------------------

    def detail(self, text: str) -> None:
        """A line below the running step, folded unless that fails."""
        self.note(f"      {text}")
        self._fold(text)

    def _fold(self, text: str) -> None:
        if self.verbose or not self._steps:
            self._print(f"      {text}", "dim")
        else:
            self._steps[-1].folded.append(text)

    def fact(self, text: str, style: str | None = None) -> None:
        """A line below the running step that stays: what a person has to know afterwards."""
        self.note(f"      {text}")
        if self.verbose or not self._steps:
            self._print(f"      {text}", style)
        else:
            self._steps[-1].facts.append((text, style))

    # -- phases and steps ----------------------------------------------------------------------

    @contextlib.contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """A heading, and the phase's own time at its end."""
        began = time.monotonic()
        self.line()
        self.line(f"── {title} ──", style="bold")
        yield
        self.line(f"   {title}: {span(time.monotonic() - began)}", style="dim")

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step: shown running with its clock, then as one line with how it ended."""
        step = _Step(title, time.monotonic())
        self._steps.append(step)
        self.note(f"  … {title}", begins=True)
        if self.verbose:
            self._print(f"  … {title}", "dim")
        try:
            with self._shown():
                yield
        except BaseException as error:
            self._steps.pop()
            self._ended("✗", step, "red")
            self._unfold(step, error)
            raise
        self._steps.pop()
        self._ended("✓", step, None)
        for fact, look in step.facts:
            self._print(f"      {fact}", look)

    def _ended(self, mark: str, step: _Step, style: str | None) -> None:
        seconds = time.monotonic() - step.began
        self.note(f"  {mark} {step.title} ({seconds:.3f} s)")
        self._print(f"  {mark} {step_line(step.title, seconds)}", style)

    def _unfold(self, step: _Step, error: BaseException) -> None:
        """What was folded, but for what the failure's message says anyway."""
        if isinstance(error, Interrupted):
            return
        evidence = error.evidence if isinstance(error, DeployError) else ""
        lines = [*(fact for fact, _ in step.facts), *step.folded]
        details = [line for line in lines if line.strip() not in evidence]
        if (more := len(details) - UNFOLDED) > 0:
            self._print(f"      … {more:,} lines before these{' are in the log' * bool(self.log)}")
        for line in details[-UNFOLDED:]:
            self._print(f"      {line}", "dim")

    # -- what moves ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _shown(self) -> Iterator[Live | None]:
        """The live view, where there is a terminal; one inside another is the same."""
        if not self.moves or self._live:
            yield self._live
            return
        with Live(self.rich, self._running, lambda: self.gauge() if self.gauge else "") as live:
            self._live = live
            try:
                yield live
            finally:
                self._live = None

    def _running(self) -> tuple[str, float]:
        step = self._steps[-1] if self._steps else _Step("", time.monotonic())
        return step.title, step.began

    @contextlib.contextmanager
    def building(self) -> Iterator[Callable[[str], None]]:
        """Take what a build or a pull prints, line by line: details, and a bar on a terminal.

        They are in the log already, with the command.
        """
        progress = BuildProgress()
        with self._shown() as live:
            bar = live.bar("steps", None) if live else None

            def take(line: str) -> None:
                self._fold(line)
                if progress.take(line) and live and bar is not None:
                    total = progress.total or None
                    live.update(bar, completed=progress.done, total=total, words=progress.words)

            try:
                yield take
            finally:
                if live and bar is not None:
                    live.remove_task(bar)

    @contextlib.contextmanager
    def transfer(self, title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show how much of something has gone over the network, and how fast.

        :param title: in words that fit before `: 12.3 MB in 2.9 s`.
        :param total: bytes, where they are known before.
        :returns: to be called with the number of bytes so far.
        """
        began, seen = time.monotonic(), 0
        with self._shown() as live:
            bar = live.bar("bytes", total) if live else None

            def take(done: int) -> None:
                nonlocal seen
                seen = done
                if live and bar is not None:
                    live.update(bar, completed=done)

            try:
                yield take
            finally:
                if live and bar is not None:
                    live.remove_task(bar)
        seconds = time.monotonic() - began
        speed = seen / seconds if seconds >= 0.1 else None
        self.detail(f"{title}: {transferred(seen, None, speed)} in {span(seconds)}")

    # -- a question ----------------------------------------------------------------------------

    def ask(self, question: str) -> bool | None:
        """Put a question that only `yes` answers; the running step's clock rests meanwhile.

        :returns: whether the answer was `yes`; None without a terminal to ask at.
        :raises Interrupted: Ctrl-C.
        """
        answer = self.prompt(f"{question} [yes/no]")
        return None if answer is None else answer.lower() == "yes"

    def prompt(self, question: str) -> str | None:
        """Ask for a line of text.

        :returns: the line without spaces around it; None without a terminal to ask at.
        :raises Interrupted: Ctrl-C.
        """
        if not (sys.stdin.isatty() and self.rich.is_terminal):
            return None
        if self._live:
            self._live.stop()
        with interrupts.answering():
            answer = self.rich.input(escape(f"  ? {question} ")).strip()
        self.note(f"  ? {question} {answer}")
        if self._live:
            self._live.start()
        return answer
