"""The doctor's checks of the migrations: their files here, and what the database says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import BadSettings
from ...server.migration_checks import changed_files
from ...server.migration_folder import STAGES, MigrationFolder
from ...server.migration_log import LogEntry, standing
from ...server.migrations import Migrations
from ...server.stage_text import refuse_unsendable
from .check import Finding, Patient, failing, warning, well


def files(patient: Patient) -> Finding:
    """Each can be read, filled in and sent."""
    site = patient.site
    faults = [fault.reason for fault in site.migrations_here.wrong.values()]
    for folder in site.migration_folders:
        try:
            refuse_unsendable(folder, site.settings)
        except BadSettings as error:
            faults.append(error.reason)
    if faults:
        return failing(
            "; ".join(faults),
            "mend it, or move what is not finished out of migration.folder",
        )
    names = [folder.name for folder in site.migration_folders]
    return well(", ".join(names) or Migrations(site).none)


def applied(patient: Patient) -> Finding:
    """No file was changed since, no stage ended half way, and every folder is here."""
    site = patient.site
    every = Migrations(site).every()
    folders = {folder.name: folder for folder in site.migration_folders}
    changed = [
        f"{name}/{file}"
        for name, folder in folders.items()
        for file in _changed(folder, every.get(name, []))
    ]
    if changed:
        return failing(
            f"changed after it had been applied: {', '.join(changed)}",
            "bring it back as it was (git log -- FILE), and write what is new as a new migration",
        )
    unfinished = [
        line for name, entries in every.items() for line in _unfinished(name, folders, entries)
    ]
    if unfinished:
        return warning(
            "; ".join(unfinished), "fab migrations shows each stage; the next fab deploy goes on"
        )
    stages = [(f, stage) for f in folders.values() for stage in f.stages]
    waiting = [f"{f.name} {s}" for f, s in stages if not standing(every.get(f.name, []), s)]
    goes_on = f"; for the next deploy: {', '.join(waiting)}" if waiting else ""
    return well(f"{len(stages) - len(waiting)} stages applied, files unchanged{goes_on}")


def _changed(folder: MigrationFolder, entries: Sequence[LogEntry]) -> Iterator[str]:
    holding = filter(None, (standing(entries, stage) for stage in STAGES))
    yield from dict.fromkeys(file for entry in holding for file in changed_files(folder, entry))


def _unfinished(
    name: str, folders: dict[str, MigrationFolder], entries: Sequence[LogEntry]
) -> Iterator[str]:
    """What of one migration is half done, in words."""
    if name not in folders and any(standing(entries, stage) for stage in STAGES):
        yield f"{name} is applied, and its folder is not here"
    for stage in STAGES:
        last = next((entry for entry in reversed(entries) if entry.stage == stage), None)
        if last and last.status in ("STARTED", "FAILED"):
            how = "was cut off" if last.status == "STARTED" else "failed"
            yield f"{name}: {stage} {how}, {last}"
