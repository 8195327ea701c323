"""Watch the site after a deploy: here in the foreground, or by a timer on its server."""

from __future__ import annotations

import time

from .. import interrupts
from ..documents.monitor import (
    MonitorCheck,
    MonitorDocument,
    MonitorFinding,
    MonitorOpen,
    MonitorPeriod,
    MonitorStatusDocument,
)
from ..errors import DeployError, Interrupted
from ..monitoring import script
from ..monitoring.findings import Change, Finding, Findings
from ..monitoring.rounds import Rounds
from ..monitoring.schedule import SCHEDULE, pace
from ..monitoring.timer import Timer
from ..report.checks import MARKS, Check
from ..report.words import age, seconds_between
from ..server.ledger import WATCHER
from ..site import Site

EVENT = WATCHER


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
        every = f"every {age(self.every)}" if self.every else "at the guide's pace"
        self._say(
            f"watching {self.site.settings.public.url} for {age(self.length)}, {every}; "
            "Ctrl-C ends it"
        )
        start = time.monotonic()
        try:
            with interrupts.only_looking():
                while True:
                    at = time.monotonic() - start
                    self._round()
                    following = at + (self.every or pace(at))
                    if following > self.length:
                        break
                    interrupts.pause(max(0.0, following - (time.monotonic() - start)))
        except Interrupted:
            self.interrupted = True
            interrupts.settled()

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
            self._write_down(change)

    def _tell(self, change: Change) -> None:
        finding = change.finding
        at = f"{self.ended[11:19]}  " if self.only_changes else "          "
        if change.state == "over":
            lasted = age(seconds_between(finding.since, finding.until))
            self._say(f"{at}{MARKS['pass']} over: {finding.name}, after {lasted}")
            return
        style = "red" if finding.check.verdict == "fail" else "yellow"
        self._say(f"{at}{MARKS[finding.check.verdict]} found: {finding}", style)

    def _write_down(self, change: Change) -> None:
        finding = change.finding
        try:
            self.site.server.make_folders(self.site.settings.folders.state, mode="0700")
            self.release = self.site.live.read().release
            self.site.ledger.add(
                EVENT,
                EVENT,
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

    def _say(self, text: str, style: str | None = None) -> None:
        if not self.silent:
            self.site.console.line(text, style=style)


def monitor(
    site: Site, length: int, every: int, *, only_changes: bool = False, as_document: bool = False
) -> None:
    """Watch for some time, and sum up.

    :param length: seconds.
    :param every: seconds between two rounds; 0: as the guide's schedule has it.
    :param as_document: print one JSON document at the end, and nothing before.
    :raises DeployError: something was found.
    """
    watch = Watch(site, length, every, only_changes=only_changes, silent=as_document)
    watch.run()
    found = watch.findings.all
    if as_document:
        _document(watch).show()
    else:
        _sum_up(watch)
    if found:
        going_on = len(watch.findings.open)
        raise DeployError(
            f"the monitor found {_counted(len(found), 'thing')}, of which {going_on or 'none'} "
            f"{'go' if going_on > 1 else 'goes'} on",
            state="nothing was changed; the ledger has each finding",
            next_command="fab status; fab rollback, where it is the release's fault",
        )


def _sum_up(watch: Watch) -> None:
    say = watch.site.console.line
    lasted = age(seconds_between(watch.began, watch.ended))
    early = ", ended early" if watch.interrupted else ""
    say()
    say(
        f"{_counted(watch.rounds, 'round')} in {lasted}{early}: "
        f"{_counted(len(watch.findings.all), 'finding')}",
        style="bold",
    )
    for finding in watch.findings.all:
        until = finding.until[11:19] or "goes on "
        say(f"  {finding.since[11:19]} – {until}  {MARKS[finding.check.verdict]} {finding}")


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _document(watch: Watch) -> MonitorDocument:
    return MonitorDocument(
        site=watch.site.settings.name,
        server=str(watch.site.server),
        release=watch.release or None,
        began=watch.began,
        ended=watch.ended,
        rounds=watch.rounds,
        checks=len(watch.checks),
        interrupted=watch.interrupted,
        findings=[_finding(one) for one in watch.findings.all],
    )


def _finding(one: Finding) -> MonitorFinding:
    return MonitorFinding(
        group=one.check.group,
        check=one.check.name,
        verdict="fail" if one.check.verdict == "fail" else "warn",
        expected=one.check.expected,
        found=one.check.found,
        since=one.since,
        until=one.until or None,
    )


# -- the timer -------------------------------------------------------------------------------------


def install(site: Site) -> None:
    """Put the script on the server, make a round, and have systemd start it from now on.

    :raises DeployError: there is no systemd; the script is there, and the cron line is said.
    """
    timer, say = Timer(site), site.console.line
    has_systemd = timer.has_systemd
    if has_systemd:
        timer.root.refuse_none()
    timer.put_script()
    findings = timer.first_round()
    _, checks = timer.last()
    say(f"script:  {timer.script}", style="bold")
    say(f"first:   {_counted(len(checks), 'check')}, {_counted(len(findings), 'finding')}")
    for line in findings:
        say(f"         {MARKS['warn']} {line}")
    if not has_systemd:
        raise DeployError(
            f"{site.server} has no systemd: the script is in place, and nothing starts it",
            state="nothing was changed but the monitor's folder",
            next_command=f"on the server, crontab -e: {script.cron_line(site.settings)}",
        )
    timer.start()
    site.ledger.add("monitor-installed", EVENT, "", script=timer.script)
    say(f"timer:   {timer.unit}.timer, each minute; {_schedule()}")
    say("next: fab monitor --status; findings stand in the ledger as `monitor`")


def uninstall(site: Site) -> None:
    """Stop the timer and take away what `install` has made; the ledger keeps what was found."""
    timer = Timer(site)
    was_there = timer.installed
    timer.remove()
    if was_there:
        site.ledger.add("monitor-removed", EVENT, "", script=timer.script)
    site.console.line("the monitor is gone" if was_there else "there was no monitor")
    if was_there and not timer.has_systemd:
        site.console.line("next: on the server, crontab -e, if cron starts it")


def status(site: Site, *, as_document: bool = False) -> None:
    """Say what the timer's last round has seen, and what is open."""
    timer = Timer(site)
    document = _status(site, timer)
    if as_document:
        document.show()
        return
    say = site.console.line
    if not document.installed:
        say("monitor: not installed", style="bold")
        say("next: fab monitor --install")
        return
    say(f"monitor: {document.script}", style="bold")
    say(f"timer:   {document.timer or f'no systemd; cron: {script.cron_line(site.settings)}'}")
    say(f"pace:    {_schedule()}")
    if document.last_round is None:
        say("last:    no round yet")
        return
    ago = age(seconds_between(document.last_round, site.server.now()))
    good = sum(check.good for check in document.checks)
    checks = f"{good} of {_counted(len(document.checks), 'check')} good"
    period = document.period or "outside of all periods"
    say(f"last:    {document.last_round}, {ago} ago; {period}; {checks}")
    say(f"open:    {len(document.findings) or 'nothing'}")
    for one in document.findings:
        found = f"{one.check}: {one.found} (expected {one.expected})"
        say(f"  {MARKS['warn']} {found}, since {one.since}")


def _status(site: Site, timer: Timer) -> MonitorStatusDocument:
    head, checks = timer.last()
    return MonitorStatusDocument(
        site=site.settings.name,
        server=str(site.server),
        installed=timer.installed,
        script=timer.script,
        timer=timer.state(),
        schedule=[MonitorPeriod(name=p.name, until=p.until, every=p.every) for p in SCHEDULE],
        last_round=head[0] or None,
        period=_known(head[1]),
        release=_known(head[3]),
        checks=[
            MonitorCheck(check=c[0], good=c[1] == "yes", expected=c[2], found=c[3]) for c in checks
        ],
        findings=[
            MonitorOpen(check=f[0], since=f[1], expected=f[3], found=f[4]) for f in timer.findings()
        ],
    )


def _known(text: str) -> str | None:
    return None if text in ("", "-") else text


def _schedule() -> str:
    """`every 1 min for 2 h, every 5 min until 24 h, …`: a switch begins it anew."""
    parts = [f"every {age(p.every)} until {age(p.until)}" for p in SCHEDULE]
    return f"{', '.join(parts)} after the switch"
