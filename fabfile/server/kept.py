"""The databases that a restore leaves beside the live one: kept on purpose, or by a dead run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from . import database_names
from .database import Database
from .database_names import Role
from .sql_session import Session
from .sql_text import identifier, literal


@dataclass(frozen=True)
class Kept:
    """A database that was live, and is kept read-only.

    :param kept_at: when: the moment of the run that kept it, in UTC.
    :param size: in bytes.
    """

    name: str
    kept_at: datetime
    size: int


def kept_databases(database: Database) -> list[Kept]:
    """What restores have kept, oldest first.

    :param database: the live one.
    """
    live = database.name
    with database.maintenance.session() as session:
        sizes = {name: _size(session, name) for name in beside(session, live, "kept")}
    moments = {name: database_names.moment_of(live, name, "kept") for name in sizes}
    return [Kept(name, moment, sizes[name]) for name, moment in moments.items() if moment]


def kept_by(database: Database, release: str) -> str:
    """The database that a run's restore has kept; empty where it has not come to that.

    :param database: the live one.
    :param release: the run's stamp.
    """
    name = database_names.named(database.name, "kept", release)
    with database.maintenance.session() as session:
        return name if name in beside(session, database.name, "kept") else ""


def kept_by_any(database: Database, releases: Iterable[str]) -> str:
    """What the first of several runs has kept; empty where none has come to that."""
    found = (kept_by(database, release) for release in sorted(set(releases)))
    return next(filter(None, found), "")


def sweep_candidates(database: Database) -> list[str]:
    """Drop what a run that died has left half restored; the caller holds the site's lock.

    :param database: the live one.
    :returns: the names of what was dropped.
    """
    with database.maintenance.session() as session:
        names = beside(session, database.name, "candidate", "scratch")
        for name in names:
            drop(session, name)
    return names


def beside(session: Session, live: str, *roles: Role) -> list[str]:
    """The databases with these roles beside the live one, oldest first."""
    existing = session.query("SELECT datname FROM pg_database")
    return database_names.ours(live, (row["datname"] for row in existing), *roles)


def drop(session: Session, name: str) -> None:
    """Drop a database with the sessions on it, such as a dead run's pg_restore."""
    session.execute(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")


def _size(session: Session, name: str) -> int:
    return int(session.query(f"SELECT pg_database_size({literal(name)}) AS bytes")[0]["bytes"])
