"""Many visitors at once, in a thread of their own, at a pace that a small machine can bear."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Literal

from lab.machine import refuse_unless_local
from lab.places import Server

from .http1 import Http1
from .http2 import Http2
from .streams import stay
from .tally import Tally
from .visitor import Target, Visitor, errand

Manner = Literal["kept", "new", "h2"]
MOST_SECONDS = 7_200.0
# Each visitor in turns; all of them reach the app, and the last one the database too.
PATHS = ("/login", "/login", "/static/site.css", "/")
MANY_PATHS = (*("/login", "/login", "/static/site.css", "/login") * 4, "/")


class Crowd:
    """Visitors of the lab's site.

    :param manner: HTTP/1.1 on kept connections, on a new one for each request, or HTTP/2.
    :param connections: how many visitors, each with one connection.
    :param rate: requests a second, of all together.
    :param streams: as many event streams, and as many web sockets, stay open beside them.
    :param paths: what each asks for, in turns.
    """

    def __init__(
        self,
        manner: Manner,
        connections: int,
        *,
        rate: float,
        streams: int = 0,
        paths: Sequence[str] = PATHS,
    ) -> None:
        self.tally = Tally()
        self._manner = manner
        self._connections = connections
        self._pause = connections / rate
        self._streams = streams
        self._paths = paths
        self._end = 0.0
        self._enough = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)

    def __enter__(self) -> Crowd:
        refuse_unless_local(Server())
        self._end = time.monotonic() + MOST_SECONDS
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._enough.set()
        self._thread.join()

    @property
    def over(self) -> bool:
        """Whether they have left by themselves."""
        return not self._thread.is_alive()

    async def _all(self) -> None:
        target, enough = Target.here(), asyncio.Event()
        tasks = [self._visit(target, number) for number in range(self._connections)]
        stays = [
            asyncio.create_task(stay(target, number % 2 == 1, self.tally, enough))
            for number in range(2 * self._streams)
        ]
        await asyncio.gather(*tasks)
        enough.set()
        for one in stays:
            one.cancel()
        await asyncio.gather(*stays, return_exceptions=True)

    async def _visit(self, target: Target, number: int) -> None:
        visitor = self._visitor(target)
        pause = self._pause * visitor.at_once
        due = time.monotonic() + pause * number / self._connections
        turn = number
        while not self._enough.is_set() and time.monotonic() < self._end:
            await asyncio.sleep(min(1.0, max(0.0, due - time.monotonic())))
            if time.monotonic() < due:
                continue
            await errand(visitor, self._paths[turn % len(self._paths)], self.tally)
            turn += 1
            # After a stall the pace is taken up again, not caught up with.
            due = max(due + pause, time.monotonic() - pause)
        visitor.leave()

    def _visitor(self, target: Target) -> Visitor:
        if self._manner == "h2":
            return Http2(target)
        return Http1(target, keeps=self._manner == "kept")
