"""A folder with the guide's migration and others after it, made for a test."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from fabfile.settings import Settings
from fabfile.site import Site
from tests.lab.scratch_database import Scratch
from tests.programs import ROOT

SHIPPED = ROOT / "sql/migrations/02-database-migration"
# A column, filled in batches, and a rule on it; an index that is built beside the writers.
SUMMARY = {
    "migration.yaml": "title: stories have a summary\n",
    "expand.sql": 'ALTER TABLE {{ table("Story") }} ADD COLUMN summary text;\n',
    "data-batch.sql": """WITH picked AS (
            SELECT id FROM {{ table("Story") }} WHERE summary IS NULL LIMIT 700 FOR UPDATE
        ), changed AS (
            UPDATE {{ table("Story") }} AS s SET summary = left(content, 80)
              FROM picked WHERE s.id = picked.id RETURNING s.id
        ) SELECT count(*) FROM changed;""",
    "contract.sql": """ALTER TABLE {{ table("Story") }}
        ADD CONSTRAINT short CHECK (length(summary) <= 80) NOT VALID;""",
    "reverse-contract.sql": 'ALTER TABLE {{ table("Story") }} DROP CONSTRAINT IF EXISTS short;',
    "reverse-data.sql": 'UPDATE {{ table("Story") }} SET summary = NULL;',
    "reverse-expand.sql": 'ALTER TABLE {{ table("Story") }} DROP COLUMN IF EXISTS summary;',
    "checks.sql": """SELECT format('%s stories without a summary', count(*)) AS fault
        FROM {{ table("Story") }} WHERE summary IS NULL AND {{ stage }} = 'data'
        HAVING count(*) > 0;""",
}
INDEX = {
    "expand.sql": """-- transaction: none
        DROP INDEX CONCURRENTLY IF EXISTS by_title;
        CREATE INDEX CONCURRENTLY by_title ON {{ table("Story") }} (title); -- for the search; soon
        """,
}


def written(parent: Path, name: str, files: dict[str, str]) -> Path:
    """One more migration."""
    folder = parent / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


def shipped(parent: Path, own: str = "") -> Path:
    """The guide's migration in a folder, perhaps with other settings of its own; the folder."""
    folder = parent / SHIPPED.name
    shutil.copytree(SHIPPED, folder)
    if own:
        (folder / "migration.yaml").write_text(own)
    return parent


def changed(scratch: Scratch, **groups: Mapping[str, object]) -> Site:
    """The scratch site with other settings, by group."""
    values = scratch.site.settings.model_dump()
    for group, others in groups.items():
        values[group] = {**values[group], **others}
    return scratch.again(Settings.model_validate(values))
