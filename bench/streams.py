"""Visitors who stay: an event stream and a web socket, on which the site speaks twice a second."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import AsyncIterator

from .http1 import parsed
from .tally import Tally
from .visitor import BrokenOff, Target

EVENTS, SOCKET = "/api/events", "/api/socket"
SILENCE = 10.0  # seconds without a word after which a stream counts as broken
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455's own
CLOSE = 8  # the kind of a frame that says good-bye
AGAIN = 0.1  # seconds until a visitor comes again


async def stay(target: Target, socket: bool, tally: Tally, enough: asyncio.Event) -> None:
    """Listen for as long as it is wanted, and come again where the stream ends.

    :param socket: a web socket, not an event stream.
    """
    listen = _socket if socket else _events
    heard = 0.0
    while not enough.is_set():
        tally.streams += 1
        try:
            async for _ in listen(target):
                if heard and time.monotonic() - heard > 1:
                    tally.silences.append(time.monotonic() - heard)
                heard = time.monotonic()
                if enough.is_set():
                    return
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            if time.monotonic() - heard > SILENCE:
                tally.fail(f"stream: {type(error).__name__}")
        except BrokenOff as error:
            tally.fail(f"stream: {error}")
        tally.cut += 1
        await asyncio.sleep(AGAIN)


async def _events(target: Target) -> AsyncIterator[None]:
    """Each event, as it comes."""
    reader, writer = await _opened(target, EVENTS, "Accept: text/event-stream", 200)
    try:
        while line := await asyncio.wait_for(reader.readline(), SILENCE):
            if line.startswith(b"data:"):
                yield
    finally:
        writer.close()


async def _socket(target: Target) -> AsyncIterator[None]:
    """Each message, as it comes, until the site says good-bye."""
    key = base64.b64encode(os.urandom(16)).decode()
    wanted = f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
    reader, writer = await _opened(target, SOCKET, wanted, 101, accept(key))
    try:
        while True:
            head = await asyncio.wait_for(reader.readexactly(2), SILENCE)
            await reader.readexactly(head[1] & 0x7F)
            if head[0] & 0x0F == CLOSE:
                return
            yield
    finally:
        writer.close()


async def _opened(
    target: Target, path: str, headers: str, status: int, accepted: str = ""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await target.connect("http/1.1")
    connection = "Upgrade" if status == 101 else "keep-alive"
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {target.domain}\r\nConnection: {connection}\r\n"
        f"{headers}\r\n\r\n".encode()
    )
    found, said = parsed(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SILENCE))
    if found != status or said.get("sec-websocket-accept", "") != accepted:
        writer.close()
        raise BrokenOff(f"{path}: {found}")
    return reader, writer


def accept(key: str) -> str:
    """What a server answers to a web socket's key."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
