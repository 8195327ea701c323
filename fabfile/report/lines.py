"""Lines: printed as a person reads them, and in the full log at the same time."""

from __future__ import annotations

import os
import traceback

from rich.console import Console as RichConsole
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..errors import DeployError
from .masking import mask
from .run_log import RunLog

_MARKS = ("• ", "✅ ", "⚠️ ", "❌ ", "! ", "│ ", "✗ ")  # a line that is too long goes on behind them


class Lines:
    """Standard output, standard error, and the full log behind both.

    Plain where it is no terminal, and where `NO_COLOR` is set.

    :param beside: leave standard output to a document: all lines go to standard error.
    """

    def __init__(self, rich: RichConsole | None = None, *, beside: bool = False) -> None:
        plain = {"color_system": None} if os.environ.get("NO_COLOR") else {}
        self.errors = RichConsole(stderr=True, highlight=False, **plain)  # type: ignore[arg-type]
        out = self.errors if beside else RichConsole(highlight=False, **plain)  # type: ignore[arg-type]
        self.rich = rich or out
        self.log: RunLog | None = None
        self.warnings: list[str] = []  # all of them, for the report

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

    def warn(self, text: str) -> None:
        """A line that a person should read, though nothing stops for it."""
        self.warnings.append(text)
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

    @property
    def log_name(self) -> str:
        """The file of the full log; empty where there is none."""
        return str(self.log.path) if self.log and self.log.path else ""

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
