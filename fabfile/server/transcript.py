"""What goes to the server and comes back, as the full log has it."""

from __future__ import annotations

import contextlib
import itertools
import shlex
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..commands.private import prints_secrets
from ..report.console import Console
from ..report.masking import sql_without_values
from ..report.words import size

MOST = 64 * 1024  # characters of one command's output
MOST_SQL = 2_000
_numbers = itertools.count(1)  # of this process: several commands may be under way at once


class Ended(Protocol):
    """What is known of a command that has ended."""

    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...
    @property
    def exit_code(self) -> int: ...


class Entry:
    """One command: written when it is sent, and again when it has ended, or did not end."""

    def __init__(self, console: Console, argv: Sequence[str]) -> None:
        self._console = console
        self._number = next(_numbers)
        self._began = time.monotonic()
        self._heard = False
        self._private = prints_secrets(argv)
        self._note(f"$ {shlex.join(argv)}", begins=True)

    def __enter__(self) -> Entry:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._note(f"no end after {self._seconds}: {type(error).__name__}: {error}")

    def hear(self, text: str) -> None:
        """A piece of its output, as it comes."""
        self._heard = True
        if not self._private:
            self._note("\n".join(f"| {line}" for line in text.rstrip("\n").split("\n")))

    def ended(self, output: Ended, *, sent: int | None = None) -> None:
        """Its exit code, its duration, and what it printed, unless that was heard.

        :param sent: bytes that went to its standard input.
        """
        fed = "" if sent is None else f", {size(sent)} sent"
        printed = output.stdout + output.stderr
        lines = [f"exit {output.exit_code} in {self._seconds}{fed}"]
        if self._private:
            lines.append(f"| {size(len(printed))}, not kept: it may hold secrets")
        elif not self._heard:
            lines += [f"| {line}" for line in printed[:MOST].splitlines()]
            if (more := len(printed) - MOST) > 0:
                lines.append(f"| … {size(more)} more")
        self._note("\n".join(lines))

    @property
    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:.3f} s"

    def _note(self, text: str, *, begins: bool = False) -> None:
        """In one piece: a key of several lines is masked whole."""
        mark = f"      #{self._number} "
        self._console.note(mark + text.replace("\n", f"\n{mark}"), begins=begins)


@contextlib.contextmanager
def sql(console: Console, text: str) -> Iterator[None]:
    """A statement, without the values in it; what it answers is the site's data, and not kept."""
    began = time.monotonic()
    shown = sql_without_values(text)[:MOST_SQL]
    try:
        yield
    except Exception as error:
        console.note(f"      sql: {shown}\n      sql: {error}")
        raise
    console.note(f"      sql: {shown} -- {time.monotonic() - began:.3f} s")
