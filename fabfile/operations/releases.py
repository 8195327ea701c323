"""The releases: which there were, how each ended, and which can be gone back to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from ..commands.compose import labels_of
from ..documents.releases import Release
from ..documents.releases import Releases as Document
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
    began: str = ""
    outcome: str = ""
    reason: str = ""
    live: bool = False
    image: bool = False


def releases(site: Site, *, as_document: bool = False) -> None:
    """Print a line a release, newest first."""
    rows = _collect(site, site.live.read())
    found = [_told(row) for row in sorted(rows.values(), key=lambda r: r.release, reverse=True)]
    if as_document:
        Document(releases=found).show()
        return
    head = ("", "release", "commit", "colour", "who", "when", "how it ended", "roll back to it")
    columns(site.console, head, map(_line, found[:SHOWN]))


def _told(row: _Row) -> Release:
    why_not = _why_not(row)
    return Release(
        release=row.release,
        live=row.live,
        commit=row.commit or None,
        colours=row.colours,
        who=row.who or None,
        began=row.began or None,
        outcome=row.outcome or None,
        reason=row.reason or None,
        image=row.image,
        may_return=not why_not,
        why_not=why_not or None,
    )


def _line(one: Release) -> tuple[str, ...]:
    ended = f"{one.outcome}: {one.reason}"[:70] if one.reason else one.outcome
    return (
        "live" if one.live else "",
        one.release,
        (one.commit or "-")[:10],
        "/".join(one.colours) or "-",
        one.who or "-",
        when(one.began) if one.began else "-",
        ended or "-",
        "is live" if one.live else "yes" if one.may_return else f"no: {one.why_not}",
    )


def _collect(site: Site, live: Live) -> dict[str, _Row]:
    kept = Releases(site.server, site.settings).kept()
    rows = {release: _Row(release, image=True) for release in kept}
    for run in _runs(site.ledger.entries()):
        row = rows.setdefault(run[0].release, _Row(run[0].release))
        row.who, row.began = f"{run[0].who}@{run[0].host}", run[0].time
        row.outcome, row.reason = _ending(run)
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


def _ending(run: list[Entry]) -> tuple[str, str]:
    """How a run ended, and why."""
    ended = next((e for e in run if e.event == "ended"), None)
    if ended is None:
        return "cut off", ""
    why = ended.detail.get("trigger") or ended.detail.get("reason", "")
    return str(ended.detail["outcome"]), str(why)


def _why_not(row: _Row) -> str:
    """Why a rollback cannot go to it; empty where it can."""
    if row.live:
        return "it is live"
    if not row.image:
        return "its image is gone"
    return "" if row.colours else "its settings are gone"
