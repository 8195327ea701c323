"""The full log around a command: which commands have one, what it is called, what goes into it."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from invoke.exceptions import Exit
from invoke.tasks import Call

from .report.console import Console
from .report.masking import mask
from .report.run_log import RunLog
from .server.ledger import operator
from .settings import Settings
from .several.part import Part


@contextlib.contextmanager
def recorded(
    console: Console, calls: Sequence[Call], settings: Settings, part: Part | None
) -> Iterator[None]:
    """Log a command's tasks, and say at the end in which file; a failure says it itself.

    Tasks that only look, or only say what they would do, have none.

    :param calls: the command's tasks that are ours.
    :param part: of a run over several servers; each writes its own.
    """
    if all(_only_looks(call) for call in calls):
        yield
        return
    _learn(settings.model_dump())
    console.log = log = RunLog(
        Path(settings.log.folder).expanduser(),
        _name(calls, part),
        keep=settings.log.keep,
        mask=mask,
        complain=console.warn,
    )
    for line in _head():
        console.note(line)
    try:
        with _library_lines(console):
            yield
        _say(console)
    except Exit:  # the message of the failure has its name
        raise
    except BaseException:
        _say(console)
        raise
    finally:
        log.close()


def _learn(values: Mapping[str, object]) -> None:
    """A setting may be a secret too: a test user's password, a webhook's address."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            _learn(value)
        elif isinstance(value, str):
            mask.learn_if_named_so(name, value)


def _only_looks(call: Call) -> bool:
    return getattr(call.task, "reads", False) or bool(call.kwargs.get("plan"))


def _name(calls: Sequence[Call], part: Part | None) -> str:
    names = dict.fromkeys(call.called_as or call.task.name for call in calls)
    server = [part.server] if part else []
    back = ["take-back"] if part and part.takes_back else []
    return "-".join([*names, *back, *server])


def _head() -> list[str]:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    python = ".".join(map(str, sys.version_info[:3]))
    who = f"{operator()}@{socket.gethostname()}, pid {os.getpid()}"
    return [
        f"{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}",
        f"{now}, {who}, in {Path.cwd()}, Python {python}",
    ]


def _say(console: Console) -> None:
    if console.log_name:
        console.line(f"log: {console.log_name}", style="dim")


class _ToConsole(logging.Handler):
    """What the libraries say of themselves."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.note(f"      {record.name}: {record.getMessage()}")


@contextlib.contextmanager
def _library_lines(console: Console) -> Iterator[None]:
    """The debug lines, with --debug; without it what SSH has to say of its connections."""
    handler, paramiko = _ToConsole(console), logging.getLogger("paramiko")
    root = logging.getLogger()
    before = paramiko.level
    if not root.isEnabledFor(logging.DEBUG):
        paramiko.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        paramiko.setLevel(before)
