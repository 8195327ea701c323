"""A plain table: a heading, a line a row, and nothing around it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.table import Table

from .console import Console


def columns(
    console: Console,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Collection[str] = (),
) -> None:
    """Print rows under a heading; the parameters are those of `as_table`."""
    console.table(as_table(head, rows, right))


def as_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()
) -> Table:
    """Rows under a heading.

    :param right: the columns that are set to the right, as numbers are.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in head:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
