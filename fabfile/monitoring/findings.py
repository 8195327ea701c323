"""What the monitor has found: a change is said once, and a finding ends when it stays well."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ..report.checks import Check

State = Literal["found", "over"]


@dataclass
class Finding:
    """One check that was not as expected.

    :param since: when it was found, the server's time.
    :param until: when it was over; empty while it goes on.
    :param calm: good rounds in a row since.
    """

    check: Check
    since: str
    until: str = ""
    calm: int = 0

    @property
    def name(self) -> str:
        return f"{self.check.group}: {self.check.name}"

    def __str__(self) -> str:
        return f"{self.name}: {self.check.found} (expected {self.check.expected})"


@dataclass(frozen=True)
class Change:
    """A finding that has begun, or is over."""

    state: State
    finding: Finding


class Findings:
    """All findings of one run of the monitor, oldest first.

    :param calm_rounds: good rounds in a row after which one is over: a check that comes and goes
        is one finding, not hundreds.
    """

    def __init__(self, calm_rounds: int) -> None:
        self.calm_rounds = calm_rounds
        self.all: list[Finding] = []

    @property
    def open(self) -> list[Finding]:
        """Those that go on."""
        return [finding for finding in self.all if not finding.until]

    def take(
        self, checks: Sequence[Check], time: str, unseen: Collection[str] = ()
    ) -> list[Change]:
        """A round's checks; one that is no more made, as of a container that went, is well.

        :param time: of the round, the server's.
        :param unseen: groups that could not be looked at: of these nobody knows.
        :returns: what has changed.
        """
        bad = {f"{c.group}: {c.name}": c for c in checks if c.verdict != "pass"}
        changes = []
        for finding in self.open:
            check = bad.pop(finding.name, None)
            if check is None and finding.check.group in unseen:
                continue
            finding.calm = 0 if check else finding.calm + 1
            finding.check = check or finding.check
            if finding.calm >= self.calm_rounds:
                finding.until = time
                changes.append(Change("over", finding))
        new = [Finding(check, time) for check in bad.values()]
        self.all += new
        return changes + [Change("found", finding) for finding in new]
