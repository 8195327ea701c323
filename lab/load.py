"""A steady load on the lab's site, bounded in count and time, on 127.0.0.1 only.

`python -m lab.load --seconds 20` prints the figures, and ends with 1 if a request failed.
"""

from __future__ import annotations

import argparse
import random
import ssl
import sys
import threading
import time
from pathlib import Path

from lab.load_result import LoadResult, Tally
from lab.machine import refuse_unless_local
from lab.places import CERTIFICATE_AUTHORITY, DOMAIN, Server
from lab.visitor import Errand, Target, Visitor

MOST_REQUESTS = 200_000
MOST_SECONDS = 900.0

# Errand and weight. The dashboard sends strangers to the login page.
MIX: tuple[tuple[Errand, int], ...] = (
    (Errand("/"), 40),
    (Errand("/login"), 15),
    (Errand("/api/health"), 15),
    (Errand("/favicon.ico"), 10),
    (Errand("/static/site.css"), 8),
    (Errand("/dashboard", (302, 307)), 6),
    (Errand("/api/roles"), 4),
    (Errand("/api/story", (201,), "POST", "title=Under+load&content=A+seed"), 2),
)


class Load:
    """Visitors at a steady pace; half keep a connection, half open a new one for each request.

    :param rate: requests a second, of all visitors together
    :param port: the site's port on 127.0.0.1; the lab's own if absent
    :param domain: what the site is known by
    :param tls: False for a site that speaks plain HTTP
    :param browsers: they ask for pages and keep cookies, so that nginx can tell them apart
    :param most_requests: no more than these in all, and never more than `MOST_REQUESTS`
    :param most_seconds: for no longer than this, and never longer than `MOST_SECONDS`
    """

    def __init__(
        self,
        rate: float = 150.0,
        visitors: int = 16,
        *,
        port: int | None = None,
        domain: str = DOMAIN,
        tls: bool = True,
        browsers: bool = False,
        mix: tuple[tuple[Errand, int], ...] = MIX,
        authority: Path = CERTIFICATE_AUTHORITY,
        most_requests: int = MOST_REQUESTS,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        context = ssl.create_default_context(cafile=str(authority)) if tls else None
        own = Server().https_port if tls else Server().http_port
        self._target = Target(("127.0.0.1", port or own), domain, context)
        self._errands = [errand for errand, _ in mix]
        self._weights = [weight for _, weight in mix]
        self._pause = visitors / rate
        self._visitors = visitors
        self._most_requests = min(most_requests, MOST_REQUESTS)
        self._most_seconds = min(most_seconds, MOST_SECONDS)
        self._enough = threading.Event()
        self._threads: list[threading.Thread] = []
        self._tally = Tally()
        self._browsers = browsers
        self.journeys: list[list[str]] = []  # of each browser, the releases that it met in order

    def start(self) -> Load:
        """Begin; returns at once."""
        refuse_unless_local(Server())
        self._tally = Tally()
        self.journeys = []
        self._enough.clear()
        deadline = time.monotonic() + self._most_seconds
        self._threads = [
            threading.Thread(target=self._visit, args=(number, deadline), daemon=True)
            for number in range(self._visitors)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> LoadResult:
        """End after the requests that are under way, and answer the figures."""
        self._enough.set()
        for thread in self._threads:
            thread.join()
        self._tally.end()
        return self._tally.result()

    def snapshot(self) -> LoadResult:
        """The figures up to now, while it goes on."""
        return self._tally.result()

    def _visit(self, number: int, deadline: float) -> None:
        visitor = Visitor(
            self._target, self._tally, keeps_connection=number % 2 == 0, browser=self._browsers
        )
        self.journeys.append(visitor.journey)
        chance = random.Random(number)
        # Spread over the first interval, so that visitors do not come in step.
        due = time.monotonic() + self._pause * number / self._visitors
        while not self._enough.wait(max(0.0, due - time.monotonic())):
            if time.monotonic() > deadline or not self._tally.admit(self._most_requests):
                break
            visitor.run(chance.choices(self._errands, self._weights)[0])
            # After a stall the pace is taken up again, not caught up with.
            due = max(due + self._pause, time.monotonic() - self._pause)
        visitor.leave()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="A steady load on the lab's site.")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=150.0, help="requests a second in all")
    parser.add_argument("--visitors", type=int, default=16)
    options = parser.parse_args()
    load = Load(options.rate, options.visitors).start()
    try:
        time.sleep(min(options.seconds, MOST_SECONDS))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    result = load.stop()
    print(result)
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
