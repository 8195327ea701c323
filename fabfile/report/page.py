"""The report as one HTML page that needs nothing beside it: no network, no script, no file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import jinja2
from markupsafe import Markup, escape

from ..commands.templates import FOLDER
from ..documents.report import Check, LiveRelease, Mark, Phase, RunReport, Times
from . import chart
from .chart import Column, Tick
from .verdict import fell, named, totals, verdict
from .words import milliseconds, size, span

TEMPLATE = "report.html.j2"
LABEL = 16.0  # percent of the picture that a mark's label takes
NOT_NAMED = "former"  # as the meter calls answers that name no release


@dataclass(frozen=True)
class Series:
    """One release in the picture.

    :param look: the style's name: blue, green or plain.
    """

    label: str
    look: str
    answers: int
    path: str


@dataclass(frozen=True)
class Bar:
    """A stretch of time, in percent of the run's."""

    left: float
    width: float


@dataclass(frozen=True)
class Moving:
    """A moment at which visitors were sent elsewhere.

    :param left: in percent.
    :param label: stands beside its number; empty where there is no room.
    :param leftward: it stands on the left.
    """

    left: float
    number: int
    when: str
    what: str
    label: str
    leftward: bool
    back: bool


@dataclass(frozen=True)
class Speed:
    """The picture of response times; heights in seconds.

    :param limit: the p95 from which on a release counts as slow; None: above the picture.
    """

    top: float
    mean: tuple[str, ...]
    slowest: tuple[str, ...]
    ticks: tuple[Tick, ...]
    baseline: float | None
    limit: float | None
    cut: str


@dataclass(frozen=True)
class Window:
    """One row of the times before and after; places in percent of the row's width.

    :param look: as a series has it.
    """

    times: Times
    look: str
    p50: float
    p95: float
    maximum: float


@dataclass(frozen=True)
class Windows:
    """The times before and after.

    :param baseline: where its p95 is, in percent; None for none.
    :param bound: where a release counts as slow; None where that is further out.
    """

    rows: tuple[Window, ...]
    baseline: float | None
    bound: float | None


@dataclass(frozen=True)
class Group:
    """The checks under one heading."""

    name: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> int:
        return sum(check.verdict == "pass" for check in self.checks)

    @property
    def worst(self) -> str:
        verdicts = {check.verdict for check in self.checks}
        return next(word for word in ("fail", "warn", "pass") if word in verdicts)


