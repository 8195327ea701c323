"""SQL text: quoting in one place, and the files of sql/ filled in for one site."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from ..errors import BadSettings, WrongSetting
from ..settings import Settings
from .ledger import operator

PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT / "sql"  # what every migration uses: the log, the counts, the checks
RULE = "deploy_old_role_has_gone"  # the CHECK that contract adds


def identifier(name: str) -> str:
    """A table, column or type name, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | None) -> str:
    """A text value, quoted; None is NULL."""
    if value is None:
        return "NULL"
    quoted = "'" + value.replace("'", "''") + "'"
    # Right whatever standard_conforming_strings says.
    return " E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


def names(settings: Settings) -> dict[str, object]:
    """The site's names and roles as the SQL files call them, each already quoted."""
    database, migration = settings.database, settings.migration
    updated, sessions = database.updated_column, database.session_table
    return {
        "users": identifier(database.user_table),
        "users_literal": literal(identifier(database.user_table)),
        "id": identifier(database.user_id),
        "role": identifier(database.role_column),
        "role_literal": literal(database.role_column),
        "updated": identifier(updated) if updated else "",
        "sessions": identifier(sessions) if sessions else "",
        "session_user": identifier(database.session_user),
        "role_type": identifier(database.role_type),
        "rule": identifier(RULE),
        "old_role": literal(migration.old_role),
        "new_role": literal(migration.new_role),
        "batch_size": str(migration.batch_size),
    }


def stage_values(
    settings: Settings, file: Path, release: str, backup_sha256: str | None
) -> dict[str, object]:
    """What the placeholders of one stage's file stand for, each already quoted.

    :param backup_sha256: of the dump that was made before; None where none is known.
    """
    return names(settings) | {
        "migration": literal(file.parent.name),
        "release": literal(release),
        "file": literal(file.name),
        "checksum": literal(checksum(file)),
        "who": literal(operator()),
        "host": literal(socket.gethostname()),
        "backup_sha256": literal(backup_sha256),
        "counts_before": "NULL",
        "exclusive": False,
    }


# What every run may need; data-batch.sql only one with many rows.
STAGE_FILES = ("expand.sql", "data.sql", "contract.sql", "reverse-data.sql")


def stage_folder(settings: Settings) -> Path:
    """Where the migration's files are: as given, or beside this package.

    :raises BadSettings: there is no such folder.
    """
    given = Path(settings.migration.folder).expanduser()
    found = next((folder for folder in (given, PROJECT / given) if folder.is_dir()), None)
    missing = [name for name in STAGE_FILES if found and not (found / name).is_file()]
    if found and not missing:
        return found.resolve()
    raise WrongSetting(
        "migration.folder",
        settings.migration.folder,
        "the folder of the stage files, or nothing for no migration",
        found=f"no {', '.join(missing)} in it" if found else "no such folder",
    )


def checksum(file: Path) -> str:
    """The sha256 of a file as it is stored, before it is filled in."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fill_in(file: Path, values: Mapping[str, object]) -> str:
    """A file of sql/ with its placeholders filled in.

    :param values: SQL text for each placeholder: quoted already.
    :raises BadSettings: a placeholder has no value, or the file cannot be read.
    """
    environment = Environment(
        loader=FileSystemLoader([file.parent, SHARED]),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    try:
        return environment.get_template(file.name).render(values)
    except TemplateError as error:
        raise BadSettings(f"{file}: {type(error).__name__}: {error}") from None
