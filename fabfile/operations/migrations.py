"""Migrations by hand: list them, begin a new one, take one back."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from ..documents.migrations import MigrationLine, MigrationStage, StageState
from ..documents.migrations import Migrations as Document
from ..errors import BadSettings, DeployError
from ..report.migrations_text import show
from ..server.migration import Migration
from ..server.migration_checks import changed_files
from ..server.migration_folder import (
    LONGEST,
    REVERSES,
    STAGE_FILES,
    STAGES,
    MigrationFolder,
    folders_in,
)
from ..server.migration_log import LogEntry, standing
from ..server.migrations import Migrations
from ..server.sql_text import PROJECT
from ..site import Site

SKELETON = PROJECT / "templates/migration"
_NEW_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# How the last event of a stage that does not hold is called.
_STATES: dict[str, StageState] = {
    "REVERSED": "rolled back",
    "ROLLED_BACK": "rolled back",
    "DEFERRED": "deferred",
    "FAILED": "failed",
    "STARTED": "cut off",
}


def migrations(site: Site, *, as_document: bool = False) -> None:
    """Print each migration's stages: how they stand, since when, by which release."""
    known = Migrations(site)
    found = _read(site, known)
    if as_document:
        found.show()
    else:
        show(site.console, found, known.none)


def _read(site: Site, known: Migrations) -> Document:
    every, here = known.every(), site.migrations_here
    folders = {folder.name: folder for folder in here.readable}
    return Document(
        migrations=[
            _line(name, folders.get(name), every.get(name, []), known.skipped.get(name))
            for name in sorted({*folders, *every}, key=_order)
        ],
        wrong={name: fault.reason for name, fault in here.wrong.items()},
    )


def _order(name: str) -> tuple[int, str]:
    number = name.partition("-")[0]
    return (int(number) if number.isdigit() else 0, name)


def _line(
    name: str, folder: MigrationFolder | None, entries: Sequence[LogEntry], skipped: str | None
) -> MigrationLine:
    has = folder.stages if folder else ()
    stages = [s for s in STAGES if s in has or standing(entries, s)]
    return MigrationLine(
        name=name,
        here=folder is not None,
        stages=[_stage(stage, folder, entries) for stage in stages],
        skipped=skipped,
    )


def _stage(
    stage: str, folder: MigrationFolder | None, entries: Sequence[LogEntry]
) -> MigrationStage:
    state, entry = _state(entries, stage)
    applied = entry if state == "applied" else None
    return MigrationStage(
        stage=stage,
        state=state,
        time=f"{entry.time.replace(' ', 'T')}Z" if entry else None,
        release=entry.release if entry else None,
        sha256=_checksum(stage, folder, applied),
        changed=list(changed_files(folder, applied)) if folder and applied else [],
    )


def _state(entries: Sequence[LogEntry], stage: str) -> tuple[StageState, LogEntry | None]:
    """A word, and the entry that it is by."""
    if entry := standing(entries, stage):
        return "applied", entry
    mine: list[LogEntry] = []
    for entry in entries:
        # A restore takes back what had been done, and nothing else.
        if entry.stage == stage or (entry.status == "ROLLED_BACK" and mine):
            mine.append(entry)
    return (_STATES[mine[-1].status], mine[-1]) if mine else ("pending", None)


def _checksum(stage: str, folder: MigrationFolder | None, applied: LogEntry | None) -> str | None:
    """Of the stage's main file: as it was applied, or as it would be."""
    files = applied.files if applied else folder.checksums(stage) if folder else {}
    return next((files[file] for file in reversed(STAGE_FILES[stage]) if file in files), None)


def new(site: Site, name: str) -> None:
    """Write a migration's folder with commented skeletons, under the next number.

    :param name: without its number.
    :raises BadSettings: it is no name, or there is one of that name.
    """
    if not _NEW_NAME.fullmatch(name) or len(name) > LONGEST - 4:
        raise BadSettings(
            f"--new is {name!r}; allowed: small letters, digits and single hyphens, a letter "
            "first; the number comes by itself"
        )
    parent = _parent(site)
    there = [folder.name for folder in folders_in(parent)] if parent.is_dir() else []
    if same := [one for one in there if one.partition("-")[2] == name]:
        raise BadSettings(f"--new is {name!r}; there is {same[0]} already: allowed: another name")
    number = max((int(one.partition("-")[0]) for one in there), default=0) + 1
    target = parent / f"{number:02}-{name}"
    _copy(target)
    site.console.line(f"{target}", style="bold")
    for file in sorted(target.iterdir()):
        site.console.line(f"  {file.name}")
    site.console.line("fill in what it needs, and remove the rest: a file of comments is no stage")
    site.console.line("next: fab migrations shows it as pending; fab run-migration expands")


