"""What run-migration would send, without contacting anything."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import yaml

from ..settings import Settings, load
from .migration_checks import STAGES
from .sql_text import PROJECT, fill_in, stage_folder, stage_values


@dataclass(frozen=True)
class PlannedStage:
    """A stage as it would be sent: its file's words on what it locks, and its SQL."""

    stage: str
    locks: str
    sql: str


def plan(settings: Settings, release: str) -> list[PlannedStage]:
    """Each stage and the way back, filled in for the site; empty where there is no migration.

    :raises BadSettings: no such folder, or a file that cannot be filled in.
    """
    if not settings.migration.folder:
        return []
    folder, planned = stage_folder(settings), []
    way_back = {"reverse_contract": True, "reversed_stages": "ARRAY['data', 'contract']"}
    for stage in (*STAGES, "reverse-data"):
        file = folder / f"{stage}.sql"
        sql = fill_in(file, stage_values(settings, file, release, None) | way_back)
        remarks = (line.removeprefix("-- ") for line in sql.splitlines())
        locks = next((line for line in remarks if line.startswith("Locks:")), "Locks: not said")
        planned.append(PlannedStage(stage, locks, sql))
    return planned


def main(stage: str) -> None:
    """Print one stage as invoke.yaml fills it in."""
    section = yaml.safe_load((PROJECT / "invoke.yaml").read_text())["site"]
    stages = {planned.stage: planned.sql for planned in plan(load(section), "by-hand")}
    print(stages[stage])


if __name__ == "__main__":
    main(*sys.argv[1:])
