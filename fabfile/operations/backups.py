"""Backups by hand: make one now, list them, remove what is no longer kept."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import DeployError
from ..report.columns import columns
from ..report.words import age, seconds_between, size
from ..server.backup import DUMP, Backup
from ..server.backups import DAY
from ..server.containers import FORMER_LABEL
from ..server.kept import kept_databases, sweep_candidates
from ..server.restore import Restore
from ..server.shelf import Shelf
from ..site import Site

_COLUMNS = ("", "name", "age", "size", "verified")  # kind and release stand in the name
_RIGHT = ("age", "size")
_LEGEND = {
    "*": "what a full rollback goes to: fab rollback --full",
    "**": "what a second one after it goes to",
}
_CHAIN = 3  # releases: the live one, and those that two rollbacks in a row go to


def backup(site: Site) -> None:
    """Back up the database and the site's files now, verified as every backup is."""
    with site.locked("backup", changes=False):
        site.lock.enter("backup")
        stamp = site.server.now().translate({ord(c): None for c in "-:Z"}).replace("T", "-")
        with site.console.step("back up the database and the site's files"):
            made = site.backups.create("manual", stamp, files=True)
        site.log("backed-up", folder=made.folder, sha256=made.sha256)
    _say_made(site, made)


def verify(site: Site, name: str) -> None:
    """Restore a backup into a scratch database, count every table, and drop it again.

    :param name: as `Backups.find` takes it.
    :raises DeployError: it cannot be restored, or its rows are not what its manifest says.
    """
    with site.locked("backup", changes=False):
        site.lock.enter("backup", "verify")
        found = site.backups.find(name)
        with site.console.step(f"{found.name}: checksums, and read to its end"):
            site.backups.verify(found)
        sweep_candidates(site.database)  # of a trial that was cut off
        trial = Restore(site, found)
        with site.console.step("restore into a scratch database, and compare"):
            trial.drop(trial.build("scratch"))
        site.backups.note_restored(found)
        site.log("backup-verified", name=found.name)
    rows = sum(found.counts.values())
    site.console.line(
        f"{found.name}: restored, and each of its {len(found.counts)} tables has the rows that "
        f"the manifest counts ({rows:,} in all)",
        style="bold",
    )


def backups(site: Site, *, prune: bool = False) -> None:
    """List the backups, newest first, and what a full rollback goes to.

    :param prune: first remove what the settings no longer keep.
    """
    if prune:
        _prune(site)
    shelf = site.backups.look()
    if shelf.backups:
        _print(site, _rows(site, shelf))
    else:
        site.console.line(f"no backup yet in {site.backups.parent}; make one: fab backup")
    _print_kept(site)
    for name, why in shelf.unreadable.items():
        site.console.warn(f"{name}: its manifest cannot be read ({why}); its dump may be whole")
    for name in shelf.unfinished:
        site.console.warn(f"{name}: not finished, by a run that was cut off or is at work now")
    if shelf.unfinished:
        site.console.line("next: fab backups --prune removes what was cut off")


def rollback_releases(site: Site) -> list[str]:
    """The live release, the one before it, and the one before that, as far as labels tell.

    :raises DeployError: what is live cannot be read.
    """
    live = site.live.read()
    releases, container = [live.release], live.container
    known = {c.release: c for c in site.containers.all() if c.release}
    while len(releases) < _CHAIN:
        former = container.labels.get(FORMER_LABEL, "")
        if not former or former in releases:
            break
        releases.append(former)
        if former not in known:
            break
        container = known[former]
    return releases


def _prune(site: Site) -> None:
    with site.locked("backups", changes=False):
        site.lock.enter("backups", "prune")
        gone = site.backups.prune(protect=targeted(site, site.backups.look()))
        for one in gone:
            site.console.line(f"removed {one.name}: {why_gone(site, one)}")
        swept = [*site.backups.sweep_unfinished(), *sweep_candidates(site.database)]
        for name in swept:
            site.console.line(f"removed {name}: left by a run that was cut off")
        names = [*(one.name for one in gone), *swept]
        if names:
            site.log("backups-removed", names=names)
        else:
            site.console.line("nothing to remove: the settings keep every backup")


def targeted(site: Site, shelf: Shelf) -> set[str]:
    """The releases that must keep their backups; those in use stay without being named.

    :raises DeployError: what is live cannot be read, so nobody knows.
    """
    releases = rollback_releases(site)
    target = shelf.rollback_target(releases[0])
    return {*releases, *([target.release] if target else [])}


def why_gone(site: Site, one: Backup) -> str:
    """Why a backup is no longer kept."""
    deploy, old = site.settings.deploy, _age(site, one)
    if old > deploy.keep_backup_days * DAY:
        return f"{age(old)} old, more than deploy.keep_backup_days ({deploy.keep_backup_days})"
    return f"older than the newest {deploy.keep_backups} {one.kind} backups (deploy.keep_backups)"


def _age(site: Site, one: Backup) -> float:
    return seconds_between(one.time, site.server.now())


def _say_made(site: Site, made: Backup) -> None:
    say = site.console
    dump = next(file.bytes for file in made.files if file.name == DUMP)
    say.detail(made.folder)
    say.detail(f"dump: {size(dump)}, of a database of {size(made.size)}")
    say.detail(f"{len(made.counts)} tables, {sum(made.counts.values())} rows")
    say.detail("verified: the dump was read to its end; each file's sha256 is in the manifest")
    for path in made.not_copied:
        say.warn(f"not in it, missing or not ours to read: {path}")
    say.line(f"Backup made: {made.name}", style="bold")
    say.line("next: fab backups lists them all")


# -- the table ---------------------------------------------------------------------------------


def _rows(site: Site, shelf: Shelf) -> list[dict[str, str]]:
    marks = _marks(site, shelf)
    rows = []
    for one in reversed(shelf.backups):
        restored = one.restored_at and age(seconds_between(one.restored_at, site.server.now()))
        rows.append(
            {
                "": marks.get(one.name, ""),
                "name": one.name,
                "age": age(_age(site, one)),
                "size": size(next(file.bytes for file in one.files if file.name == DUMP)),
                "verified": f"restored {restored} ago" if restored else "read to its end",
            }
        )
    return rows


def _marks(site: Site, shelf: Shelf) -> dict[str, str]:
    """`*` and `**` by name: what a full rollback goes to, and a second one after it."""
    try:
        releases = rollback_releases(site)
    except DeployError as error:
        site.console.warn(f"what a full rollback goes to is not known: {error.reason}")
        return {}
    marks = {}
    first = shelf.rollback_target(releases[0])
    if first:
        marks[first.name] = "*"
    for second in shelf.of_kind("pre-migration"):
        if second.release in releases[1:2]:
            marks.setdefault(second.name, "**")
    return marks


def _print(site: Site, rows: Sequence[dict[str, str]]) -> None:
    columns(site.console, _COLUMNS, [[row[name] for name in _COLUMNS] for row in rows], _RIGHT)
    for mark, meaning in _LEGEND.items():
        if any(row[""] == mark for row in rows):
            site.console.line(f"{mark:<2} {meaning}")


def _print_kept(site: Site) -> None:
    """The databases that restores have kept; a database that is away hides no backup."""
    try:
        there = kept_databases(site.database)
    except DeployError as error:
        site.console.warn(f"databases kept by restores are not known: {error.reason}")
        return
    for kept in there:
        until = f"{kept.kept_at:%Y-%m-%d %H:%M}"
        site.console.line(f"kept database {kept.name}: live until {until}, {size(kept.size)}")
