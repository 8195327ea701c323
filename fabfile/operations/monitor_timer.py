"""The monitor that the server runs by itself: set up, taken away, and what it has seen."""

from __future__ import annotations

from ..documents.monitor import MonitorCheck, MonitorOpen, MonitorPeriod, MonitorStatus
from ..errors import DeployError
from ..monitoring import script
from ..monitoring.schedule import SCHEDULE
from ..monitoring.timer import Timer
from ..report.checks import MARKS
from ..report.words import age, counted, seconds_between
from ..server.ledger import WATCHER
from ..site import Site


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
    say(f"first:   {counted(len(checks), 'check')}, {counted(len(findings), 'finding')}")
    for line in findings:
        say(f"         {MARKS['warn']} {line}")
    if not has_systemd:
        raise DeployError(
            f"{site.server} has no systemd: the script is in place, and nothing starts it",
            state="nothing was changed but the monitor's folder",
            next_command=f"on the server, crontab -e: {script.cron_line(site.settings)}",
        )
    timer.start()
    site.ledger.add("monitor-installed", WATCHER, "", script=timer.script)
    say(f"timer:   {timer.unit}.timer, each minute; {_schedule()}")
    say("next: fab monitor --status; findings stand in the ledger as `monitor`")


def uninstall(site: Site) -> None:
    """Stop the timer and take away what `install` has made; the ledger keeps what was found."""
    timer = Timer(site)
    was_there = timer.installed
    timer.remove()
    if was_there:
        site.ledger.add("monitor-removed", WATCHER, "", script=timer.script)
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
    checks = f"{good} of {counted(len(document.checks), 'check')} good"
    period = document.period or "outside of all periods"
    say(f"last:    {document.last_round}, {ago} ago; {period}; {checks}")
    say(f"open:    {len(document.findings) or 'nothing'}")
    for one in document.findings:
        found = f"{one.check}: {one.found} (expected {one.expected})"
        say(f"  {MARKS['warn']} {found}, since {one.since}")


def _status(site: Site, timer: Timer) -> MonitorStatus:
    head, checks = timer.last()
    return MonitorStatus(
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
