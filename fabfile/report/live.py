"""What a terminal shows while a step runs: its moving clock, the meter's count, and a bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import cast

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.spinner import Spinner
from rich.text import Text

from .words import size, span

TITLE = 48  # columns of a step's title; with the clock and the meter's count it fits in 100
LONG_TITLE = 60
_BAR = 24


class Live(Progress):
    """The lines below what is printed, drawn anew some times a second.

    :param title: what runs now, and when that began, by the monotonic clock.
    :param gauge: the meter's running count; empty for none.
    """

    def __init__(
        self,
        rich: Console,
        title: Callable[[], tuple[str, float]],
        gauge: Callable[[], str],
    ) -> None:
        self._rich = rich
        self._title = title
        self._gauge = gauge
        self._spinner = Spinner("dots")
        super().__init__(
            TextColumn(" " * 5),
            BarColumn(_BAR),
            _Figures(rich),
            console=rich,
            transient=True,
            refresh_per_second=8,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """The step's line, with the count beside it or below, and then the bars."""
        width = self._rich.width - 1
        title, began = self._title()
        spinner = cast(Text, self._spinner.render(time.monotonic()))  # without a text of its own
        line = Text.assemble("  ", spinner, f" {step_line(title, time.monotonic() - began)}")
        gauge = self._gauge()
        beside = Text.assemble(line, "  ", (gauge, "dim"))
        if beside.cell_len <= width:
            yield _within(beside, width)
        else:
            yield _within(line, width)
            yield _within(Text(f"      {gauge}", style="dim"), width)
        if self.tasks:
            yield self.make_tasks_table(self.tasks)

    def bar(self, unit: str, total: int | None) -> TaskID:
        """Begin a bar; `unit` is `bytes`, or anything that has words of its own."""
        return self.add_task("", total=total, unit=unit, words="")


class _Figures(ProgressColumn):
    """`step 3 of 9  RUN pip install`, or `12.3 MB of 40.0 MB, 4.2 MB/s`."""

    def __init__(self, rich: Console) -> None:
        super().__init__()
        self._rich = rich

    def render(self, task: Task) -> Text:
        if task.fields["unit"] == "bytes":
            text = Text(transferred(int(task.completed), task.total, task.speed))
        else:
            text = Text(str(task.fields["words"]))
        return _within(text, max(10, self._rich.width - _BAR - 8))


def transferred(done: int, total: float | None, speed: float | None) -> str:
    """`12.3 MB of 40.0 MB, 4.2 MB/s`, as far as it is known."""
    of = "" if total is None else f" of {size(int(total))}"
    return f"{size(done)}{of}" + (f", {size(int(speed))}/s" if speed else "")


def step_line(title: str, seconds: float) -> str:
    """A title and its clock, in columns; titles that are too long have one of their own."""
    width = TITLE if len(title) <= TITLE else LONG_TITLE
    return f"{title:<{width}} {span(seconds):>8}"


def _within(text: Text, width: int) -> Text:
    """On one line, whatever the console's own way with long lines is."""
    text.no_wrap, text.overflow = True, "ellipsis"
    text.truncate(width, overflow="ellipsis")
    return text