def page(report: RunReport) -> str:
    """Render the whole page; whatever came from outside is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters |= {
        "count": lambda number: f"{number:,}",
        "place": lambda value: f"{value:.3f}".rstrip("0").rstrip("."),
        "span": span,
        "ms": milliseconds,
        "size": size,
        "clock": chart.clock,
        "named": named,
        "stamps": _stamps,
    }
    return environment.get_template(TEMPLATE).render(_view(report)) + "\n"


def _stamps(text: str) -> Markup:
    """No stamp is broken at its hyphen."""
    whole = r'<span class="whole">\g<0></span>'
    return Markup(re.sub(r"\d{8}-\d{6}", whole, str(escape(text))))


def _view(report: RunReport) -> dict[str, Any]:
    found = chart.columns(report)
    names = chart.releases(found)
    length = _length(report)
    top = chart.height(max((column.height for column in found), default=1.0))
    paths = {area.release: area.path for area in chart.areas(found, names, top)}
    looks = _looks(report)
    return {
        "report": report,
        "verdict": verdict(report),
        "totals": totals(report),
        "began": _moment(report.began, 0),
        "ended": _moment(report.began, report.seconds),
        "length": length,
        "ticks": chart.time_ticks(length),
        "marks": _moving(report, length),
        "columns": [(column, _told(report, column)) for column in found],
        "top": top,
        "rate_ticks": [Tick(100 * rate / top, f"{rate:g}/s") for rate in chart.round_values(top)],
        "fell": fell(report),
        "series": [
            Series(_label(name), looks.get(name, "plain"), _answers(report, name), paths[name])
            for name in names
        ],
        "speed": _speed(report, found),
        "windows": _windows(report),
        "bound": chart.bound(report.bounds),
        "phases": [_phase(phase, report, length) for phase in report.phases],
        "groups": [
            (phase, _groups(list(checks)))
            for phase, checks in itertools.groupby(report.checks, key=lambda check: check.phase)
        ],
        "roles": _roles(report),
    }


def _length(report: RunReport) -> float:
    ends = [one.began + one.seconds for one in report.traffic]
    ends += [phase.began + phase.seconds for phase in report.phases]
    return max([report.seconds, 1.0, *ends])


def _moment(began: datetime, seconds: float) -> str:
    there = began.astimezone(timezone.utc) + timedelta(seconds=seconds)
    return there.strftime("%Y-%m-%d %H:%M:%S")


# -- requests ----------------------------------------------------------------------------------


def _looks(report: RunReport) -> dict[str, str]:
    """The colour that each release ran as."""
    known = [LiveRelease(colour=m.colour, release=m.release) for m in report.marks]
    known += [LiveRelease(colour=v.colour, release=v.release) for v in report.visitors]
    known += [live for live in (report.former, report.live) if live]
    return {live.release: live.colour for live in known if live.release and live.colour}


def _label(name: str) -> str:
    return "answers that name no release" if name == NOT_NAMED else name


def _answers(report: RunReport, name: str) -> int:
    moments = itertools.chain.from_iterable(traffic.moments for traffic in report.traffic)
    return sum(moment.by_release.get(name, 0) for moment in moments)


def _moving(report: RunReport, length: float) -> list[Moving]:
    places = [100 * mark.at / length for mark in report.marks]
    moving = []
    for place, mark in enumerate(report.marks):
        left = places[place]
        before, after = [0.0, *places][place], [*places, 100.0][place + 1]
        rightward, leftward = after - left > LABEL, left - before > 2 * LABEL
        label = _short(mark) if rightward or leftward else ""
        when = _moment(report.began, mark.at)[11:]
        moving.append(Moving(left, place + 1, when, mark.what, label, not rightward, mark.back))
    return moving


def _short(mark: Mark) -> str:
    return f"{'back' if mark.back else 'switch'}: {mark.colour}" if mark.colour else "database"


def _told(report: RunReport, column: Column) -> str:
    """What a pointer on the column says."""
    rates = [f"{rate:.3g}/s {_label(name)}" for name, rate in column.rates.items() if rate]
    failed = f"{column.failed:,} failed"
    slowest = [f"slowest {milliseconds(column.slowest)}"] if column.slowest is not None else []
    return f"{_moment(report.began, column.at)[11:]}: " + ", ".join([*rates, failed, *slowest])


# -- response times ----------------------------------------------------------------------------


def _speed(report: RunReport, found: Sequence[Column]) -> Speed | None:
    timed = [column for column in found if column.slowest is not None]
    if not timed:
        return None
    slowest = sorted(column.slowest or 0.0 for column in timed)
    baseline = report.bounds.baseline
    before = baseline.p95 if baseline and baseline.samples else None
    # One answer of ten seconds must not press all others flat.
    usual = slowest[int(0.95 * (len(slowest) - 1))]
    wanted = min(slowest[-1], max(3 * usual, before or 0.0))
    limit = chart.bound(report.bounds)
    top = chart.height(max(wanted, limit if limit < 4 * wanted else 0.0, before or 0.0))
    cut = f"one second’s slowest was {milliseconds(slowest[-1])}" if slowest[-1] > top else ""
    return Speed(
        top=top,
        mean=tuple(_lines(found, top, mean=True)),
        slowest=tuple(_lines(found, top, mean=False)),
        ticks=tuple(Tick(100 * v / top, milliseconds(v)) for v in chart.round_values(top)),
        baseline=before,
        limit=limit if limit <= top else None,
        cut=cut,
    )


def _lines(found: Sequence[Column], top: float, *, mean: bool) -> list[str]:
    """Broken where nothing was answered."""
    points = [(c.at + c.wide / 2, c.mean if mean else c.slowest) for c in found]
    return [
        chart.line([(at, seconds or 0.0) for at, seconds in stretch], top)
        for there, stretch in itertools.groupby(points, key=lambda point: point[1] is not None)
        if there
    ]


def _windows(report: RunReport) -> Windows | None:
    baseline = report.bounds.baseline
    rows = [times for traffic in report.traffic for times in traffic.times if times.samples]
    if baseline and baseline.samples:
        rows.insert(0, baseline.model_copy(update={"label": "baseline"}))
    if not rows:
        return None
    bound, slowest = chart.bound(report.bounds), max(times.p95 for times in rows) or 0.001
    # A limit far away must not press the bars flat, nor one slow answer: it ends at the edge.
    widest = 1.1 * (max(bound, slowest) if bound < 4 * slowest else 1.5 * slowest)

    former = report.former.colour if report.former else "plain"
    there = [mark.colour for mark in report.marks if mark.colour and not mark.back]
    looks = {"before": former, "back": former, "after": there[-1] if there else "plain"}

    def place(seconds: float) -> float:
        return min(100.0, 100 * seconds / widest)

    return Windows(
        tuple(
            Window(t, looks.get(t.label, "plain"), place(t.p50), place(t.p95), place(t.maximum))
            for t in rows
        ),
        place(baseline.p95) if baseline and baseline.samples else None,
        place(bound) if bound <= widest else None,
    )


# -- phases and checks -------------------------------------------------------------------------


def _bar(began: float, seconds: float, length: float) -> Bar:
    return Bar(100 * began / length, 100 * seconds / length)


def _phase(phase: Phase, report: RunReport, length: float) -> dict[str, Any]:
    steps = [(step, _bar(step.began, step.seconds, length)) for step in phase.steps]
    moved = any(0 <= mark.at - phase.began <= phase.seconds for mark in report.marks)
    fired = report.failure.trigger if report.failure else ""
    return {
        "phase": phase,
        "bar": _bar(phase.began, phase.seconds, length),
        "steps": steps,
        "open": phase.outcome == "failed" or (moved and report.failure is None),
        "fired": fired if fired in phase.triggers and phase.outcome == "failed" else "",
    }


def _groups(checks: Sequence[Check]) -> list[Group]:
    names = dict.fromkeys(check.group for check in checks)
    return [Group(name, tuple(c for c in checks if c.group == name)) for name in names]


def _roles(report: RunReport) -> list[tuple[str, int | None, int | None]]:
    """A row each: the roles, then all users, then sessions; None where it is not known."""
    before, after = report.people_before, report.people_after
    if before is None and after is None:
        return []
    names = dict.fromkeys([*(before.roles if before else ()), *(after.roles if after else ())])
    rows = [
        (
            name,
            before.roles.get(name, 0) if before else None,
            after.roles.get(name, 0) if after else None,
        )
        for name in sorted(names)
    ]
    rows.append(("all users", before.users if before else None, after.users if after else None))
    rows.append(
        ("sessions", before.sessions if before else None, after.sessions if after else None)
    )
    return rows
