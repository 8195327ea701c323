"""The geometry of the report's pictures: times become places, counts become heights.

Widths are in percent of the run's time, or in its seconds; the page stretches them to any screen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..documents.report import Bounds, Moment, RunReport

COLUMNS = 240  # at most, over the whole run
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)


@dataclass(frozen=True)
class Tick:
    """One line of an axis, `at` a percentage of it."""

    at: float
    label: str


@dataclass(frozen=True)
class Column:
    """What became of the requests of some seconds.

    :param at: seconds after the run's beginning.
    :param wide: seconds.
    :param rates: good answers per second, by release.
    :param failed: failed requests, as they were counted.
    """

    at: float
    wide: float
    rates: Mapping[str, float]
    failed: int
    limited: int
    mean: float | None
    slowest: float | None

    @property
    def failed_rate(self) -> float:
        return self.failed / self.wide

    @property
    def height(self) -> float:
        """Requests per second, the failed ones too."""
        return sum(self.rates.values()) + self.failed_rate


@dataclass(frozen=True)
class Area:
    """One release's part of the picture: a closed path, in seconds and requests per second."""

    release: str
    path: str


def columns(report: RunReport) -> list[Column]:
    """The requests of the run in at most COLUMNS columns, oldest first."""
    intervals = sum(len(one.moments) for one in report.traffic)
    together = max(1, math.ceil(intervals / COLUMNS))
    found = []
    for traffic in report.traffic:
        end = traffic.began + traffic.seconds
        groups = _grouped(traffic.moments, together, traffic.interval, end)
        found += [_column(group, traffic.interval, end) for group in groups]
    return found


def _grouped(
    moments: Sequence[Moment], together: int, interval: float, end: float
) -> list[list[Moment]]:
    """The last group has no less than half of its time: else its rate would say nothing."""
    groups = [list(moments[place : place + together]) for place in range(0, len(moments), together)]
    if len(groups) > 1 and end - groups[-1][0].at < 0.5 * together * interval:
        last = groups.pop()
        groups[-1] += last
    return groups


def _column(moments: Sequence[Moment], interval: float, end: float) -> Column:
    at = moments[0].at
    wide = max(0.1, min(moments[-1].at + interval, end) - at)
    names = dict.fromkeys(name for moment in moments for name in moment.by_release)
    counts = {name: sum(moment.by_release.get(name, 0) for moment in moments) for name in names}
    timed = [(sum(m.by_release.values()), m.mean) for m in moments if m.mean is not None]
    good = sum(count for count, _ in timed)
    return Column(
        at=at,
        wide=wide,
        rates={name: count / wide for name, count in counts.items()},
        failed=sum(moment.failed for moment in moments),
        limited=sum(moment.limited for moment in moments),
        mean=sum(count * mean for count, mean in timed) / good if good else None,
        slowest=max((m.slowest for m in moments if m.slowest is not None), default=None),
    )


def releases(found: Iterable[Column]) -> list[str]:
    """The releases that answered, in the order in which they first did."""
    return list(dict.fromkeys(name for column in found for name, n in column.rates.items() if n))


def areas(found: Sequence[Column], names: Sequence[str], top: float) -> list[Area]:
    """One stepped area for each release, on top of those before it; y grows downwards."""
    floors = [0.0] * len(found)
    made = []
    for name in names:
        ceilings = [
            floor + column.rates.get(name, 0.0) for floor, column in zip(floors, found, strict=True)
        ]
        made.append(Area(name, _stepped(found, floors, ceilings, top)))
        floors = ceilings
    return made


def _stepped(
    found: Sequence[Column], floors: Sequence[float], ceilings: Sequence[float], top: float
) -> str:
    """Columns that touch and have any height are one shape."""
    shapes = []
    run: list[int] = []
    for place, column in enumerate(found):
        before = found[place - 1] if place else None
        touches = before is not None and column.at - (before.at + before.wide) < 0.01
        if run and not touches:
            shapes.append(run)
            run = []
        if ceilings[place] > floors[place]:
            run = [*run, place]
        elif run:
            shapes.append(run)
            run = []
    shapes += [run] if run else []
    return " ".join(_shape(found, shape, floors, ceilings, top) for shape in shapes)


def _shape(
    found: Sequence[Column],
    places: Sequence[int],
    floors: Sequence[float],
    ceilings: Sequence[float],
    top: float,
) -> str:
    there = [(found[p].at, found[p].at + found[p].wide, top - ceilings[p]) for p in places]
    back = [(found[p].at + found[p].wide, found[p].at, top - floors[p]) for p in reversed(places)]
    points = [point for left, right, y in (*there, *back) for point in ((left, y), (right, y))]
    return "M" + "L".join(f"{x:.2f} {y:.3f}" for x, y in points) + "Z"


def line(points: Sequence[tuple[float, float]], top: float) -> str:
    """A path through points in seconds and their heights; what is above the top is cut."""
    return "M" + "L".join(f"{x:.2f} {top - min(y, top):.5f}" for x, y in points) if points else ""


# -- axes --------------------------------------------------------------------------------------


def height(most: float) -> float:
    """How high a picture is whose highest value this is: some air is left above it."""
    return 1.15 * (most or 1.0)


def round_values(top: float) -> list[float]:
    """Two to four round numbers below the top, the same distance from each other."""
    power = 10 ** math.floor(math.log10(top))
    step = next(s * power for s in (0.2, 0.25, 0.5, 1, 2, 2.5, 5) if top / (s * power) < 3.5)
    return [step * place for place in range(1, int(top / step + 1e-9) + 1)]


def time_ticks(seconds: float, most: int = 8) -> list[Tick]:
    """Ticks at round times, as `0:30`."""
    step = next((s for s in _STEPS if seconds / s <= most), _STEPS[-1])
    times = itertools.takewhile(lambda at: at <= seconds, itertools.count(0, step))
    return [Tick(100 * at / seconds, clock(at)) for at in times]


def clock(seconds: float) -> str:
    """`1:05`, `1:02:03`: time since the beginning."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes = f"{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"{hours}:{minutes}:{rest % 60:02d}" if hours else f"{minutes}:{rest % 60:02d}"


def bound(bounds: Bounds) -> float:
    """The p95 from which on a release counts as slow, in seconds."""
    if bounds.baseline is None or not bounds.baseline.samples:
        return bounds.limit
    before = bounds.baseline.p95
    return min(bounds.limit, max(bounds.factor * before, before + bounds.noticeable))
