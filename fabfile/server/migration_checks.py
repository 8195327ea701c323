"""What is asked of the database before and after a stage of the migration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DeployError
from ..settings import Settings
from .migration_log import LogEntry, standing
from .sql_session import Session
from .sql_text import RULE, SHARED, checksum, fill_in, identifier, literal, names

STAGES = ("expand", "data", "contract")


class UnexpectedUsers(DeployError):
    """The users are not those that the settings expect: somebody or something changed them."""


def counts(session: Session, settings: Settings) -> dict[str, Any]:
    """Users, users per role, sessions, and a digest of the sessions of each user."""
    return session.query(fill_in(SHARED / "counts.sql", names(settings)))[0]


def map_counts(session: Session) -> dict[str, int]:
    """The map's entries: open, moved back, moved back though created since, kept."""
    return session.query(fill_in(SHARED / "map.sql", {}))[0]


def has_new_role(session: Session, settings: Settings) -> bool:
    """Whether the role's type has the new value."""
    rows = session.query(
        "SELECT EXISTS (SELECT FROM pg_enum WHERE enumtypid = to_regtype("
        f"{literal(identifier(settings.database.role_type or ''))})"
        f" AND enumlabel = {literal(settings.migration.new_role)}) AS found"
    )
    return bool(rows[0]["found"])


def has_rule(session: Session, settings: Settings) -> bool:
    """Whether contract's rule stands, finished or not."""
    rows = session.query(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass("
        f"{literal(identifier(settings.database.user_table or ''))})"
        f" AND conname = {literal(RULE)}) AS found"
    )
    return bool(rows[0]["found"])


def returned(session: Session, settings: Settings) -> int:
    """How many people whom the migration had moved are in the old role again."""
    rows = session.query(fill_in(SHARED / "returned.sql", names(settings)))
    return int(rows[0]["returned"])


def refuse_edited(entries: Sequence[LogEntry], folder: Path) -> None:
    """:raises DeployError: a stage's file is not the one that was applied."""
    for stage in STAGES:
        applied = standing(entries, stage)
        file = folder / f"{stage}.sql"
        if applied and applied.checksum and applied.checksum != checksum(file):
            raise DeployError(
                f"{file} was edited after it had been applied",
                evidence=f"applied: sha256 {applied.checksum}\n         by {applied}\n"
                f"now:     sha256 {checksum(file)}",
                state="nothing was changed",
                next_command=f"bring the file back as it was: git log -- {file.name}; "
                "a further change belongs in a migration folder of its own",
            )


def refuse_unexpected(
    roles: Mapping[str, int], entries: Sequence[LogEntry], settings: Settings
) -> None:
    """Compare with `migration.expect`, before the very first run only.

    :raises DeployError: users per role are not as expected.
    """
    expected = settings.migration.expect
    begun = standing(entries, "expand") or any(
        entry.stage == "data" and entry.status == "COMPLETED" for entry in entries
    )
    if not expected or begun:  # later on, what was there before is the expectation
        return
    if {role: n for role, n in roles.items() if n} == {r: n for r, n in expected.items() if n}:
        return
    raise UnexpectedUsers(
        "users per role are not as the settings expect",
        evidence=f"expected: {told(expected)}\nfound:    {told(roles)}",
        state="nothing was changed",
        next_command="find out who came or went, then correct migration.expect",
    )


def told(roles: Mapping[str, int]) -> str:
    """`2 LEARNER, 2 ADMIN`."""
    return ", ".join(f"{number} {role}" for role, number in sorted(roles.items())) or "nobody"
