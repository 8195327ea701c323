"""What the doctor found: one line for what is well; for the rest also why it matters and how to
mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .checks import MARKS
from .console import Console

Outcome = Literal["pass", "warn", "fail", "skip"]
NOT_ASKED = "➖"
_STYLES = {"pass": None, "warn": "yellow", "fail": "red", "skip": "dim"}


@dataclass(frozen=True)
class Diagnosis:
    """One check's outcome.

    :param verdict: `skip` where it could not be asked, because another one failed.
    :param why: why it matters.
    :param mend: what to do about it; empty where it is well.
    """

    group: str
    name: str
    verdict: Outcome
    found: str
    why: str
    mend: str


def show(console: Console, diagnoses: Sequence[Diagnosis], *, verbose: bool = False) -> None:
    """Print all, grouped and aligned, and a count as the last line.

    :param verbose: say of those that are well, too, why they matter.
    """
    width = max(len(one.name) for one in diagnoses)
    for group in dict.fromkeys(one.group for one in diagnoses):
        console.line(f"=== {group} ===", style="bold")
        for one in diagnoses:
            if one.group == group:
                _show_one(console, one, width, verbose)
        console.line()
    console.line(count(diagnoses), style="bold")


def count(diagnoses: Sequence[Diagnosis]) -> str:
    """`26 checks: 22 passed, 1 warning, 1 failed, 2 not asked`."""
    counts = Counter(one.verdict for one in diagnoses)
    warnings, skipped = counts["warn"], counts["skip"]
    return (
        f"{len(diagnoses)} checks: {counts['pass']} passed, "
        f"{warnings} warning{'' if warnings == 1 else 's'}, {counts['fail']} failed"
        + (f", {skipped} not asked" if skipped else "")
    )


def _show_one(console: Console, one: Diagnosis, width: int, verbose: bool) -> None:
    mark = NOT_ASKED if one.verdict == "skip" else MARKS[one.verdict]
    style = _STYLES[one.verdict]
    if one.verdict in ("pass", "skip"):
        console.line(f"{mark} {one.name:<{width}}  {one.found}", style=style)
        details = [("why", one.why)] if verbose else []
    else:
        console.line(f"{mark} {one.name}", style=style)
        details = [("found", one.found), ("why", one.why), ("mend", one.mend)]
    for label, text in details:
        console.line(f"     {label:<6} {text}")
