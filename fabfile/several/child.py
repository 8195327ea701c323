"""The process of one server: the same command line, and a note in its environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .. import interrupts
from .part import Part


class Child:
    """A part at work, in a session of its own: signals reach it by `send`, and by that alone.

    Its output goes to files that are followed, not through pipes: were this process killed, the
    part would come to its end all the same.

    :param log: the start of the output files' paths; None: it writes where this process does.
    """

    def __init__(self, part: Part, log: Path | None) -> None:
        self.part = part
        self.began = time.monotonic()
        paths = [log.with_suffix(f".{end}") for end in ("out", "err")] if log else []
        with contextlib.ExitStack() as stack, interrupts.held():
            out, err = [stack.enter_context(path.open("wb")) for path in paths] or (None, None)
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                env={**os.environ, **part.environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self._streams = [_Stream(path) for path in paths]

    def send(self, number: signal.Signals) -> None:
        """Pass a signal on; it takes back what it has to, and ends."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def follow(self, *says: Callable[[str], None]) -> int | None:
        """Say the lines that are new, of standard output and of standard error.

        :returns: the exit code once it has ended, and minus the signal that killed it.
        """
        code = self._process.poll()  # first: what it wrote until then is read below
        for stream, say in zip(self._streams, says, strict=False):
            for line in stream.lines(ended=code is not None):
                say(line)
        return code


class _Stream:
    """A file that grows, by whole lines."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""

    def lines(self, *, ended: bool) -> list[str]:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        if ended and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        return [line.decode(errors="replace") for line in lines]
