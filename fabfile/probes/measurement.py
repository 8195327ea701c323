"""What the meter measured, and the sentences that say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from ..report.words import milliseconds
from .course import Interval
from .timing import Timing

FAILURES_SAID = 5  # the first of them; the full log has all that were kept

# Where a request failed: at the site, in the operator's own network, or nobody could say.
Where = Literal["site", "network", "unknown"]


@dataclass(frozen=True)
class Failure:
    """One request that failed.

    :param time: when it was sent, seconds since 1970.
    :param what: its status or error.
    """

    time: float
    path: str
    what: str
    where: Where

    def __str__(self) -> str:
        return f"{clock(self.time)} {self.path}: {self.what} ({_WORDS[self.where]})"


@dataclass(frozen=True)
class Measurement:
    """What a visitor met while the meter ran.

    :param began: seconds since 1970.
    :param seconds: how long it ran.
    :param answered: requests that got an HTTP answer, whatever its status.
    :param failed: a status >= 500, one that the settings do not allow, or no answer in time.
    :param limited: turned away by a rate limit; neither good nor failed.
    :param resent: a kept-alive connection was closed under them, and they were sent once more.
    :param skipped: not sent, because every connection was still waiting for an answer.
    :param by_release: answers by the release that nginx named; `former` where it named none.
    :param by_where: failures by where they failed.
    :param longest_gap: seconds between two good answers in a row, start and stop included.
    :param gap_began: when that gap began, seconds since 1970.
    :param failures: the first of them.
    :param windows: times of the good answers, by the labels that `mark` gave.
    :param interval: seconds that each interval of the course lasts.
    :param course: what became of the requests of each, from `began` on.
    """

    began: float
    seconds: float
    sent: int
    answered: int
    failed: int
    limited: int
    resent: int
    skipped: int
    by_release: Mapping[str, int]
    by_where: Mapping[Where, int]
    longest_gap: float
    gap_began: float
    failures: tuple[Failure, ...]
    windows: Mapping[str, Timing]
    interval: float
    course: tuple[Interval, ...]

    def timing(self, label: str) -> Timing:
        """Times of a window; no samples where there was no such window."""
        return self.windows.get(label, Timing.of(()))

    @property
    def failed_at_site(self) -> int:
        """Failures that the operator's own network does not account for."""
        return self.failed - self.by_where.get("network", 0)

    def lines(self) -> list[str]:
        """What happened, in true sentences: the sum first, then what is worth a line."""
        if not self.sent:
            return ["no request was sent: nothing was measured"]
        gap = f"longest gap {self.longest_gap:.2f} s"
        if self.failed:
            gap += f" (from {clock(self.gap_began)})"
        times = ", ".join(
            f"{milliseconds(timing.p95)} {label}"
            for label, timing in self.windows.items()
            if timing.samples
        )
        lines = [
            f"{self.sent:,} requests, {self.failed:,} failed, "
            f"{self.resent:,} resent; {gap}" + (f"; p95 {times}" if times else "")
        ]
        if self.failed:
            lines.append("failed: " + self._by_where())
        if self.limited:
            lines.append(
                f"{self.limited:,} turned away by the rate limit: neither good nor failed, and "
                "the gaps may be shorter than measured"
            )
        if self.skipped:
            lines.append(f"{self.skipped:,} not sent: every connection was waiting for an answer")
        if len(self.by_release) > 1:
            lines.append(
                "answered by: "
                + ", ".join(f"{name} ({count:,})" for name, count in self.by_release.items())
            )
        first = sorted(self.failures, key=lambda failure: failure.time)[:FAILURES_SAID]
        more = self.failed - len(first)
        return [
            *lines,
            *map(str, first),
            *([f"… and {more:,} more"] if more > 0 else []),
        ]

    def _by_where(self) -> str:
        return ", ".join(f"{count:,} {_WORDS[where]}" for where, count in self.by_where.items())


_WORDS: dict[Where, str] = {
    "site": "at the site",
    "network": "in this machine's own network: the site answered on its server",
    "unknown": "where is not known",
}


def clock(time: float) -> str:
    """The time of day in UTC, as nginx's log and the ledger have it."""
    return datetime.fromtimestamp(time, timezone.utc).strftime("%H:%M:%S.%f")[:-5] + "Z"
