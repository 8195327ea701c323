"""The migrations, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator

from ..documents.migrations import MigrationLine, Migrations, MigrationStage
from .columns import columns
from .console import Console
from .words import when

_HEAD = ("migration", "stage", "state", "when (UTC)", "by release", "sha256", "files")
_SHORT = 12  # letters of a checksum that tell it from any other


def show(console: Console, found: Migrations, none: str) -> None:
    """A line a stage.

    :param none: what to say where there is no migration.
    """
    for why in found.wrong.values():
        console.warn(f"not listed, and no deploy goes by it: {why}")
    if not found.migrations:
        console.line(f"{none}; begin one: fab migration --new NAME")
        return
    columns(console, _HEAD, [row for one in found.migrations for row in _rows(one)])
    for one in found.migrations:
        if one.skipped:
            console.line(f"{one.name}: {one.skipped}")
    if any(stage.changed for one in found.migrations for stage in one.stages):
        console.warn(
            "a file that was changed after it had been applied is refused: bring it back as it "
            "was, and write what is new as a new migration"
        )


def _rows(one: MigrationLine) -> Iterator[tuple[str, ...]]:
    if not one.stages:
        yield (one.name, "-", "empty: only comments" if one.here else "-", "", "", "", "")
    for number, stage in enumerate(one.stages):
        yield (
            "" if number else one.name,
            stage.stage,
            stage.state,
            when(stage.time) if stage.time else "-",
            stage.release or "-",
            (stage.sha256 or "-")[:_SHORT],
            _files(one, stage),
        )


def _files(one: MigrationLine, stage: MigrationStage) -> str:
    if not one.here:
        return "its folder is not here"
    if stage.changed:
        return f"CHANGED: {', '.join(stage.changed)}"
    return "unchanged" if stage.state == "applied" else "-"
