"""A program on the server at a person's own terminal; or its output, where there is none.

Not Fabric's `run(pty=True)`: it keeps the local terminal's own Ctrl-C, Ctrl-Z and Ctrl-\\, sends
some hundred typed bytes a second (invoke#774), and keeps all output in memory.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

import paramiko

from .. import interrupts
from ..errors import DeployError
from .connection import Server

CHUNK = 32 * 1024  # bytes
TURN = 0.2  # seconds between two looks at the signals
BROKEN_PIPE = 128 + signal.SIGPIPE
_END, _RESIZED = b"e", b"r"


def is_terminal() -> bool:
    """Whether a person sits there: keys come from a terminal, and the screen is one."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _size() -> tuple[int, int]:
    """Columns and lines of the window itself; COLUMNS and LINES may be left over from another."""
    return os.get_terminal_size(sys.stdout.fileno())


def attach(server: Server, argv: Sequence[str]) -> int:
    """Give the terminal to a program on the server until it ends; every key is its own.

    :returns: its exit code.
    :raises DeployError: it has none: killed, or the connection is gone.
    :raises Interrupted: SIGTERM or a closed terminal; the program is hung up.
    """
    channel = server.channel(argv, terminal=_size())
    with channel, _raw(sys.stdin.fileno()), _woken() as (woken, wake), interrupts.only_looking():
        copy = _Copy(channel, channel.recv, sys.stdout, at_end=lambda: wake(_END))
        _type(channel, woken)
        copy.thread.join(timeout=5)
        return _exit_code(channel)


def stream(server: Server, argv: Sequence[str]) -> int:
    """Run a program on the server with nothing to read; both of its streams come as they are.

    :returns: its exit code; that of a broken pipe where nobody reads its output any more.
    :raises DeployError: it has none: killed, or the connection is gone.
    :raises Interrupted: Ctrl-C; what runs in a container may go on there.
    """
    channel = server.channel(argv)
    with channel, interrupts.only_looking():
        channel.shutdown_write()
        copies = [
            _Copy(channel, channel.recv, sys.stdout),
            _Copy(channel, channel.recv_stderr, sys.stderr),
        ]
        while any(copy.thread.is_alive() for copy in copies):
            interrupts.pause(0.02)
        if any(copy.broken for copy in copies):
            return BROKEN_PIPE
        return _exit_code(channel)


class _Copy:
    """Copies what comes from the server to one of our own outputs, byte for byte.

    Where nobody reads that any more, the channel is closed, so that the program ends.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        read: Callable[[int], bytes],
        out: TextIO,
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        out.flush()
        self.broken = False
        self._channel, self._read, self._at_end = channel, read, at_end
        self._out = out.fileno()
        self.thread = threading.Thread(target=self._copy, daemon=True)
        self.thread.start()

    def _copy(self) -> None:
        try:
            while data := self._read(CHUNK):
                while data:
                    data = data[os.write(self._out, data) :]
        except OSError:
            self.broken = True
            self._channel.close()
        self._at_end()


def _type(channel: paramiko.Channel, woken: int) -> None:
    """Send what is typed, and the window's new sizes, until the program has ended."""
    keys = [sys.stdin.fileno()]
    while True:
        interrupts.check()
        ready, _, _ = select.select([*keys, woken], [], [], TURN)
        if woken in ready:
            if _END in os.read(woken, 64):
                return
            with contextlib.suppress(OSError, paramiko.SSHException):
                channel.resize_pty(*_size())
        if ready[:1] == keys:
            typed = os.read(keys[0], CHUNK)
            with contextlib.suppress(OSError):  # it has just ended
                channel.sendall(typed)
            keys = keys if typed else []


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """No key means anything here; as it was afterwards."""
    former = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it is closed
            termios.tcsetattr(terminal, termios.TCSADRAIN, former)


@contextlib.contextmanager
def _woken() -> Iterator[tuple[int, Callable[[bytes], object]]]:
    """A pipe that wakes `select`: at the program's end, and when the window changes its size.

    Not from the signal's handler itself: that may come while the channel is being written to.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def wake(word: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(writing, word)

    former = signal.signal(signal.SIGWINCH, lambda *_: wake(_RESIZED))
    try:
        yield reading, wake
    finally:
        signal.signal(signal.SIGWINCH, former)
        os.close(reading)
        os.close(writing)


def _exit_code(channel: paramiko.Channel) -> int:
    code = channel.recv_exit_status()
    if code < 0:
        raise DeployError(
            "it ended without an exit code: killed there, or the connection was lost",
            state="the site goes on by itself",
            next_command="fab status",
        )
    return code
