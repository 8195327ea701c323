"""Requests by the interval in which they were sent, in memory that does not grow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MOST = 1_200  # intervals that are kept; with one more, each becomes twice as long


@dataclass
class Interval:
    """What became of the requests of one interval.

    :param good: good answers by the release that gave them.
    :param limited: turned away by a rate limit.
    :param seconds: the good answers' times, added up.
    """

    good: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    limited: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def answered(self, release: str, seconds: float) -> None:
        """Count a good answer."""
        self.good[release] += 1
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)

    def join(self, other: Interval) -> None:
        """Take in what another one counted."""
        self.good += other.good
        self.failed += other.failed
        self.limited += other.limited
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)


class Course:
    """The intervals of one measurement, a second each as long as there are not too many.

    :param began: seconds since 1970.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.interval = 1.0
        self._intervals: dict[int, Interval] = {}

    def at(self, time: float) -> Interval:
        """The interval of a request that was sent then.

        :param time: seconds since 1970.
        """
        while (place := self._place(time)) >= MOST:
            self._double()
        return self._intervals.setdefault(place, Interval())

    def intervals(self) -> tuple[Interval, ...]:
        """All of them up to the last in which a request was sent, the empty ones too."""
        last = max(self._intervals, default=-1)
        return tuple(self._intervals.get(place, Interval()) for place in range(last + 1))

    def _place(self, time: float) -> int:
        return int(max(0.0, time - self.began) // self.interval)

    def _double(self) -> None:
        self.interval *= 2
        halves, self._intervals = self._intervals, {}
        for place, half in halves.items():
            self._intervals.setdefault(place // 2, Interval()).join(half)
