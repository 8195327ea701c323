"""Answers that go on: an event stream and a web socket, a word every half second."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator

from .answers import Answer, data

PAUSE = 0.5
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE = 0x81, 0x88
GOING_AWAY = 1001


def events(release: str) -> Answer:
    """Server-sent events, each with the release."""
    # nginx would else collect them until its buffer is full.
    unbuffered = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))
    pieces = (f"data: {release}\n\n".encode() for _ in _ticks())
    return Answer(200, kind="text/event-stream", headers=unbuffered, pieces=pieces)


def socket(release: str, key: str) -> Answer:
    """A web socket that says the release, and good-bye when the app stops; it does not listen."""
    if not key:
        return data({"error": "a web socket only"}, 426)
    accepted = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    headers = (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accepted),
    )
    pieces = (_frame(TEXT, release.encode()) for _ in _ticks())
    good_bye = _frame(CLOSE, GOING_AWAY.to_bytes(2, "big"))
    return Answer(101, headers=headers, pieces=pieces, last=good_bye)


def _ticks() -> Iterator[None]:
    while True:
        yield
        time.sleep(PAUSE)


def _frame(kind: int, payload: bytes) -> bytes:
    """A short frame, unmasked as a server's are."""
    return bytes([kind, len(payload)]) + payload
