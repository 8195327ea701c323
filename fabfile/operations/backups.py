"""Backups by hand: make one now, list them, remove what is no longer kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from ..documents.backups import BackupLine, KeptDatabase
from ..documents.backups import Backups as Document
from ..errors import DeployError, Interrupted, ServerUnreachable
from ..report.backups_text import show
from ..report.words import age, seconds_between, size
from ..server.backup import DUMP, Backup
from ..server.backups import DAY
from ..server.containers import FORMER_LABEL
from ..server.kept import Kept, kept_databases, sweep_candidates
from ..server.restore import Restore
from ..server.shelf import Shelf
from ..site import Site

Found = TypeVar("Found")
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
        sweep_candidates(site.database)  # of a trial that was cut off
        trial = Restore(site, found)
        with (
            site.console.step(f"{found.name}: checksums; restore into a scratch database, compare"),
            ThreadPoolExecutor(1) as pool,
        ):
            unchanged = pool.submit(site.backups.verify, found)
            try:
                trial.drop(trial.build("scratch"))
            finally:
                unchanged.result()  # where a file has changed, that is the reason to give
        site.backups.note_restored(found)
        site.log("backup-verified", name=found.name)
    rows = sum(found.counts.values())
    site.console.line(
        f"{found.name}: restored, and each of its {len(found.counts)} tables has the rows that "
        f"the manifest counts ({rows:,} in all)",
        style="bold",
    )


def backups(site: Site, *, prune: bool = False, as_document: bool = False) -> None:
    """List the backups, newest first, and what a full rollback goes to.

    :param prune: first remove what the settings no longer keep.
    """
    removed = _prune(site) if prune else []
    found = _read(site, removed)
    if as_document:
        found.show()
    else:
        show(site.console, found)


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


def _prune(site: Site) -> list[str]:
    """:returns: the names of what was removed."""
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
    return names


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


# -- the list ----------------------------------------------------------------------------------


def _read(site: Site, removed: Sequence[str]) -> Document:
    shelf, now = site.backups.look(), site.server.now()
    problems: dict[str, str] = {}
    targets = (
        _known(problems, "full_rollback", lambda: _targets(site, shelf)) if shelf.backups else {}
    )
    kept = _known(problems, "kept_databases", lambda: kept_databases(site.database))
    return Document(
        folder=site.backups.parent,
        backups=[_line(one, now, (targets or {}).get(one.name)) for one in reversed(shelf.backups)],
        kept_databases=None if kept is None else [_kept(one) for one in kept],
        unreadable=dict(shelf.unreadable),
        unfinished=list(shelf.unfinished),
        removed=list(removed),
        problems=problems,
    )


def _known(problems: dict[str, str], name: str, ask: Callable[[], Found]) -> Found | None:
    """What cannot be read hides no backup; `problems` says why."""
    try:
        return ask()
    except (Interrupted, ServerUnreachable):
        raise
    except DeployError as error:
        problems[name] = error.reason
        return None


def _targets(site: Site, shelf: Shelf) -> dict[str, Literal[1, 2]]:
    """What a full rollback goes to, and a second one after it, by name."""
    releases = rollback_releases(site)
    targets: dict[str, Literal[1, 2]] = {}
    first = shelf.rollback_target(releases[0])
    if first:
        targets[first.name] = 1
    for second in shelf.of_kind("pre-migration"):
        if second.release in releases[1:2]:
            targets.setdefault(second.name, 2)
    return targets


def _line(one: Backup, now: str, target: Literal[1, 2] | None) -> BackupLine:
    return BackupLine(
        name=one.name,
        kind=one.kind,
        release=one.release,
        time=one.time,
        who=one.who,
        age=seconds_between(one.time, now),
        dump_bytes=next(file.bytes for file in one.files if file.name == DUMP),
        bytes=sum(file.bytes for file in one.files),
        database_bytes=one.size,
        tables=len(one.counts),
        rows=sum(one.counts.values()),
        sha256=one.sha256,
        not_copied=list(one.not_copied),
        verified=one.verified,
        restored_at=one.restored_at or None,
        restored_age=seconds_between(one.restored_at, now) if one.restored_at else None,
        full_rollback=target,
    )


def _kept(one: Kept) -> KeptDatabase:
    return KeptDatabase(
        name=one.name, live_until=f"{one.kept_at:%Y-%m-%dT%H:%M:%SZ}", bytes=one.size
    )
