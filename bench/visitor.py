"""What the visitors of a switch have in common: where they go, and what their failures mean."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from lab.places import CERTIFICATE_AUTHORITY, DOMAIN, Server

from .tally import Tally

PATIENCE = 20.0  # seconds for one request, its connection included
AGAIN = 3  # times that a request is sent which meets a closed connection


Found = TypeVar("Found")


class Closed(Exception):
    """The server had closed the connection, or was closing it, before it took the request."""


class BrokenOff(Exception):
    """An answer without an end, or none that makes sense."""


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    :param release: of the app that gave it.
    """

    status: int
    release: str


@dataclass(frozen=True)
class Target:
    """The lab's site on 127.0.0.1."""

    port: int
    domain: str = DOMAIN

    @classmethod
    def here(cls) -> Target:
        return cls(Server().https_port)

    async def connect(self, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection over TLS.

        :param protocol: as ALPN calls it.
        """
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=_context(protocol), server_hostname=self.domain
        )
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        if protocol == "h2" and chosen != "h2":
            writer.close()
            raise BrokenOff("the server does not speak HTTP/2")
        return reader, writer


@functools.cache
def _context(protocol: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(CERTIFICATE_AUTHORITY))
    context.set_alpn_protocols([protocol])
    return context


class Visitor(Protocol):
    """Somebody who asks for a page.

    :param at_once: requests that `ask` sends together.
    """

    at_once: int

    async def ask(self, path: str) -> list[Answer]:
        """:returns: fewer answers than requests where the server has said that it did not take
            the others.
        :raises Closed: no request was taken; they may be sent again.
        """

    def leave(self) -> None:
        """Close the connection."""


async def errand(visitor: Visitor, path: str, tally: Tally) -> None:
    """Ask once, as a browser does: what was not taken is sent again."""
    began = time.monotonic()
    try:
        answers = await _taken(visitor, path, tally)
    except (OSError, asyncio.TimeoutError, BrokenOff, Closed) as error:
        visitor.leave()
        tally.fail(f"{type(error).__name__}: {error}", visitor.at_once)
        return
    tally.resent += visitor.at_once - len(answers)
    for answer in answers:
        if answer.status == 200:
            tally.good(answer.release, time.monotonic() - began)
        else:
            tally.fail(f"{answer.status}")


async def _taken(visitor: Visitor, path: str, tally: Tally) -> list[Answer]:
    """:raises Closed: not taken, time after time."""
    for _ in range(AGAIN):
        try:
            return await in_time(visitor.ask(path), PATIENCE)
        except Closed:
            tally.resent += visitor.at_once
    raise Closed(f"not taken {AGAIN} times in a row")


async def in_time(work: Coroutine[Any, Any, Found], seconds: float) -> Found:
    """`asyncio.wait_for` without its task for each call, which costs more than a request's bytes.

    :raises asyncio.TimeoutError: it took longer, and was ended.
    """
    ours, late = asyncio.current_task(), False
    assert ours

    def end() -> None:
        nonlocal late
        late = ours.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, end)
    try:
        return await work
    except asyncio.CancelledError:
        if late:
            raise asyncio.TimeoutError(f"no end after {seconds:g} s") from None
        raise
    finally:
        timer.cancel()
