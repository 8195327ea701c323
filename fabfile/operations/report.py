"""The reports that runs have left, here and on the server."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from ..documents.report import ReportLine, ReportList, RunReport
from ..errors import DeployError, ServerUnreachable
from ..report.columns import columns
from ..report.files import ReportsHere, newest_first, rendered
from ..report.text import headline, text
from ..report.verdict import totals
from ..server.ledger import CutOff
from ..server.reports import ReportsThere
from ..site import Site

STAMP = len("20261123-115646")


@dataclass(frozen=True)
class _Places:
    """Where reports lie.

    :param on_server: the names of those on the server; None where it cannot be reached.
    """

    here: ReportsHere
    there: ReportsThere
    on_server: list[str] | None

    @property
    def names(self) -> list[str]:
        """All of them, newest first."""
        return newest_first({*self.here.names(), *(self.on_server or [])})


def show(site: Site, release: str, *, as_document: bool, as_text: bool) -> None:
    """Print one report, or make its page anew and say where it is.

    :param release: a run's stamp; empty: the last one.
    :raises DeployError: there is no such report.
    """
    places = _places(site)
    dead = _died(site, places)
    name = _chosen(places, release, dead)
    report = _read(places, name)
    if as_document:
        report.show()
    elif as_text:
        print(text(report), end="")
    else:
        _make_page(places.here, report)
        site.console.line(headline(report))
        site.console.line(f"report: {places.here.path(name, 'html')}")
    if dead and not release:
        _err(site, f"not the last run: {_no_report(dead)}")


def show_all(site: Site, *, as_document: bool) -> None:
    """Print a line a report, newest first."""
    places = _places(site)
    here, there = set(places.here.names()), set(places.on_server or [])
    data = {name: places.here.read(name) for name in here}
    data |= places.there.read_all(sorted(there - here))
    lines = [
        _line(_parsed(name, data[name] or ""), here=name in here, there=name in there)
        for name in places.names
    ]
    if as_document:
        ReportList(reports=tuple(lines)).show()
        return
    head = ("report", "task", "begun (UTC)", "how it ended", "live then", "failed", "where")
    columns(site.console, head, map(_row, lines))
    if dead := _died(site, places):
        site.console.line(_no_report(dead), style="yellow")


def _places(site: Site) -> _Places:
    here = ReportsHere(site.settings.report.folder, str(site.server))
    there = ReportsThere(site.server, site.settings.folders.state)
    try:
        return _Places(here, there, there.names())
    except ServerUnreachable as error:
        if not here.names():
            raise
        _err(site, f"only what is on this machine: {error.reason}")
        return _Places(here, there, None)


def _died(site: Site, places: _Places) -> CutOff | None:
    """A run that was killed, and could write no report; not one that is at work."""
    if places.on_server is None:
        return None
    held = site.lock.look()
    dead = None if held and held.beating else site.ledger.cut_off()
    wrote = dead and {name[:STAMP] for name in places.names} & dead.releases
    return None if wrote else dead


def _chosen(places: _Places, release: str, dead: CutOff | None) -> str:
    names = places.names
    found = [name for name in names if name == release or name.startswith(f"{release}-")]
    wanted = found if release else names
    if wanted:
        return wanted[0]
    if dead and release in ("", *dead.releases):
        raise DeployError(_no_report(dead), next_command="fab status; fab report --list")
    raise DeployError(
        f"no report of {release}" if release else "there is no report yet",
        evidence="\n".join(names[:20]),
        next_command="fab report --list" if names else "fab deploy leaves one",
    )


def _no_report(dead: CutOff) -> str:
    return f"no report was left by a run that was cut off, {dead}"


def _read(places: _Places, name: str) -> RunReport:
    """From here, else from the server."""
    data = places.here.read(name)
    if data is None:
        data = places.there.read(name) or ""
    return _parsed(name, data)


def _parsed(name: str, data: str) -> RunReport:
    try:
        return RunReport.model_validate_json(data)
    except ValidationError as error:
        raise DeployError(
            f"the record of report {name} cannot be read: it is damaged, or of another version",
            evidence=str(error)[:500],
            next_command="fab report --list; its page may still lie beside it",
        ) from None


def _make_page(here: ReportsHere, report: RunReport) -> None:
    try:
        here.write(report.id, rendered(report))
    except OSError as error:
        raise DeployError(
            f"the page cannot be written to {here.folder}: {error.strerror}",
            next_command="fab report --text; or --set report.folder=FOLDER",
        ) from None


def _line(report: RunReport, *, here: bool, there: bool) -> ReportLine:
    counts = totals(report)
    return ReportLine(
        id=report.id,
        task=report.task,
        began=report.began,
        outcome=report.outcome,
        live=report.live,
        requests=counts.sent if counts else 0,
        failed=counts.failed if counts else 0,
        here=here,
        there=there,
    )


def _row(line: ReportLine) -> tuple[str, ...]:
    failed = f"{line.failed:,} of {line.requests:,}" if line.requests else "not measured"
    live = f"{line.live.colour} {line.live.release}" if line.live else "not known"
    where = "here, server" if line.here and line.there else "here" if line.here else "server"
    return line.id, line.task, f"{line.began:%Y-%m-%d %H:%M}", line.outcome, live, failed, where


def _err(site: Site, words: str) -> None:
    """Beside the document on standard output, not in it."""
    site.console.errors.print(f"  ! {words}", style="yellow", markup=False, soft_wrap=True)
