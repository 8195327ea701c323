"""How a run ended, in the words that stand at the top of its report."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from ..documents.report import LiveRelease, RunReport

Tone = Literal["good", "back", "bad"]

_DONE = {
    "deploy": "Deployed",
    "blue-green-deploy": "Deployed",
    "rollback": "Rolled back",
    "rollback --full": "Rolled back, with the database",
    "restore": "Database restored",
    "restore --undo": "Restore undone",
}
_NOT_DONE = {
    "failed": "Failed before anything was changed",
    "taken back": "Failed, and taken back by itself",
    "needs a person": "A person is needed",
}


@dataclass(frozen=True)
class Verdict:
    """The top of a report.

    :param tone: good: done; back: the site is as it was; bad: it is not.
    :param title: three or four words.
    :param sentence: where visitors are now.
    """

    tone: Tone
    title: str
    sentence: str


@dataclass(frozen=True)
class Totals:
    """What the meters of a run counted, added up.

    :param gap: the longest, in seconds.
    """

    sent: int
    failed: int
    resent: int
    limited: int
    skipped: int
    in_own_network: int
    gap: float


@dataclass(frozen=True)
class Fell:
    """Failed requests of one kind: how many of those that were kept, from when to when."""

    path: str
    what: str
    where: str
    times: tuple[float, ...]


def verdict(report: RunReport) -> Verdict:
    """How it ended."""
    if report.outcome == "done":
        return Verdict("good", _DONE.get(report.task, "Done"), _where(report))
    tone: Tone = "bad" if report.outcome == "needs a person" else "back"
    state = report.failure.state if report.failure else ""
    return Verdict(tone, _NOT_DONE[report.outcome], _sentence(state) or _where(report))


def totals(report: RunReport) -> Totals | None:
    """The counts of all of its meters; None where nothing was measured."""
    measured = [one for one in report.traffic if one.sent]
    if not measured:
        return None
    return Totals(
        sent=sum(one.sent for one in measured),
        failed=sum(one.failed for one in measured),
        resent=sum(one.resent for one in measured),
        limited=sum(one.limited for one in measured),
        skipped=sum(one.skipped for one in measured),
        in_own_network=sum(one.failed_in_own_network for one in measured),
        gap=max(one.longest_gap for one in measured),
    )


def fell(report: RunReport) -> list[Fell]:
    """The failed requests that were kept, by page and by what came."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for one in itertools.chain.from_iterable(traffic.failures for traffic in report.traffic):
        found.setdefault((one.path, one.what, one.where), []).append(one.at)
    return [Fell(*key, tuple(sorted(times))) for key, times in found.items()]


def named(live: LiveRelease | None) -> str:
    """`green 20261123-115646`."""
    return f"{live.colour} {live.release}" if live else "not known"


def _where(report: RunReport) -> str:
    if report.live is None:
        return "What is live is not known."
    if report.former in (None, report.live):
        return f"Visitors are on {named(report.live)}."
    return f"Visitors are on {named(report.live)}; before, on {named(report.former)}."


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
