"""Words of a plan: one deed a line, with the place where it happens."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence

from ..documents.plan import Deed, Where
from ..server.sql_locks import locked
from .outlook import Outlook, Plan


def deed(where: Where, what: str, *, diff: str = "", sql: Sequence[str] = ()) -> Deed:
    """One thing that a step would do.

    :param sql: statements, as they would be sent.
    """
    return Deed(where=where, what=what, diff=diff, statements=tuple(map(locked, sql)))


def runs(*commands: Sequence[str]) -> list[Deed]:
    """Commands on the server, as they would be run."""
    return [deed("server", shlex.join(command)) for command in commands]


def writes(
    path: str, text: str, *, before: str | None, what: str = "writes", mode: str = ""
) -> Deed:
    """A file that would be written on the server.

    :param before: what it holds now; None where there is none.
    :param what: words in front of its path.
    """
    old = "/dev/null" if before is None else path
    lines = difflib.unified_diff(
        (before or "").splitlines(), text.splitlines(), old, path, lineterm=""
    )
    diff = "\n".join(lines)
    same = "" if diff else ": as it is"
    return deed("server", f"{what} {path}{f' ({mode})' if mode else ''}{same}", diff=diff)


def only(where: Where, *words: str) -> Plan:
    """A step that does the same on any site."""

    def plan(seen: Outlook) -> Sequence[Deed]:
        return [deed(where, text) for text in words]

    return plan
