"""The releases: which there were, how each ended, and which can be gone back to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from ..commands.compose import labels_of
from ..report.columns import columns
from ..report.words import when
from ..server.containers import COMMIT_LABEL
from ..server.ledger import Entry
from ..server.live import Live
from ..server.releases import Releases, override_path
from ..settings import COLOURS
from ..site import Site

SHOWN = 20
MADE_BY = ("deploy", "blue-green-deploy")


@dataclass
class _Row:
    """One release, as its files, its image and the ledger have it."""

    release: str
    commit: str = ""
    colours: list[str] = field(default_factory=list)
    who: str = ""
    made: str = ""
    ended: str = ""
    live: bool = False
    image: bool = False


def releases(site: Site) -> None:
    """Print a line a release, newest first."""
    live = site.live.read()
    rows = _collect(site, live)
    table = [
        (
            "live" if row.live else "",
            row.release,
            row.commit[:10] or "-",
            "/".join(row.colours) or "-",
            row.who or "-",
            when(row.made) if row.made else "-",
            row.ended or "-",
            _rollback(row, live),
        )
        for row in sorted(rows.values(), key=lambda row: row.release, reverse=True)[:SHOWN]
    ]
    head = ("", "release", "commit", "colour", "who", "when", "how it ended", "roll back to it")
    columns(site.console, head, table)


def _collect(site: Site, live: Live) -> dict[str, _Row]:
    kept = Releases(site.server, site.settings).kept()
    rows = {release: _Row(release, image=True) for release in kept}
    for run in _runs(site.ledger.entries()):
        row = rows.setdefault(run[0].release, _Row(run[0].release))
        row.who, row.made = f"{run[0].who}@{run[0].host}", run[0].time
        row.ended = _ending(run)
    rows.setdefault(live.release, _Row(live.release)).live = True
    for row in rows.values():
        _read_kept(site, row)
    if not rows[live.release].colours:
        rows[live.release].colours = [live.colour]
    return rows


def _read_kept(site: Site, row: _Row) -> None:
    for colour in COLOURS:
        if text := site.server.read(override_path(site.settings, row.release, colour)):
            row.colours.append(colour)
            row.commit = labels_of(text).get(COMMIT_LABEL, "")


def _runs(entries: list[Entry]) -> list[list[Entry]]:
    """The entries of each run that made a release, up to the next run's beginning."""
    starts = [n for n, e in enumerate(entries) if e.event == "started"] + [len(entries)]
    runs = [entries[a:b] for a, b in itertools.pairwise(starts)]
    return [run for run in runs if run[0].task in MADE_BY]


def _ending(run: list[Entry]) -> str:
    ended = next((e for e in run if e.event == "ended"), None)
    if ended is None:
        return "cut off"
    why = ended.detail.get("trigger") or ended.detail.get("reason", "")
    outcome = str(ended.detail["outcome"])
    return f"{outcome}: {why}"[:70] if why else outcome


def _rollback(row: _Row, live: Live) -> str:
    if row.live:
        return "is live"
    if not row.image:
        return "no: its image is gone"
    return "yes" if row.colours else "no: its settings are gone"
