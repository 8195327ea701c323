"""`backups --json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from . import Document
from .pieces import Piece


class BackupLine(Piece):
    """One backup, as its manifest describes it."""

    name: str = Field(description="its folder's, which `restore` takes")
    kind: str = Field(description="assessment, pre-migration, manual or before-restore")
    release: str = Field(description="the stamp of the run that made it")
    time: str
    who: str = Field(description="the operator who made it")
    age: float = Field(description="seconds, by the server's clock")
    dump_bytes: int = Field(description="the database's archive")
    bytes: int = Field(description="all of its files")
    database_bytes: int = Field(description="the database itself, on the server's disk")
    tables: int
    rows: int = Field(description="in all tables")
    sha256: str = Field(description="of the archive")
    not_copied: list[str] = Field(description="files that were missing or not ours to read")
    verified: bool = Field(description="the archive was read to its end when it was made")
    restored_at: str | None = Field(description="when it was last restored to try it; null: never")
    restored_age: float | None = Field(description="seconds since then")
    full_rollback: Literal[1, 2] | None = Field(
        description="1: what `rollback --full` goes to, 2: what a second one after it goes to"
    )


class KeptDatabase(Piece):
    """A database that was live until a restore, and is kept."""

    name: str
    live_until: str
    bytes: int


class Backups(Document):
    """The backups, and the databases that restores have kept.

    What could not be read is null, and `problems` says why, by the name of the field.
    """

    command = "backups"

    folder: str = Field(description="on the server")
    backups: list[BackupLine] = Field(description="newest first")
    kept_databases: list[KeptDatabase] | None = Field(description="oldest first")
    unreadable: dict[str, str] = Field(description="why a manifest cannot be read, by its name")
    unfinished: list[str] = Field(description="by a run that was cut off or is at work now")
    removed: list[str] = Field(description="by --prune, before the rest was read")
    problems: dict[str, str]
