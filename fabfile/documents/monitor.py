"""What `monitor --json` prints at its end, and what `monitor --status --json` prints."""

from __future__ import annotations

from typing import Literal

from . import Document


class MonitorFinding(Document):
    """One check that was not as expected.

    `until` is null while it goes on; `expected` and `found` are of its last bad round.
    """

    group: str
    check: str
    verdict: Literal["warn", "fail"]
    expected: str
    found: str
    since: str
    until: str | None


class Monitor(Document):
    """A run of the monitor in the foreground.

    `checks` is how many the last round made; `interrupted` is true where somebody ended it early.
    """

    command = "monitor"

    site: str
    server: str
    release: str | None
    began: str
    ended: str
    rounds: int
    checks: int
    interrupted: bool
    findings: list[MonitorFinding]


class MonitorCheck(Document):
    """One check of the timer's last round."""

    check: str
    good: bool
    expected: str
    found: str


class MonitorOpen(Document):
    """A finding of the timer that goes on."""

    check: str
    since: str
    expected: str
    found: str


class MonitorPeriod(Document):
    """A part of the schedule: until so many seconds after the switch, a round each `every`."""

    name: str
    until: int
    every: int


class MonitorStatus(Document):
    """The monitor that `monitor --install` has set up.

    `timer` is systemd's word for it, null where there is no systemd; `last_round`, `period`
    and `release` are null before the first round, and `period` too outside of all of them.
    """

    command = "monitor --status"

    site: str
    server: str
    installed: bool
    script: str
    timer: str | None
    schedule: list[MonitorPeriod]
    last_round: str | None
    period: str | None
    release: str | None
    checks: list[MonitorCheck]
    findings: list[MonitorOpen]
