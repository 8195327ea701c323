"""The meter's counts: as answers come, from any thread, in memory that does not grow."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

from ..report.words import milliseconds
from .answer import Answer
from .course import Course
from .measurement import Failure, Measurement, Where
from .timing import Timing, percentile

FAILURES_KEPT = 20
RESERVOIR = 2_000  # times kept of a window, each answer with the same chance
RECENT = 200  # answers that the gauge looks at
NOT_NAMED = "former"  # a plain configuration names no release


class Reservoir:
    """A fair sample of any number of times, in bounded memory (Vitter's algorithm R)."""

    def __init__(self) -> None:
        self._seen = 0
        self._maximum = 0.0
        self._kept: list[float] = []
        self._random = random.Random(0)  # the same answers give the same figures

    def add(self, seconds: float) -> None:
        self._seen += 1
        self._maximum = max(self._maximum, seconds)
        if len(self._kept) < RESERVOIR:
            self._kept.append(seconds)
        elif (place := self._random.randrange(self._seen)) < RESERVOIR:
            self._kept[place] = seconds

    def timing(self) -> Timing:
        """The count and the maximum are of all times, the percentiles of the sample."""
        timing = Timing.of(self._kept)
        return Timing(self._seen, timing.p50, timing.p95, self._maximum)


@dataclass(frozen=True)
class Request:
    """One request under way.

    :param started: seconds since 1970.
    :param window: where its time will belong.
    """

    path: str
    started: float
    window: Reservoir


class Tally:
    """Counts requests. `start` and `stop` bound the time in which gaps are looked for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._began, self._clock = time.time(), time.monotonic()
        self._last_good = self._clock
        self._longest, self._longest_began = 0.0, self._clock
        self._sent = self._answered = self._failed = self._limited = 0
        self._resent = self._skipped = 0
        self._by_release: Counter[str] = Counter()
        self._by_where: Counter[Where] = Counter()
        self._failures: list[Failure] = []
        self._windows: dict[str, Reservoir] = {}
        self._window = Reservoir()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._waiting: dict[int, Request] = {}
        self._closed: Measurement | None = None
        self._course = Course(self._began)
        self.mark("before")

    def mark(self, label: str) -> None:
        """Times from now on belong to the window of this label."""
        with self._guard:
            self._window = self._windows.setdefault(label, Reservoir())

    def sending(self, path: str) -> Request:
        """A request goes out; it belongs to the window of this moment, and so will its answer."""
        request = Request(path, time.time(), self._window)
        with self._guard:
            self._sent += 1
            self._waiting[id(request)] = request
        return request

    def skip(self) -> None:
        """A request was due and not sent."""
        with self._guard:
            self._skipped += 1

    def good(self, request: Request, answer: Answer) -> None:
        """An answer as it should be; its end bounds a gap."""
        with self._guard:
            if self._note(request, answer):
                now = time.monotonic()
                self._gap(now)
                self._last_good = now
                request.window.add(answer.seconds)
                release = answer.release or NOT_NAMED
                self._course.at(request.started).answered(release, answer.seconds)
                self._recent.append(answer.seconds)

    def turned_away(self, request: Request, answer: Answer) -> None:
        """The rate limit's answer."""
        with self._guard:
            if self._note(request, answer):
                self._limited += 1
                self._course.at(request.started).limited += 1

    def fail(self, request: Request, answer: Answer, where: Where) -> None:
        """A failed request; `where` it failed is known by now."""
        with self._guard:
            if self._note(request, answer):
                self._add_failure(Failure(request.started, answer.path, answer.found, where))

    def gauge(self) -> str:
        """`1,204 requests, 0 failed, p95 41 ms`, of the last answers only."""
        with self._guard:
            sent, failed, recent = self._sent, self._failed, list(self._recent)
        p95 = f", p95 {milliseconds(percentile(sorted(recent), 95))}" if recent else ""
        return f"{sent:,} requests, {failed:,} failed{p95}"

    def close(self) -> Measurement:
        """Sum up. Who still waits has failed; what comes later is not counted any more."""
        with self._guard:
            if self._closed is None:
                for late in self._waiting.values():
                    failure = Failure(late.started, late.path, "no answer", "unknown")
                    self._add_failure(failure)
                self._gap(time.monotonic())
                self._closed = self._sum_up()
            return self._closed

    def _note(self, request: Request, answer: Answer) -> bool:
        """Count what every answer counts for; False once the measuring is over."""
        if self._closed is not None:
            return False
        del self._waiting[id(request)]
        self._resent += answer.resent
        if answer.status:
            self._answered += 1
            if not answer.limited:
                self._by_release[answer.release or NOT_NAMED] += 1
        return True

    def _gap(self, now: float) -> None:
        if now - self._last_good > self._longest:
            self._longest, self._longest_began = now - self._last_good, self._last_good

    def _add_failure(self, failure: Failure) -> None:
        self._failed += 1
        self._course.at(failure.time).failed += 1
        self._by_where[failure.where] += 1
        if len(self._failures) < FAILURES_KEPT:
            self._failures.append(failure)

    def _sum_up(self) -> Measurement:
        return Measurement(
            began=self._began,
            seconds=time.monotonic() - self._clock,
            sent=self._sent,
            answered=self._answered,
            failed=self._failed,
            limited=self._limited,
            resent=self._resent,
            skipped=self._skipped,
            by_release=dict(self._by_release),
            by_where=dict(self._by_where),
            longest_gap=self._longest,
            gap_began=self._began + self._longest_began - self._clock,
            failures=tuple(self._failures),
            windows={label: window.timing() for label, window in self._windows.items()},
            interval=self._course.interval,
            course=self._course.intervals(),
        )
