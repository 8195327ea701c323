"""The backups, as a person reads them."""

from __future__ import annotations

from ..documents.backups import BackupLine, Backups
from .columns import columns
from .console import Console
from .words import age, size, when

_COLUMNS = ("", "name", "age", "size", "verified")  # kind and release stand in the name
_RIGHT = ("age", "size")
_MARKS = {
    1: ("*", "what a full rollback goes to: fab rollback --full"),
    2: ("**", "what a second one after it goes to"),
}
_UNKNOWN = {
    "full_rollback": "what a full rollback goes to is",
    "kept_databases": "databases kept by restores are",
}


def show(console: Console, found: Backups) -> None:
    """A line a backup, what the marks mean, and what else lies there."""
    say, warn = console.line, console.warn
    if found.backups:
        columns(console, _COLUMNS, map(_row, found.backups), _RIGHT)
        for target, (mark, meaning) in _MARKS.items():
            if any(one.full_rollback == target for one in found.backups):
                say(f"{mark:<2} {meaning}")
    else:
        say(f"no backup yet in {found.folder}; make one: fab backup")
    for kept in found.kept_databases or []:
        until = when(kept.live_until)
        say(f"kept database {kept.name}: live until {until}, {size(kept.bytes)}")
    for name, why in found.problems.items():
        warn(f"{_UNKNOWN[name]} not known: {why}")
    for name, why in found.unreadable.items():
        warn(f"{name}: its manifest cannot be read ({why}); its dump may be whole")
    for name in found.unfinished:
        warn(f"{name}: not finished, by a run that was cut off or is at work now")
    if found.unfinished:
        say("next: fab backups --prune removes what was cut off")


def _row(one: BackupLine) -> tuple[str, ...]:
    restored = one.restored_age
    return (
        _MARKS[one.full_rollback][0] if one.full_rollback else "",
        one.name,
        age(one.age),
        size(one.dump_bytes),
        "read to its end" if restored is None else f"restored {age(restored)} ago",
    )