def _parent(site: Site) -> Path:
    given = Path(site.settings.migration.folder).expanduser()
    if not site.settings.migration.folder:
        raise BadSettings("migration.folder is empty; allowed here: the folder of the migrations")
    beside = PROJECT / given
    return beside if beside.is_dir() and not given.is_dir() else given


def _copy(target: Path) -> None:
    """All of it or nothing, and never over something."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(SKELETON, beside)
        if target.exists():
            raise FileExistsError(f"{target} is there already")
        beside.rename(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            shutil.rmtree(beside)
        raise DeployError(
            f"{target} cannot be written: {error}", state="nothing was written"
        ) from None


def reverse(site: Site, name: str, *, yes: bool) -> None:
    """Take back all of one migration, its expansion too, after a verified backup.

    :param yes: do not ask.
    :raises BadSettings: there is no such migration.
    :raises DeployError: there is no way back, or something that runs was made for it.
    """
    one = named(site, name)
    with site.locked("migration"):
        if site.cut_off:
            raise DeployError(
                f"a run was cut off: {site.cut_off}",
                state="nothing was changed",
                next_command="first settle it: fab rollback, or fab deploy",
            )
        refuse_in_use(site, one)
        _confirm(site, one, yes)
        with site.console.step("back up the database"):
            backup = site.backups.create("manual", site.release, files=False)
            site.console.detail(f"{backup.folder}, verified")
        one.backup_sha256 = backup.sha256
        site.log("reversing", migration=name, backup=backup.name)
        with site.console.step(f"take back {name}"):
            if back := one.send_back():
                site.console.fact(back)
            if one.standing("expand"):
                one.reverse_expand()
                site.console.fact(f"{name}: expand taken back")
    site.console.line(f"{name} is taken back; it is pending again", style="bold")
    site.console.line("next: fab migrations; before the next deploy mend it or remove its folder")


def named(site: Site, name: str) -> Migration:
    """:raises BadSettings: there is no such migration."""
    known = {one.name: one for one in Migrations(site).all}
    if name not in known:
        raise BadSettings(f"--reverse is {name!r}; allowed: {', '.join(known) or 'none is here'}")
    return known[name]


def refuse_in_use(site: Site, one: Migration) -> None:
    """:raises DeployError: there is no way back, or something that runs was made for it."""
    name = one.name
    holding = [stage for stage in STAGES if one.standing(stage)]
    if not holding:
        raise DeployError(f"nothing of {name} is applied", state="nothing was changed")
    if missing := [REVERSES[stage] for stage in holding if not one.folder.has(REVERSES[stage])]:
        raise DeployError(
            f"{name} has no way back: {' and '.join(missing)} is missing",
            state="nothing was changed",
            next_command=f"write it in {one.folder.path}, then the same again",
        )
    later = [other for other in Migrations(site).all if other.folder.number > one.folder.number]
    if above := [other.name for other in later if any(map(other.standing, STAGES))]:
        raise DeployError(
            f"{above[-1]} came after {name} and holds: the last one goes first",
            state="nothing was changed",
            next_command=f"fab migration --reverse {above[-1]}",
        )
    running = [c for c in one.app_containers() if one.lives_with(c)]
    if running:
        raise DeployError(
            f"{running[0].name} runs a release that was made for {name}",
            state="nothing was changed",
            next_command="first fab rollback to a release from before it",
        )


def _confirm(site: Site, one: Migration, yes: bool) -> None:
    files = [REVERSES[s] for s in reversed(STAGES) if one.folder.has(REVERSES[s])]
    site.console.line(f"{one.name}: runs {', '.join(files)}, after a backup")
    if yes or site.console.ask(f"Take back {one.name}?"):
        return
    raise DeployError(
        "not confirmed: nothing was changed",
        state="nothing was changed",
        next_command="without a terminal: the same with --yes",
    )
