"""The monitor in the foreground: round after round, and each change said and written down."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .. import interrupts
from ..errors import DeployError, Interrupted
from ..report.checks import MARKS, Check
from ..report.words import age, seconds_between
from ..server.ledger import WATCHER
from ..site import Site
from .findings import Change, Findings
from .rounds import Rounds
from .schedule import pace


class Watch:
    """One run in the foreground.

    :param length: seconds that it lasts.
    :param every: seconds between two rounds; 0: as the guide's schedule has it.
    :param only_changes: no line for a round in which nothing changes.
    :param silent: print nothing at all: a document comes at the end.
    """

    def __init__(
        self, site: Site, length: int, every: int, *, only_changes: bool, silent: bool
    ) -> None:
        self.site = site
        self.length, self.every = length, every
        self.only_changes, self.silent = only_changes, silent
        self.findings = Findings(site.settings.monitor.calm_rounds)
        self.looking = Rounds(site, every or pace(0))
        self.rounds = 0
        self.checks: list[Check] = []
        self.began = self.ended = ""
        self.release = ""
        self.interrupted = False

    def run(self) -> None:
        """Round after round, until the time is over or a signal comes."""
        self.began = self.ended = self.site.server.now()
        try:
            with interrupts.only_looking():
                self._read_release()
                every = f"every {age(self.every)}" if self.every else "at the guide's pace"
                url = self.site.settings.public.url
                self._say(f"watching {url} for {age(self.length)}, {every}; Ctrl-C ends it")
                self._go_round()
        except Interrupted:
            self.interrupted = True
            interrupts.settled()

    def _go_round(self) -> None:
        """A round that took longer than the pace is followed by the next at once."""
        start, at = time.monotonic(), 0.0
        while True:
            self._round()
            at = max(at + (self.every or pace(at)), time.monotonic() - start)
            if at > self.length:
                return
            interrupts.pause(max(0.0, at - (time.monotonic() - start)))

    def _round(self) -> None:
        self.checks = self.looking.look()
        self.rounds += 1
        self.ended = now = self.looking.time
        changes = self.findings.take(self.checks, now, self.looking.unseen)
        bad = len(self.findings.open)
        if not self.only_changes:
            well = f"{bad} finding{'s' * (bad != 1)} open" if bad else "all well"
            self._say(f"{now[11:19]}  round {self.rounds}: {len(self.checks)} checks, {well}")
        for change in changes:
            self._tell(change)
        if changes:
            self._write_down(changes)

    def _tell(self, change: Change) -> None:
        finding = change.finding
        at = f"{self.ended[11:19]}  " if self.only_changes else "          "
        if change.state == "over":
            lasted = age(seconds_between(finding.since, finding.until))
            self._say(f"{at}{MARKS['pass']} over: {finding.name}, after {lasted}")
            return
        style = "red" if finding.check.verdict == "fail" else "yellow"
        self._say(f"{at}{MARKS[finding.check.verdict]} found: {finding}", style)

    def _write_down(self, changes: Sequence[Change]) -> None:
        try:
            self.site.server.make_folders(self.site.settings.folders.state, mode="0700")
            self._read_release()
            for change in changes:
                finding = change.finding
                self.site.ledger.add(
                    WATCHER,
                    WATCHER,
                    self.release,
                    state=change.state,
                    check=finding.name,
                    expected=finding.check.expected,
                    found=finding.check.found,
                    since=finding.since,
                )
        except Interrupted:
            raise
        except DeployError as error:  # the server is away, its disk is full: it is said here
            self._say(f"  ! not in the ledger: {error.reason}", "yellow")

    def _read_release(self) -> None:
        """A deploy beside it may change what is live; a site that is down still has findings."""
        try:
            self.release = self.site.live.read().release
        except Interrupted:
            raise
        except DeployError as error:
            self._say(f"  ! what is live is not known: {error.reason}", "yellow")

    def _say(self, text: str, style: str | None = None) -> None:
        if not self.silent:
            self.site.console.line(text, style=style)
