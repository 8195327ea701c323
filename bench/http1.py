"""A visitor who speaks HTTP/1.1, on a connection that is kept or a new one for each request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .visitor import Answer, BrokenOff, Closed, Target

LONGEST = 1_000_000  # bytes of a body


@dataclass
class Http1:
    """One visitor.

    :param keeps: whether the connection is kept between requests.
    """

    target: Target
    keeps: bool
    at_once: int = 1
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str) -> list[Answer]:
        """Send one request; it comes back as a list, as HTTP/2's several do.

        :raises Closed: the kept connection was closed before any byte of the answer.
        :raises BrokenOff: the answer had no end, or made no sense.
        """
        kept = self._streams is not None
        reader, writer = self._streams or await self.target.connect("http/1.1")
        self._streams = reader, writer
        try:
            answer, goes_on = await self._exchange(reader, writer, path, kept)
        except BaseException:
            self.leave()
            raise
        if not (self.keeps and goes_on):
            self.leave()
        return [answer]

    def leave(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, kept: bool
    ) -> tuple[Answer, bool]:
        connection = "keep-alive" if self.keeps else "close"
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {self.target.domain}\r\n"
            f"Connection: {connection}\r\nUser-Agent: bench\r\n\r\n".encode()
        )
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if kept and not error.partial:
                raise Closed("closed before the answer") from None
            raise BrokenOff(f"closed after {len(error.partial)} bytes of the head") from None
        except ConnectionError as error:
            if kept:
                raise Closed(type(error).__name__) from None
            raise
        status, headers = parsed(head)
        length = headers.get("content-length", "")
        if not length.isdigit() or int(length) > LONGEST:
            raise BrokenOff(f"{status} with Content-Length {length!r}")
        try:
            await reader.readexactly(int(length))
        except asyncio.IncompleteReadError as error:
            raise BrokenOff(f"{len(error.partial)} of {length} bytes of the body") from None
        goes_on = headers.get("connection", "").lower() != "close"
        return Answer(status, headers.get("x-app-release", "")), goes_on


def parsed(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer, by their names in small letters.

    :raises BrokenOff: it is no answer.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise BrokenOff(f"no answer: {first[:60]!r}")
    headers = (line.partition(":") for line in lines if line)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in headers}
