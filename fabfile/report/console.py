"""What an operator sees while a task runs: phases, steps with a clock, and details below them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Console:
    """One line a step. A terminal also shows the running step with a moving clock."""

    def __init__(self, rich: RichConsole | None = None) -> None:
        self.rich = rich or RichConsole(highlight=False, soft_wrap=True)
        self.errors = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self.gauge: Callable[[], str] | None = None
        self._progress: Progress | None = None
        self._phase = ""

    # -- lines ---------------------------------------------------------------------------------

    def line(self, text: str = "", style: str | None = None) -> None:
        """Print a line as it stands; no markup is read in it."""
        (self._progress.console if self._progress else self.rich).print(
            text, style=style, markup=False
        )

    def detail(self, text: str) -> None:
        """A line below the running step."""
        self.line(f"      {text}", style="dim")

    def warn(self, text: str) -> None:
        """A line that a person should read, though nothing stops for it."""
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

    def failure(self, reason: str, evidence: str, state: str, next_command: str) -> None:
        """Reason, evidence, the site's state and the next command, on standard error."""
        say = self.errors
        say.print(f"\n✗ {reason}", style="bold red", markup=False)
        for line in evidence.splitlines():
            say.print(f"  │ {line}", markup=False)
        if state:
            say.print(f"  state: {state}", markup=False)
        if next_command:
            say.print(f"  next:  {next_command}", markup=False)


class _Gauge(TextColumn):
    """The meter's running count beside the running step."""

    def __init__(self, console: Console) -> None:
        super().__init__("")
        self._owner = console

    def render(self, task: object) -> object:  # type: ignore[override]
        from rich.text import Text

        return Text(self._owner.gauge() if self._owner.gauge else "", style="dim")


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
