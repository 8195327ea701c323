"""A program at a terminal of its own, as a person has it in front of him."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping
from types import TracebackType

from tests.programs import BIN, NOWHERE, ROOT


class Terminal:
    """Runs `fab` or `invoke` at a pty.

    :param size: lines and columns.
    """

    def __init__(
        self, *argv: str, environment: Mapping[str, str], size: tuple[int, int] = (50, 132)
    ) -> None:
        self.seen = ""
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            variables = {**os.environ, **NOWHERE, "TERM": "xterm", **environment}
            os.execve(str(BIN / argv[0]), list(argv), variables)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._end)

    def expect(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Read until this is seen; what comes before it is read over."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.seen}"
            assert self._read(), f"ended without {pattern!r}:\n{self.seen}"
        self.seen = self.seen[found.end() :]
        return found

    def send(self, text: str) -> None:
        """Type."""
        os.write(self._end, text.encode())

    def resize(self, lines: int, columns: int) -> None:
        """Make the window another size; the program hears of it."""
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, size)

    @property
    def takes_keys_as_they_are(self) -> bool:
        """No key has a meaning at this end."""
        return not termios.tcgetattr(self._end)[3] & (termios.ISIG | termios.ICANON | termios.ECHO)

    def ended(self) -> int:
        """Wait for its end; the exit code, and `seen` has the rest of its output."""
        deadline = time.monotonic() + 60
        while self._read():
            assert time.monotonic() < deadline, f"does not end:\n{self.seen}"
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        if not select.select([self._end], [], [], 1)[0]:
            return True
        try:
            data = os.read(self._end, 65_536)
        except OSError:  # the other end of a pty is closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
