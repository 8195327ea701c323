"""SQL text: quoting in one place, and the files of sql/ filled in for one site."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from ..errors import BadSettings
from ..settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT / "sql"  # what every migration uses: the log, the counts, the checks


def identifier(name: str) -> str:
    """A table, column or type name, quoted."""
    return '"' + name.replace('"', '""') + '"'


def qualified(settings: Settings, name: str) -> str:
    """A table or type of the site, quoted, in `database.schema` where that is set."""
    schema = settings.database.schema
    return f"{identifier(schema)}.{identifier(name)}" if schema else identifier(name)


def literal(value: str | None) -> str:
    """A text value, quoted; None is NULL."""
    if value is None:
        return "NULL"
    quoted = "'" + value.replace("'", "''") + "'"
    # Right whatever standard_conforming_strings says.
    return " E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


def names(settings: Settings) -> dict[str, object]:
    """The site's tables, columns and types as the SQL files call them, each already quoted.

    What the site does not have is empty. `table` quotes any other: `{{ table("Story") }}`.
    """
    database = settings.database

    def table(name: str | None) -> str:
        return qualified(settings, name) if name else ""

    def column(name: str | None) -> str:
        return identifier(name) if name else ""

    return {
        "table": table,
        "users": table(database.user_table),
        "users_literal": literal(table(database.user_table)),
        "id": identifier(database.user_id),
        "role": column(database.role_column),
        "role_literal": literal(database.role_column),
        "role_type": table(database.role_type),
        "updated": column(database.updated_column),
        "sessions": table(database.session_table),
        "session_user": identifier(database.session_user),
        "batch_size": str(settings.migration.batch_size),
    }


def checksum(file: Path) -> str:
    """The sha256 of a file as it is stored, before it is filled in."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fill_in(file: Path, values: Mapping[str, object]) -> str:
    """A file of sql/ with its placeholders filled in.

    :param values: SQL text for each placeholder: quoted already.
    :raises BadSettings: a placeholder has no value, or the file cannot be read.
    """
    try:
        return _environment(file.parent).get_template(file.name).render(values)
    except (TemplateError, UnicodeDecodeError) as error:
        raise BadSettings(f"{file}: {type(error).__name__}: {error}") from None


@cache
def _environment(folder: Path) -> Environment:
    """A folder's; it keeps what it has compiled for as long as the file stays as it is."""
    return Environment(
        loader=FileSystemLoader([folder, SHARED]),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
