"""The report that a run leaves: written at its end, however that comes, here and on the server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .. import interrupts
from ..errors import DeployError
from ..report.files import ReportsHere, rendered, unused
from ..report.recorder import Recorder
from ..server.reports import ReportsThere
from ..site import Site
from .record import record


@contextlib.contextmanager
def recorded(site: Site, *, alone: bool = True) -> Iterator[None]:
    """Write the run's report when the body has ended; a task inside another leaves that to it.

    What a chain does before its first report belongs to that one; what comes after adds to it.

    :param alone: False where the task has a report only if one of its chain came before it, or
        if it moved visitors after all.
    """
    if site.recorder.running:
        yield
        return
    if alone and site.recorder.name:
        site.recorder = Recorder()
        site.console.warnings.clear()
    noted = site.recorder
    noted.running = True
    noted.task = noted.task if noted.name else site.task
    error: BaseException | None = None
    try:
        yield
    except BaseException as ended_by:
        error = ended_by
        raise
    finally:
        noted.running = False
        if alone or noted.name or noted.traffic:
            with interrupts.masked():
                _write(site, error)


def _write(site: Site, error: BaseException | None) -> None:
    """Here, then on the server. What cannot be written costs the run one warning, and no more."""
    noted, keep = site.recorder, site.settings.report.keep
    here = ReportsHere(site.settings.report.folder, str(site.server))
    there = ReportsThere(site.server, site.settings.folders.state)
    missing, path = [], ""
    try:
        if not noted.name:
            noted.name = unused(site.release, [*here.names(), *_names(there)])
        files = rendered(record(site, noted.name, error))
        try:
            here.write(noted.name, files)
            here.prune(keep)
            path = site.report = str(here.path(noted.name, "html"))
        except OSError as unwritten:
            missing.append(f"not on this machine: {unwritten}")
        try:
            there.write(noted.name, files)
            there.prune(keep)
            path = path or f"{site.server}:{there.path(noted.name, 'html')}"
        except DeployError as unwritten:
            missing.append(f"not on the server: {unwritten.reason}")
    except Exception as unexpected:  # the report explains, it never decides
        missing.append(f"{type(unexpected).__name__}: {unexpected}")
    if missing:
        site.console.warn(f"report: {'; '.join(missing)}")
    if path:
        site.console.line(f"report: {path}")


def _names(there: ReportsThere) -> list[str]:
    with contextlib.suppress(DeployError):
        return there.names()
    return []
