"""What an operator sees while a task runs: phases, steps with a clock, and details below them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from .. import interrupts
from ..errors import DeployError, Interrupted
from .build_output import BuildProgress
from .live import Live, step_line, transferred
from .masking import mask
from .run_log import RunLog
from .words import clock

UNFOLDED = 20  # lines below a step that failed; the log has all
_MARKS = ("• ", "✅ ", "⚠️ ", "❌ ", "! ", "│ ", "✗ ")  # a line that is too long goes on behind them


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


class Console:
    """One line a step. A terminal also shows the running step with a moving clock.

    Whatever is said here is in the full log too, folded or not.

    :param verbose: show every detail as it comes.
    """

    def __init__(self, rich: RichConsole | None = None, *, verbose: bool = False) -> None:
        plain = {"color_system": None} if os.environ.get("NO_COLOR") else {}
        self.rich = rich or RichConsole(highlight=False, **plain)  # type: ignore[arg-type]
        self.errors = RichConsole(stderr=True, highlight=False, **plain)  # type: ignore[arg-type]
        self.verbose = verbose
        self.log: RunLog | None = None
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

    # -- lines ---------------------------------------------------------------------------------

    def line(self, text: str = "", style: str | None = None) -> None:
        """Print a line as it stands; no markup is read in it."""
        self.note(text)
        if text.lstrip().startswith(_MARKS):
            self._print(text, style)
        else:  # it may be a line of a file
            self.rich.print(text, style=style, markup=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Print a table as wide as it is: a pipe and a narrow terminal get its lines whole."""
        options = self.rich.options.update(max_width=1000)
        width = Measurement.get(self.rich, options, table).maximum
        for line in self.rich.render_lines(table, options.update(width=width), pad=False):
            text = Text.assemble(*((part.text, part.style or "") for part in line))
            self.note(text.plain)
            self.rich.print(text, soft_wrap=True)

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

    def warn(self, text: str) -> None:
        """A line that a person should read, though nothing stops for it."""
        self.line(f"  ! {text}", style="yellow")

    def note(self, text: str, *, begins: bool = False) -> None:
        """A line for the full log alone.

        :param begins: a run that is refused before the first of these has no log.
        """
        if self.log:
            self.log.write(text, begins=begins)

    def trace(self, error: BaseException) -> None:
        """Where an error came from, for the full log alone."""
        self.note("".join(traceback.format_exception(error)).rstrip())

    def _print(self, text: str, style: str | None = None) -> None:
        for line in _wrapped(mask(text), self.rich):
            self.rich.print(line, style=style, markup=False, soft_wrap=True)

    # -- phases and steps ----------------------------------------------------------------------

    @contextlib.contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """A heading, and the phase's own time at its end."""
        began = time.monotonic()
        self.line()
        self.line(f"── {title} ──", style="bold")
        yield
        self.line(f"   {title}: {clock(time.monotonic() - began)}", style="dim")

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
        self.detail(f"{title}: {transferred(seen, None, speed)} in {clock(seconds)}")

    # -- the full log --------------------------------------------------------------------------

    @property
    def log_name(self) -> str:
        """The file of the full log; empty where there is none."""
        return str(self.log.path) if self.log and self.log.path else ""

    # -- the end -------------------------------------------------------------------------------

    def failure(self, error: DeployError) -> None:
        """Reason, trigger, evidence, what was taken back, the site's state, the next command and
        the log, on standard error."""
        self._complain(f"\n✗ {error.reason}", "bold red")
        for line in error.evidence.splitlines():
            self._complain(f"  │ {line}")
        for name, text in (
            ("rollback trigger", error.trigger),
            ("taken back", error.taken_back),
            ("state", error.state),
            ("next", error.next_command),
            ("log", self.log_name),
        ):
            if text:
                self._complain(f"  {name}: {text}")

    def _complain(self, text: str, style: str | None = None) -> None:
        text = mask(text)
        self.note(text)
        for line in _wrapped(text, self.errors):
            self.errors.print(line, style=style, markup=False, soft_wrap=True)

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


def _wrapped(text: str, rich: RichConsole) -> list[str]:
    """A terminal's lines: one that is too long goes on below its own beginning, not at the edge.

    What is not a terminal gets it whole.
    """
    if not rich.is_terminal or "\n" in text.strip("\n") or len(text) < rich.width:
        return [text]
    bare = text.lstrip("\n ")
    start = text[: len(text) - len(bare)]
    mark = next((mark for mark in _MARKS if bare.startswith(mark)), "")
    again = (start.lstrip("\n")) + ("│ " if mark == "│ " else " " * Text(mark).cell_len)
    width = rich.width - Text(again).cell_len
    if width < 20:
        return [text]
    pieces = [piece.plain.rstrip() for piece in Text(bare[len(mark) :]).wrap(rich, width)]
    return [start + mark + pieces[0], *(again + piece for piece in pieces[1:])]
