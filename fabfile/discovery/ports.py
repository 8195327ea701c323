"""Ports that are taken on a server. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_LISTEN = "0A"


def listening(text: str) -> set[int]:
    """The ports in /proc/net/tcp and tcp6 that somebody listens on."""
    words = (line.split() for line in text.splitlines())
    return {int(w[1].rpartition(":")[2], 16) for w in words if len(w) > 3 and w[3] == _LISTEN}


def next_free(wanted: Sequence[int], taken: Collection[int]) -> list[int]:
    """For each wanted port itself, or the next one that is free; no port twice."""
    given: list[int] = []
    for port in wanted:
        while port in taken or port in given:
            port += 1
        given.append(port)
    return given
