"""The report as plain text, at most a hundred columns wide but for what came from outside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from ..documents.report import Check, People, RunReport, Times
from . import chart
from .verdict import fell, named, totals, verdict
from .words import milliseconds, size, span

WIDE = 60  # letters for the run's time
_BARS = " ▁▂▃▄▅▆▇█"
_VERDICTS = {"pass": "✓", "warn": "!", "fail": "✗"}


def text(report: RunReport) -> str:
    """The whole report."""
    parts = [
        _top(report),
        _failure(report),
        _requests(report),
        _times(report),
        _phases(report),
        *_checks(report),
        _people(report),
        _visitors(report),
        _sizes(report),
        _notes(report),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def headline(report: RunReport) -> str:
    """`Deployed: 0 of 1,204 requests failed. Visitors are on green …`."""
    how, counts = verdict(report), totals(report)
    failed = f"{counts.failed:,} of {counts.sent:,} requests failed" if counts else "not measured"
    return f"{how.title}: {failed}. {how.sentence}"


def _top(report: RunReport) -> list[str]:
    return [
        f"{report.site}, {report.url}",
        headline(report),
        "",
        f"{report.task} of release {report.release}, exit code {report.exit_code}",
        f"begun {report.began:%Y-%m-%d %H:%M:%S} UTC by {report.who} on {report.server}; "
        f"took {span(report.seconds)}",
        f"live before: {named(report.former)}; live now: {named(report.live)}",
    ]


def _failure(report: RunReport) -> list[str]:
    why = report.failure
    if why is None:
        return []
    rows = (
        ("reason", why.reason),
        ("rollback trigger", why.trigger),
        ("taken back", why.taken_back),
        ("state", why.state),
        ("next", why.next_command),
    )
    lines = [f"{name}: {said}" for name, said in rows if said]
    return ["=== What failed ===", *lines, *(f"  │ {line}" for line in why.evidence.splitlines())]


def _requests(report: RunReport) -> list[str]:
    counts = totals(report)
    if counts is None:
        return ["=== Requests ===", "none were measured in this run"]
    found = chart.columns(report)
    names = chart.releases(found)
    most = max((column.height for column in found), default=1.0)
    end = max([report.seconds, *(column.at + column.wide for column in found)])
    width = max(map(len, [*names, "failed"]))
    lines = [
        f"{name:<{width}} {_row(found, end, most, name)} {_answers(report, name):,}"
        for name in names
    ]
    lines.append(f"{'failed':<{width}} {_row(found, end, most, None)} {counts.failed:,}")
    marks = [
        f"{chart.clock(mark.at):>{width}} {' ' * int(WIDE * mark.at / end)}^ {mark.what}"
        for mark in report.marks
    ]
    more = [f"longest gap {counts.gap:.2f} s", f"{counts.resent:,} resent"]
    more += [f"{counts.limited:,} turned away by the rate limit"] if counts.limited else []
    more += [f"{counts.skipped:,} not sent"] if counts.skipped else []
    heading = f"=== Requests per second, by release, over {span(end)} ==="
    lost = [
        f"failed {len(one.times):,} times: {one.path}: {one.what} ({one.where}), "
        f"from {chart.clock(one.times[0])} to {chart.clock(one.times[-1])}"
        for one in fell(report)
    ]
    return [heading, *lines, *marks, "; ".join(more), *lost]


def _answers(report: RunReport, name: str) -> int:
    moments = itertools.chain.from_iterable(traffic.moments for traffic in report.traffic)
    return sum(moment.by_release.get(name, 0) for moment in moments)


def _row(found: Sequence[chart.Column], end: float, most: float, name: str | None) -> str:
    """One release's rate as bars, its highest in each letter's time; None: the failed ones."""
    rates = [0.0] * WIDE
    for column in found:
        rate = column.failed_rate if name is None else column.rates.get(name, 0.0)
        first, last = (int(WIDE * at / end) for at in (column.at, column.at + 0.99 * column.wide))
        for place in range(first, min(last, WIDE - 1) + 1):
            rates[place] = max(rates[place], rate)
    return "".join(_bar(rate / most if most else 0.0) for rate in rates)


def _bar(part: float) -> str:
    """Nothing only for nothing."""
    return _BARS[0] if part <= 0 else _BARS[max(1, round(part * (len(_BARS) - 1)))]


def _times(report: RunReport) -> list[str]:
    rows = [times for traffic in report.traffic for times in traffic.times if times.samples]
    if report.bounds.baseline:
        rows.insert(0, report.bounds.baseline)
    if not rows:
        return []
    bound = f"a release is slow above a p95 of {milliseconds(chart.bound(report.bounds))}"
    return ["=== Response times ===", *map(_timing, rows), bound]


def _timing(times: Times) -> str:
    return (
        f"{times.label:<9} p50 {milliseconds(times.p50):>8}  p95 {milliseconds(times.p95):>8}  "
        f"max {milliseconds(times.maximum):>8}  {times.samples:,} samples"
    )


def _phases(report: RunReport) -> list[str]:
    lines = []
    for phase in report.phases:
        mark = "✗" if phase.outcome == "failed" else "✓"
        lines.append(
            f"{mark} {phase.name:<66} {chart.clock(phase.began):>7} {span(phase.seconds):>12}"
        )
        for step in phase.steps:
            mark = "✗" if step.outcome == "failed" else "↩" if step.takes_back else "✓"
            title = f"{'take back: ' if step.takes_back else ''}{step.title}"
            lines.append(
                f"  {mark} {title:<64} {chart.clock(step.began):>7} {span(step.seconds):>12}"
            )
    return ["=== Phases and steps: begun after, took ===", *lines] if lines else []


def _checks(report: RunReport) -> Iterator[list[str]]:
    for (phase, group), checks in itertools.groupby(report.checks, lambda c: (c.phase, c.group)):
        yield [f"=== {phase}: {group} ===", *map(_check, checks)]


def _check(check: Check) -> str:
    expected = f" (expected {check.expected})" if check.expected else ""
    return f"{_VERDICTS[check.verdict]} {check.name}: {check.found or check.verdict}{expected}"


def _people(report: RunReport) -> list[str]:
    both = (("before", report.people_before), ("after", report.people_after))
    lines = [
        f"{label:<7} {_roles(people)}; {people.users} users, {people.sessions} sessions"
        for label, people in both
        if people
    ]
    return ["=== Users before and after ===", *lines] if lines else []


def _roles(people: People) -> str:
    return ", ".join(f"{number} {role}" for role, number in sorted(people.roles.items())) or "-"


def _visitors(report: RunReport) -> list[str]:
    lines = [
        f"{f'{one.colour} {one.release}' if one.colour else 'by the configuration of the site'}: "
        f"{one.requests:,} requests, {one.failed:,} answered 5xx"
        for one in report.visitors
    ]
    return ["=== All visitors, by nginx's own log ===", *lines] if lines else []


def _sizes(report: RunReport) -> list[str]:
    lines = [
        f"backup {one.name}: {size(one.bytes)}{', verified' if one.verified else ''}; "
        f"database {size(one.database_bytes)}"
        for one in report.backups
    ]
    lines += [f"image {report.image.name}: {size(report.image.bytes)}"] if report.image else []
    return ["=== Sizes ===", *lines] if lines else []


def _notes(report: RunReport) -> list[str]:
    return ["=== It warned of ===", *report.notes] if report.notes else []
