"""`migrations --json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from . import Document
from .pieces import Piece

StageState = Literal["applied", "pending", "rolled back", "deferred", "failed", "cut off"]


class MigrationStage(Piece):
    """One stage of a migration."""

    stage: str = Field(description="expand, data or contract")
    state: StageState
    time: str | None = Field(description="of the event that the state is by; null: pending")
    release: str | None = Field(description="the stamp of the run that it is by; null: pending")
    sha256: str | None = Field(
        description="of its main file: as it was applied, or as it would be; null without one"
    )
    changed: list[str] = Field(description="its files that were changed after it was applied")


class MigrationLine(Piece):
    """One migration."""

    name: str
    here: bool = Field(description="its folder is on this machine; else only the log knows it")
    stages: list[MigrationStage] = Field(description="in their order; empty: only comments so far")
    skipped: str | None = Field(description="why this site has no use for it; null where it has")


class Migrations(Document):
    """The migrations, as their files and the database's log have them."""

    command = "migrations"

    migrations: list[MigrationLine] = Field(description="in the order of their numbers")
    wrong: dict[str, str] = Field(
        description="folders that cannot be read, and why; no deploy goes by them"
    )
