"""Database sessions that nobody uses at the moment: to sign in takes longer than most questions."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

from .sql_session import ForwardedWire

MOST_SECONDS = 10.0  # that a session rests; an older one may have been forgotten on its way


@dataclass(frozen=True)
class About:
    """What a session was begun with; whoever wants the same may have it.

    :param connection: the SSH transport that carries it.
    :param container: the database container's id.
    :param settings: the text that set its time limits and its name.
    """

    connection: object
    container: str
    settings: str


@dataclass
class Resting:
    """One session, and how its way to the server ends."""

    about: About
    wire: ForwardedWire
    end: contextlib.ExitStack
    since: float = field(default_factory=time.monotonic)


class Rest:
    """Where sessions rest between two questions; one at a time of each kind, from any thread."""

    def __init__(self) -> None:
        self._resting: list[Resting] = []

    def take(self, about: About) -> Resting | None:
        """A session that was begun with just this, and is alive; those that are not are ended."""
        kept, found = [], None
        while self._resting:
            with contextlib.suppress(IndexError):  # another thread was quicker
                one = self._resting.pop()
                if time.monotonic() - one.since > MOST_SECONDS or not one.wire.alive:
                    one.end.close()
                elif found is None and one.about == about:
                    found = one
                else:
                    kept.append(one)
        self._resting += kept
        return found

    def put(self, about: About, wire: ForwardedWire, end: contextlib.ExitStack) -> None:
        """Let a session rest that has left nothing behind."""
        self._resting.append(Resting(about, wire, end))
