"""What is asked of the database before and after a stage of a migration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import DeployError
from ..settings import Settings
from .migration_folder import STAGES, MigrationFolder
from .migration_log import LogEntry, standing
from .migration_settings import OWN_SETTINGS
from .people import told
from .sql_session import Session
from .sql_text import SHARED, checksum, fill_in, literal, names, qualified
from .stage_text import check_question, rule_of

SHORT = 12  # letters of a checksum that tell it from any other


class UnexpectedUsers(DeployError):
    """The users are not those that the migration expects: somebody or something changed them."""


def map_counts(session: Session, folder: MigrationFolder) -> dict[str, int]:
    """The map's entries: open, moved back, moved back though created since, kept."""
    return session.query(fill_in(SHARED / "map.sql", {"migration": literal(folder.name)}))[0]


def has_new_role(session: Session, settings: Settings, role: str) -> bool:
    """Whether the role's type has the new value."""
    role_type = qualified(settings, settings.database.role_type or "")
    rows = session.query(
        f"SELECT EXISTS (SELECT FROM pg_enum WHERE enumtypid = to_regtype({literal(role_type)})"
        f" AND enumlabel = {literal(role)}) AS found"
    )
    return bool(rows[0]["found"])


def has_rule(session: Session, settings: Settings, folder: MigrationFolder) -> bool:
    """Whether contract's rule stands, finished or not."""
    users = qualified(settings, settings.database.user_table or "")
    rows = session.query(
        f"SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass({literal(users)})"
        f" AND conname = {literal(rule_of(folder))}) AS found"
    )
    return bool(rows[0]["found"])


def returned(session: Session, settings: Settings, folder: MigrationFolder) -> int:
    """How many people whom the migration had moved are in the old role again."""
    values = names(settings) | {"migration": literal(folder.name)}
    return int(session.query(fill_in(SHARED / "returned.sql", values))[0]["returned"])


def faults(
    session: Session, settings: Settings, folder: MigrationFolder, stage: str
) -> Sequence[str]:
    """What `checks.sql` finds after a stage, one line each."""
    question = check_question(folder, settings, stage)
    if not question:
        return []
    rows = session.query(f"SELECT asked.fault::text FROM ({question}\n) AS asked (fault)")
    return [f"{folder.name}: {row['fault']}" for row in rows if row["fault"] is not None]


def changed_files(folder: MigrationFolder, applied: LogEntry) -> dict[str, tuple[str, str]]:
    """The files of a stage that are not those that were applied: then and now, by name."""
    found = {}
    for name, then in applied.files.items():
        file = folder.path / name
        now = checksum(file) if file.is_file() else "no file"
        if now != then:
            found[name] = (then, now)
    return found


def refuse_changed(entries: Sequence[LogEntry], folder: MigrationFolder) -> None:
    """:raises DeployError: a file of a stage is not the one that was applied."""
    for stage in STAGES:
        applied = standing(entries, stage)
        for name, (then, now) in (changed_files(folder, applied) if applied else {}).items():
            raise DeployError(
                f"{folder.path / name} was changed after it had been applied: sha256 "
                f"{then[:SHORT]} then, {now[:SHORT]} now; bring it back as it was, and write "
                "what is new as a new migration",
                evidence=f"applied: sha256 {then}\n         {stage}, {applied}\n"
                f"now:     sha256 {now}",
                state="nothing was changed",
                next_command=f"git log -- {name}; then fab migration --new NAME",
            )


def refuse_unexpected(
    roles: Mapping[str, int], entries: Sequence[LogEntry], folder: MigrationFolder
) -> None:
    """Compare with what the migration expects, before its very first run only.

    :raises DeployError: users per role are not as expected.
    """
    expected = folder.roles.expect if folder.roles else {}
    begun = standing(entries, "expand") or any(
        entry.stage == "data" and entry.status == "COMPLETED" for entry in entries
    )
    if not expected or begun:  # later on, what was there before is the expectation
        return
    if {role: n for role, n in roles.items() if n} == {r: n for r, n in expected.items() if n}:
        return
    raise UnexpectedUsers(
        f"users per role are not as {folder.name} expects them",
        evidence=f"expected: {told(expected)}\nfound:    {told(roles)}",
        state="nothing was changed",
        next_command="find out who came or went, then correct roles.expect in "
        f"{folder.path / OWN_SETTINGS}",
    )
