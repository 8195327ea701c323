"""What an operator sees while a task runs: phases, steps with a clock, and details below them."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .. import interrupts
from ..errors import DeployError


class Console:
    """One line a step. A terminal also shows the running step with a moving clock."""

    def __init__(self, rich: RichConsole | None = None) -> None:
        self.rich = rich or RichConsole(highlight=False, soft_wrap=True)
        self.errors = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self.gauge: Callable[[], str] | None = None
        self._progress: Progress | None = None
        self._phase = ""
        self.warnings: list[str] = []  # all of them, for the report

    # -- lines ---------------------------------------------------------------------------------

    def line(self, text: str = "", style: str | None = None) -> None:
        """Print a line as it stands; no markup is read in it."""
        (self._progress.console if self._progress else self.rich).print(
            text, style=style, markup=False
        )

    def table(self, table: Table) -> None:
        """Print a table as wide as it is: a pipe and a narrow terminal get its lines whole."""
        rich = self._progress.console if self._progress else self.rich
        options = rich.options.update(max_width=1000)
        for line in rich.render_lines(table, options.update(width=_width(rich, table)), pad=False):
            rich.print(Text.assemble(*((part.text, part.style or "") for part in line)))

    def detail(self, text: str) -> None:
        """A line below the running step."""
        self.line(f"      {text}", style="dim")

    def warn(self, text: str) -> None:
        """A line that a person should read, though nothing stops for it."""
        self.warnings.append(text)
        self.line(f"  ! {text}", style="yellow")

    # -- phases and steps ----------------------------------------------------------------------

    @contextlib.contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """A heading, and the phase's own time at its end."""
        began, self._phase = time.monotonic(), title
        self.line()
        self.line(f"── {title} ──", style="bold")
        yield
        self.line(f"   {title}: {_clock(time.monotonic() - began)}", style="dim")

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step: shown running with its clock, then as one line with how it ended."""
        began = time.monotonic()
        try:
            if self.rich.is_terminal and self._progress is None:
                with self._running(title):
                    yield
            else:
                yield
        except BaseException:
            self._ended("✗", title, began, "red")
            raise
        self._ended("✓", title, began, None)

    @contextlib.contextmanager
    def _running(self, title: str) -> Iterator[None]:
        columns = (
            TextColumn("  "),
            SpinnerColumn(),
            TextColumn(escape(f"{self._phase}: {title}")),
            TimeElapsedColumn(),
            _Gauge(self),
        )
        with Progress(*columns, console=self.rich, transient=True) as progress:
            progress.add_task(title, total=None)
            self._progress = progress
            try:
                yield
            finally:
                self._progress = None

    def _ended(self, mark: str, title: str, began: float, style: str | None) -> None:
        self.line(f"  {mark} {title:<58} {_clock(time.monotonic() - began):>8}", style=style)

    # -- the end -------------------------------------------------------------------------------

    def failure(self, error: DeployError) -> None:
        """Reason, trigger, evidence, what was taken back, the site's state and the next command,
        on standard error."""
        say = self.errors
        say.print(f"\n✗ {error.reason}", style="bold red", markup=False)
        for line in error.evidence.splitlines():
            say.print(f"  │ {line}", markup=False)
        for name, text in (
            ("rollback trigger", error.trigger),
            ("taken back", error.taken_back),
            ("state", error.state),
            ("next", error.next_command),
        ):
            if text:
                say.print(f"  {name}: {text}", markup=False)

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
        if self._progress:
            self._progress.stop()
        with interrupts.answering():
            answer = self.rich.input(escape(f"  ? {question} ")).strip()
        if self._progress:
            self._progress.start()
        return answer


def _width(rich: RichConsole, table: Table) -> int:
    return Measurement.get(rich, rich.options.update(max_width=1000), table).maximum


class _Gauge(TextColumn):
    """The meter's running count beside the running step."""

    def __init__(self, console: Console) -> None:
        super().__init__("")
        self._owner = console

    def render(self, task: object) -> object:  # type: ignore[override]
        return Text(self._owner.gauge() if self._owner.gauge else "", style="dim")


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
