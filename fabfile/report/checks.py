"""Checks: what was expected and what was found, grouped as in the guide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..settings import Validation
from .console import Console

Verdict = Literal["pass", "warn", "fail"]
MARKS: dict[Verdict, str] = {"pass": "✅", "warn": "⚠️", "fail": "❌"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    :param group: its heading, as `Application endpoints`.
    :param expected: in words that fit after `expected`.
    :param found: in words that fit after `found`.
    :param critical: its failure takes a deploy back.
    """

    group: str
    name: str
    verdict: Verdict
    expected: str
    found: str
    critical: bool

    @classmethod
    def of(
        cls, group: str, name: str, good: bool, expected: str, found: str, *, critical: bool
    ) -> Check:
        """A check's verdict by its weight: what is not critical only warns."""
        verdict: Verdict = "pass" if good else "fail" if critical else "warn"
        return cls(group, name, verdict, expected, found, critical)

    def weighed(self, settings: Validation) -> Check:
        """This check with the weight that the site's settings give it."""
        names = {self.group, f"{self.group}: {self.name}"}
        critical = not names & set(settings.only_warn) and (
            self.critical or bool(names & set(settings.critical))
        )
        return Check.of(
            self.group,
            self.name,
            self.verdict == "pass",
            self.expected,
            self.found,
            critical=critical,
        )

    @property
    def line(self) -> str:
        """`✅ name: found`, with what was expected where that was not found."""
        expected = f" (expected {self.expected})" if self.verdict != "pass" else ""
        return f"{MARKS[self.verdict]} {self.name}: {self.found or self.verdict}{expected}"


def render(checks: Sequence[Check]) -> str:
    """All checks as plain text, grouped, with a count as the last line."""
    parts = [
        "\n".join([f"=== {group} ===", *(check.line for check in members)])
        for group, members in grouped(checks)
    ]
    return "\n\n".join([*parts, count(checks)])


def show(console: Console, checks: Sequence[Check]) -> None:
    """A line for each check that is not well, below its group's; the rest is folded."""
    for group, members in grouped(checks):
        bad = [check for check in members if check.verdict != "pass"]
        worst: Verdict = "fail" if any(c.verdict == "fail" for c in bad) else "warn"
        mark = MARKS[worst if bad else "pass"]
        say = console.fact if bad else console.detail
        say(f"{mark} {group}: {len(members) - len(bad)} of {len(members)} passed")
        for check in bad:
            console.fact(f"   {check.line}", style="red" if check.verdict == "fail" else None)
    console.fact(count(checks))


def count(checks: Sequence[Check]) -> str:
    """`31 checks: 29 passed, 2 warnings, 0 failed`."""
    counts = Counter(check.verdict for check in checks)
    warnings = counts["warn"]
    return (
        f"{len(checks)} checks: {counts['pass']} passed, "
        f"{warnings} warning{'' if warnings == 1 else 's'}, {counts['fail']} failed"
    )


def grouped(checks: Sequence[Check]) -> Iterator[tuple[str, list[Check]]]:
    """Groups in the order in which they first came."""
    for group in dict.fromkeys(check.group for check in checks):
        yield group, [check for check in checks if check.group == group]
