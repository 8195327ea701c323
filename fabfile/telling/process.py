"""A program of the user's on this machine, with a time limit; nothing of it is left running."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from .. import interrupts

GRACE = 5  # seconds from SIGTERM to SIGKILL
_TURN = 0.05  # seconds between two looks at it
_READ = 64 * 1024  # bytes at a time
_LAST_LOOKS = 16
_MOST_LINES = 1000
_LONGEST = 500  # characters of a line that are shown
_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    say: Callable[[str], None],
) -> str:
    """Run it in a process group of its own, which ends with it.

    :param environment: all of it.
    :param seconds: its time limit.
    :param say: takes each line that it prints, on whichever stream, as soon as it is there.
    :returns: how it failed, in words; empty where it did not.
    :raises Interrupted: a signal came; it was ended.
    """
    try:
        # A session of its own: Ctrl-C is for us, and we end it.
        process = subprocess.Popen(
            list(argv),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        return f"cannot be started: {error.strerror}"
    lines = _Lines(process, say)
    try:
        in_time = _follow(process, time.monotonic() + seconds, lines)
    finally:
        _end(process)
        lines.end()
    if not in_time:
        return f"took longer than {seconds:g} s, and was ended"
    return _how_it_ended(process.returncode)


def _follow(process: subprocess.Popen[bytes], until: float, lines: _Lines) -> bool:
    """:returns: False where its time is over."""
    while not _has_ended(process):
        lines.look()
        interrupts.check()
        if time.monotonic() > until:
            return False
        time.sleep(_TURN)
    return True


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    # Not reaped yet, so that its group's number stays its own until the rest of it is ended.
    how = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, how) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: SIGTERM while it runs, SIGKILL for what is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not _has_ended(process):
            os.killpg(process.pid, signal.SIGTERM)
            until = time.monotonic() + GRACE
            while not _has_ended(process) and time.monotonic() < until:
                time.sleep(_TURN)
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # another user's, which we may not end
        process.wait(GRACE)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}" if code else ""
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


class _Lines:
    """What a process prints, by whole lines, without what a terminal would act on.

    Of endless output no more is kept or shown than a person would read.
    """

    def __init__(self, process: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
        assert process.stdout
        self._pipe = process.stdout
        os.set_blocking(self._pipe.fileno(), False)
        self._say = say
        self._rest = b""
        self._said = 0

    def look(self) -> bool:
        """Say what is there by now, up to so much; whether there was something."""
        try:
            data = os.read(self._pipe.fileno(), _READ)
        except BlockingIOError:
            return False
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_READ]
        for line in lines:
            self._one(line)
        return bool(data)

    def end(self) -> None:
        """Say what is left; who still writes, though its group has ended, is not listened to."""
        for _ in range(_LAST_LOOKS):
            if not self.look():
                break
        self._pipe.close()
        if self._rest:
            self._one(self._rest)

    def _one(self, line: bytes) -> None:
        self._said += 1
        if self._said <= _MOST_LINES:
            self._say(_plain(line))
        elif self._said == _MOST_LINES + 1:
            self._say("… and more, which is not shown")


def _plain(line: bytes) -> str:
    # Of a line that was written over and over, as a progress bar is, the last.
    text = _CODES.sub("", line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace"))
    text = "".join(letter for letter in text if letter.isprintable() or letter == "\t")
    text = text.expandtabs().rstrip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
