"""What run-migration would send, without contacting anything."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import yaml

from ..settings import Settings, load
from .migration_folder import REVERSES, STAGE_FILES, MigrationFolder, read_folders
from .sql_text import PROJECT, fill_in
from .stage_text import stage_values


@dataclass(frozen=True)
class PlannedFile:
    """A stage's file as it would be sent: its own words on what it locks, and its SQL.

    :param file: without `.sql`, for instance `reverse-data`.
    """

    migration: str
    file: str
    locks: str
    sql: str


def plan(settings: Settings, release: str) -> list[PlannedFile]:
    """Each stage and each way back, filled in for the site; empty where there is no migration.

    :raises BadSettings: no such folder, or a file that cannot be filled in.
    """
    return [
        planned
        for folder in read_folders(settings)
        for planned in (*_stages(settings, release, folder), *_reverses(settings, release, folder))
    ]


def _stages(settings: Settings, release: str, folder: MigrationFolder) -> list[PlannedFile]:
    pairs = ((stage, name) for stage in folder.stages for name in STAGE_FILES[stage])
    return [_planned(settings, release, folder, *pair) for pair in pairs if folder.has(pair[1])]


def _reverses(settings: Settings, release: str, folder: MigrationFolder) -> list[PlannedFile]:
    pairs = reversed([*REVERSES.items()])
    return [_planned(settings, release, folder, *pair) for pair in pairs if folder.has(pair[1])]


def _planned(
    settings: Settings, release: str, folder: MigrationFolder, stage: str, name: str
) -> PlannedFile:
    way_back = {"reverse_contract": True, "reversed_stages": "ARRAY['data', 'contract']"}
    values = stage_values(settings, folder, stage, release, None) | way_back
    sql = fill_in(folder.path / name, values)
    remarks = (line.removeprefix("-- ") for line in sql.splitlines())
    locks = next((line for line in remarks if line.startswith("Locks:")), "Locks: not said")
    return PlannedFile(folder.name, name.removesuffix(".sql"), locks, sql)


def main(migration: str, file: str) -> None:
    """Print one file as invoke.yaml fills it in."""
    section = yaml.safe_load((PROJECT / "invoke.yaml").read_text())["site"]
    found = {(p.migration, p.file): p.sql for p in plan(load(section), "by-hand")}
    print(found[migration, file])


if __name__ == "__main__":
    main(*sys.argv[1:])
