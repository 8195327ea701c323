"""The visitor that measures downtime: a steady trickle of requests while something happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from ..settings import Settings
from .answer import Answer
from .http import Visitor
from .measurement import Measurement, Where
from .tally import Tally

LATE = 1.0  # seconds after which a request that could not be sent on time is left out
WITNESS_HOLDS = 1.0  # seconds for which the second witness's word holds for other failures


class Meter:
    """Asks the public site in the background, at a steady rate, and counts.

    Half of the connections are kept alive, the others are new for each request. Every request
    has its time on one absolute schedule: a slow answer delays nobody else's request, and where
    all connections wait the requests left out are counted.

    :param settings: rate, connections, paths and time limit in `meter`, allowed statuses in
        `public.pages`.
    :param second_witness: asks the site from the server's own side: True when it answers there.
        Asked at once for a request that got no HTTP answer, from a thread of the meter; True
        puts the failure on this machine's own network, False on the site. Raising is
        `unknown`.
    :raises BadSettings: `public.ca_file` cannot be read.
    """

    def __init__(
        self, settings: Settings, *, second_witness: Callable[[], bool] | None = None
    ) -> None:
        self.settings = settings.meter
        self.pages = settings.public.pages
        self._witness = second_witness
        self._witness_guard = threading.Lock()
        self._witness_word: tuple[float, Where] | None = None
        self._stop = threading.Event()
        self._tally = Tally()
        self._began = 0.0
        self._visitors = [
            Visitor(settings.public, user_agent="deploy-meter", timeout=self.settings.timeout)
            for _ in range(self.settings.connections)
        ]
        self._threads = [
            threading.Thread(target=self._visit, args=(n,), daemon=True, name=f"meter {n}")
            for n in range(self.settings.connections)
        ]

    def start(self) -> None:
        """Begin; the first request goes out at once."""
        self._tally = Tally()  # gaps are counted from now on
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> Measurement:
        """End, and sum up. Requests under way may finish within the time limit.

        :returns: the same measurement however often it is called.
        """
        self._stop.set()
        end = time.monotonic() + self.settings.timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        return self._tally.close()

    def mark(self, label: str) -> None:
        """Start a new window of times, such as `after` the switch; a known label goes on."""
        self._tally.mark(label)

    def gauge(self) -> str:
        """The running count, for the live view: `1,204 requests, 0 failed, p95 41 ms`."""
        return self._tally.gauge()

    def __enter__(self) -> Meter:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # -- one connection's thread ---------------------------------------------------------------

    def _visit(self, number: int) -> None:
        connections, paths = self.settings.connections, self.settings.paths
        visitor, new = self._visitors[number], number >= connections // 2
        turn = 0
        while not self._stop.is_set():
            due = self._began + (number + turn * connections) / self.settings.requests_per_second
            late = time.monotonic() - due
            # Each connection comes round all the paths, whatever their number.
            path = paths[(number + turn) % len(paths)]
            turn += 1
            if late > LATE:
                self._tally.skip()
            elif not self._stop.wait(max(0.0, -late)):
                self._ask(visitor, path, new)
        visitor.close()

    def _ask(self, visitor: Visitor, path: str, new: bool) -> None:
        request = self._tally.sending(path)
        answer = visitor.ask(path, new_connection=new)
        if answer.limited:
            self._tally.turned_away(request, answer)
        elif self._expected(answer):
            self._tally.good(request, answer)
        else:
            self._tally.fail(request, answer, self._where(answer))

    def _expected(self, answer: Answer) -> bool:
        page = self.pages.get(answer.path)
        allowed = answer.status in page.status if page else answer.ok
        return allowed and answer.status < 500

    def _where(self, answer: Answer) -> Where:
        """Where a request failed; an HTTP answer can only be the site's."""
        if answer.status:
            return "site"
        if self._witness is None:
            return "unknown"
        # One asks, the others wait for its word: a dead network fails on all connections.
        with self._witness_guard:
            now = time.monotonic()
            if self._witness_word is None or now - self._witness_word[0] > WITNESS_HOLDS:
                self._witness_word = (now, self._ask_witness(self._witness))
            return self._witness_word[1]

    @staticmethod
    def _ask_witness(witness: Callable[[], bool]) -> Where:
        try:
            return "network" if witness() else "site"
        except Exception:  # it is asked when things go wrong, and must not end the measuring
            return "unknown"
