"""A visitor who speaks HTTP/2, several requests at a time on one connection.

Frames are read here, and only header lists by a library (hpack): when nginx leaves, it says which
requests it still answers (GOAWAY). Those are waited for on the old connection, the others are
sent again on a new one, as browsers do. h2load has no new connection then and counts them as
failed, and the library h2 takes nothing more from a connection that has said so.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field

from hpack import Decoder, Encoder

from .visitor import Answer, BrokenOff, Closed, Target

AT_ONCE = 4  # requests on a connection
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, PADDED, PRIORITY, ACK = 0x1, 0x4, 0x8, 0x20, 0x1
REFUSED = 7  # the server says that it has done nothing about the request
ROOM = 2**30  # bytes that the server may send without being asked to go on
LAST_ID = 2**31 - 1


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    encoder: Encoder = field(default_factory=Encoder)
    decoder: Decoder = field(default_factory=Decoder)
    next_id: int = 1
    last_id: int = LAST_ID  # up to which requests are answered
    room: int = ROOM


class Http2:
    """One visitor with one connection.

    :param at_once: requests that are sent together.
    """

    def __init__(self, target: Target, at_once: int = AT_ONCE) -> None:
        self.target = target
        self.at_once = at_once
        self._connection: _Connection | None = None

    async def ask(self, path: str) -> list[Answer]:
        """Send requests together and wait for all of them.

        :raises Closed: none of them was taken.
        :raises BrokenOff: an answer had no end, or the server reset it.
        """
        there = self._connection or await self._connect()
        self._connection = there
        try:
            answers = await self._exchange(there, path)
        except BaseException:
            self.leave()
            raise
        if there.last_id != LAST_ID:
            self.leave()
        return answers

    def leave(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.writer.close()
            self._connection = None

    async def _connect(self) -> _Connection:
        there = _Connection(*await self.target.connect("h2"))
        settings = struct.pack(">HIHI", 0x2, 0, 0x4, ROOM)  # no push; room for each answer
        there.writer.write(
            PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, _number(ROOM))
        )
        return there

    async def _exchange(self, there: _Connection, path: str) -> list[Answer]:
        waiting: dict[int, dict[str, str]] = {}
        for _ in range(self.at_once):
            waiting[there.next_id] = {}
            there.writer.write(self._request(there, path))
            there.next_id += 2
        answers: list[Answer] = []
        while waiting:
            kind, flags, stream, payload = await self._frame(there, fresh=not answers)
            self._serve(there, kind, flags, payload)
            for refused in [number for number in waiting if number > there.last_id]:
                del waiting[refused]
            if stream not in waiting:
                continue
            if kind == RST_STREAM:
                if struct.unpack(">I", payload)[0] != REFUSED:
                    raise BrokenOff(f"reset with {payload.hex()}")
                del waiting[stream]
                continue
            if kind == HEADERS:
                waiting[stream].update(decoded(there.decoder, flags, payload))
            if flags & END_STREAM and kind in (HEADERS, DATA):
                headers = waiting.pop(stream)
                answers.append(Answer(int(headers[":status"]), headers.get("x-app-release", "")))
        if not answers:
            raise Closed("going away")
        return answers

    async def _frame(self, there: _Connection, *, fresh: bool) -> tuple[int, int, int, bytes]:
        """:param fresh: no answer has come yet, so that a closed connection took nothing."""
        try:
            head = await there.reader.readexactly(9)
            length = int.from_bytes(head[:3], "big")
            payload = await there.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            if fresh and there.next_id > 1 + 2 * self.at_once and there.last_id == LAST_ID:
                raise Closed(type(error).__name__) from None
            raise BrokenOff(f"closed under requests: {type(error).__name__}") from None
        return head[3], head[4], int.from_bytes(head[5:9], "big") & LAST_ID, payload

    def _serve(self, there: _Connection, kind: int, flags: int, payload: bytes) -> None:
        """What belongs to the connection and not to a request."""
        if kind == GOAWAY:
            there.last_id = int.from_bytes(payload[:4], "big") & LAST_ID
        elif kind in (SETTINGS, PING) and not flags & ACK:
            there.writer.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == DATA:
            there.room -= len(payload)
            if there.room < ROOM // 2:
                there.writer.write(frame(WINDOW_UPDATE, 0, 0, _number(ROOM - there.room)))
                there.room = ROOM

    def _request(self, there: _Connection, path: str) -> bytes:
        headers = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", self.target.domain),
            (":path", path),
            ("user-agent", "bench"),
        ]
        block: bytes = there.encoder.encode(headers)
        return frame(HEADERS, END_STREAM | END_HEADERS, there.next_id, block)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame as it goes over the wire."""
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def decoded(decoder: Decoder, flags: int, payload: bytes) -> dict[str, str]:
    """A header list.

    :raises BrokenOff: it goes on in another frame, which a short one never does.
    """
    if not flags & END_HEADERS:
        raise BrokenOff("headers that go on")
    start, end = 0, len(payload)
    if flags & PADDED:
        start, end = 1, end - payload[0]
    if flags & PRIORITY:
        start += 5
    return {str(name): str(value) for name, value in decoder.decode(payload[start:end])}


def _number(value: int) -> bytes:
    return struct.pack(">I", value)
