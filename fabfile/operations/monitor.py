"""Watch the site after a deploy, here in the foreground."""

from __future__ import annotations

from ..documents.monitor import Monitor, MonitorFinding
from ..errors import DeployError
from ..monitoring.findings import Finding
from ..monitoring.watch import Watch
from ..report.checks import MARKS
from ..report.words import age, counted, seconds_between
from ..site import Site


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
            f"the monitor found {counted(len(found), 'thing')}, of which {going_on or 'none'} "
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
        f"{counted(watch.rounds, 'round')} in {lasted}{early}: "
        f"{counted(len(watch.findings.all), 'finding')}",
        style="bold",
    )
    for finding in watch.findings.all:
        until = finding.until[11:19] or "goes on "
        say(f"  {finding.since[11:19]} – {until}  {MARKS[finding.check.verdict]} {finding}")


def _document(watch: Watch) -> Monitor:
    return Monitor(
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
