"""The output of several containers, line by line, in the order of their times."""

from __future__ import annotations

import contextlib
import queue
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import paramiko

from .. import interrupts
from ..commands import docker
from ..errors import DeployError
from .connection import Server
from .containers import Container

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
# Of a pty that nobody looks at; the engine breaks no lines by it.
_PAPER = (1000, 50)
_NOT_CODE = 20  # last lines of what the engine said, as evidence


@dataclass(frozen=True)
class LogLine:
    """One line.

    :param time: as the engine writes it, all of one width, so that text order is time's order;
        empty where it gives none.
    :param source: the colour or the service.
    """

    time: str
    source: str
    text: str


def parse_line(source: str, raw: str) -> LogLine:
    """A line of `docker logs --timestamps`."""
    time, _, text = raw.rstrip("\r\n").partition(" ")
    if not _TIME.fullmatch(time):
        return LogLine("", source, raw.rstrip("\r\n"))
    return LogLine(time, source, text)


def merged(lines: Iterable[LogLine]) -> list[LogLine]:
    """By time; lines of one moment stay in their order, and one without a time where it was."""
    last: dict[str, str] = {}
    timed = []
    for line in lines:
        last[line.source] = line.time or last.get(line.source, "")
        timed.append((last[line.source], line))
    return [line for _, line in sorted(timed, key=lambda one: one[0])]


def recent(
    server: Server,
    sources: Mapping[str, Container],
    *,
    since: str | None = None,
    wanted: re.Pattern[str] | None = None,
    most: int | None = None,
) -> list[LogLine]:
    """What containers have printed so far.

    :param sources: containers by the name that their lines get.
    :param since: as `docker logs --since` takes it.
    :param wanted: only lines in which it is found.
    :param most: the last so many lines, of all of them together.
    :raises DeployError: a container's output cannot be read.
    """
    found: list[LogLine] = []
    for source, container in sources.items():
        tail = most if wanted is None else None
        argv = docker.logs(container.name, tail=tail, since=since, times=True)
        lines = (parse_line(source, raw) for raw in _read(server, argv, container.name))
        found += deque((one for one in lines if wanted is None or wanted.search(one.text)), most)
    found = merged(found)
    return found[-most:] if most else found


def _read(server: Server, argv: list[str], name: str) -> Iterator[str]:
    """The lines of a command that comes to an end by itself; both streams in one."""
    channel = server.channel(argv)
    channel.set_combine_stderr(True)
    channel.settimeout(server.settings.ssh.command_timeout)
    said: deque[str] = deque(maxlen=_NOT_CODE)
    with channel:
        try:
            for raw in channel.makefile("rb"):
                interrupts.check()
                said.append(raw.decode(errors="replace"))
                yield said[-1]
        except OSError:
            raise DeployError(f"the output of {name} did not come to its end") from None
        if channel.recv_exit_status() != 0:
            raise DeployError(f"the output of {name} cannot be read", evidence="".join(said))


class Follower:
    """One container's output as it comes, until the container stops or the follower is closed.

    A pty on the server's side, because only that ends `docker logs --follow` together with the
    channel; without one it would wait there for the next line, perhaps for ever.

    :param after: only lines later than this.
    """

    def __init__(
        self,
        server: Server,
        source: str,
        container: Container,
        lines: queue.SimpleQueue[LogLine],
        after: str = "",
    ) -> None:
        self.source = source
        self._after, self._lines = after, lines
        argv = docker.logs(container.name, since=after or None, times=True, follow=True)
        self._channel = server.channel(argv, terminal=_PAPER)
        self._thread = threading.Thread(target=self._follow, daemon=True, name=f"follow {source}")
        self._thread.start()

    @property
    def ended(self) -> bool:
        """The container has stopped, and all of its output is in the queue."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """End it here and on the server."""
        self._channel.close()

    def _follow(self) -> None:
        with contextlib.suppress(OSError, paramiko.SSHException), self._channel:
            for raw in self._channel.makefile("rb"):
                line = parse_line(self.source, raw.decode(errors="replace"))
                if not line.time or line.time > self._after:
                    self._lines.put(line)
