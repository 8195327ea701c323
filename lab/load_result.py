"""What the load saw: counted while it runs, frozen when it is asked."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass

FAILURES_KEPT = 20


@dataclass(frozen=True)
class Failure:
    """A request that a visitor would have noticed: seconds since the start, path, and what."""

    at: float
    path: str
    what: str


@dataclass(frozen=True)
class LoadResult:
    """The load's figures.

    ``answered`` counts answers with the expected status; ``failed`` all other requests;
    ``resent`` those that met a kept connection as it was being closed, and were sent once more.
    ``longest_silence`` is the longest time in seconds without any good answer, ``slowest`` the
    longest single request.
    """

    answered: int
    failed: int
    resent: int
    seconds: float
    by_release: dict[str, int]
    by_status: dict[int, int]
    failures: tuple[Failure, ...]
    resends: tuple[Failure, ...]
    written: tuple[int, ...]
    slowest: float
    longest_silence: float

    @property
    def rate(self) -> float:
        """Good answers in a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        releases = ", ".join(f"{name} {count}" for name, count in self.by_release.items())
        lines = [
            f"{self.answered} answered, {self.failed} failed, {self.resent} resent in "
            f"{self.seconds:.1f} s ({self.rate:.0f}/s); slowest {self.slowest * 1000:.0f} ms, "
            f"longest silence {self.longest_silence * 1000:.0f} ms",
            f"by release: {releases or 'none'}; writes acknowledged: {len(self.written)}",
        ]
        lines += [f"  failed at {f.at:.2f} s: {f.path}: {f.what}" for f in self.failures]
        lines += [f"  resent at {f.at:.2f} s: {f.path}: {f.what}" for f in self.resends]
        return "\n".join(lines)


class Tally:
    """Counts for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = self._last_good = time.monotonic()
        self._ended: float | None = None
        self._counts: Counter[str] = Counter()
        self._releases: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._failures: list[Failure] = []
        self._resends: list[Failure] = []
        self._written: list[int] = []
        self._slowest = self._silence = 0.0

    def admit(self, most: int) -> bool:
        """Count a request in, unless there have been enough."""
        with self._lock:
            self._counts["sent"] += 1
            return self._counts["sent"] <= most

    def answered(self, status: int, release: str, seconds: float, written: int | None) -> None:
        """Count an answer that was as expected."""
        now = time.monotonic()
        with self._lock:
            self._counts["answered"] += 1
            self._releases[release] += 1
            self._statuses[status] += 1
            self._slowest = max(self._slowest, seconds)
            self._silence = max(self._silence, now - self._last_good)
            self._last_good = now
            if written is not None:
                self._written.append(written)

    def failed(self, path: str, what: str, status: int | None = None) -> None:
        """Count a request that failed, and keep the first ones."""
        with self._lock:
            self._counts["failed"] += 1
            if status is not None:
                self._statuses[status] += 1
            self._keep(self._failures, path, what)

    def resent(self, path: str, what: str) -> None:
        """Count a request that has to be sent once more."""
        with self._lock:
            self._counts["resent"] += 1
            self._keep(self._resends, path, what)

    def end(self) -> None:
        """Stop the clock."""
        self._ended = time.monotonic()

    def result(self) -> LoadResult:
        """The figures up to now."""
        with self._lock:
            now = self._ended or time.monotonic()
            return LoadResult(
                answered=self._counts["answered"],
                failed=self._counts["failed"],
                resent=self._counts["resent"],
                seconds=now - self._started,
                by_release=dict(self._releases),
                by_status=dict(self._statuses),
                failures=tuple(self._failures),
                resends=tuple(self._resends),
                written=tuple(self._written),
                slowest=self._slowest,
                longest_silence=max(self._silence, now - self._last_good),
            )

    def _keep(self, where: list[Failure], path: str, what: str) -> None:
        if len(where) < FAILURES_KEPT:
            where.append(Failure(round(time.monotonic() - self._started, 3), path, what))
