"""What the database itself says of its migrations: the append-only table migration_log."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .ledger import operator
from .sql_session import Session
from .sql_text import SHARED, fill_in, literal

LOG_FILE = SHARED / "migration-log.sql"
COPIED_AT_ONCE = 500  # entries
# Advances the ids where the log was created just now.
_IDS_AHEAD = """
SELECT setval(ids, last) FROM (
    SELECT pg_get_serial_sequence('migration_log', 'id')::regclass AS ids, max(id) AS last
      FROM migration_log) AS newest
 WHERE last > coalesce(pg_sequence_last_value(ids), 0)
"""


@dataclass(frozen=True)
class LogEntry:
    """One event of a migration."""

    id: int
    release: str
    stage: str
    status: str
    time: str
    who: str
    host: str
    checksum: str
    backup_sha256: str
    counts_before: dict[str, Any]
    counts_after: dict[str, Any]
    detail: str

    def __str__(self) -> str:
        return f"release {self.release} by {self.who}@{self.host}, {self.time}"


class MigrationLog:
    """The log of one migration.

    :param name: the migration's name.
    """

    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self.name = name

    def prepare(self) -> None:
        """Create the tables where they are missing, in a transaction of their own."""
        self.session.execute(fill_in(LOG_FILE, {}))

    def exists(self) -> bool:
        found = self.session.query(
            "SELECT to_regclass('migration_log') IS NOT NULL"
            " AND to_regclass('user_backup_pre_migration') IS NOT NULL AS found"
        )
        return bool(found[0]["found"])

    def entries(self) -> list[LogEntry]:
        """Every entry of this migration, oldest first; none where there is no log yet."""
        if not self.exists():
            return []
        rows = self.session.query(
            "SELECT id, release, stage, status, to_char(started_at, 'YYYY-MM-DD HH24:MI:SS TZ')"
            " AS time, coalesce(who, '') AS who, coalesce(host, '') AS host,"
            " coalesce(checksum, '') AS checksum, coalesce(backup_sha256, '') AS backup_sha256,"
            " coalesce(counts_before, '{}') AS counts_before,"
            " coalesce(counts_after, '{}') AS counts_after, coalesce(detail, '') AS detail"
            f" FROM migration_log WHERE migration_name = {literal(self.name)} ORDER BY id"
        )
        return [LogEntry(**row) for row in rows]

    def add(
        self,
        stage: str,
        status: str,
        release: str,
        *,
        file: str | None = None,
        checksum: str | None = None,
        backup_sha256: str | None = None,
        counts_before: dict[str, Any] | None = None,
        counts_after: dict[str, Any] | None = None,
        detail: str | None = None,
    ) -> None:
        """Append one entry, committed alone."""
        columns: dict[str, str | None] = {
            "migration_name": self.name,
            "release": release,
            "stage": stage,
            "status": status,
            "file": file,
            "checksum": checksum,
            "who": operator(),
            "host": socket.gethostname(),
            "backup_sha256": backup_sha256,
            "counts_before": as_json(counts_before),
            "counts_after": as_json(counts_after),
            "detail": detail,
        }
        values = ", ".join(literal(value) for value in columns.values())
        self.session.execute(f"INSERT INTO migration_log ({', '.join(columns)}) VALUES ({values})")

    def take_over(self, former: Session) -> int:
        """Bring what another database's log says into this one: a restore has rewound it.

        The entries of every migration, with their ids, all or none. Those that are there already
        stay as they are, so it may be run again.

        :param former: on the database that was live, whose log goes on further.
        :returns: how many entries came.
        """
        found = former.query("SELECT to_regclass('migration_log') IS NOT NULL AS found")
        if not found[0]["found"]:
            return 0
        self.prepare()
        self.session.execute("BEGIN")
        came, last = 0, 0
        while rows := former.query(
            f"SELECT id, to_jsonb(l)::text AS entry FROM migration_log AS l WHERE id > {last}"
            f" ORDER BY id LIMIT {COPIED_AT_ONCE}"
        ):
            last = rows[-1]["id"]
            entries = literal(f"[{','.join(row['entry'] for row in rows)}]")
            came += len(
                self.session.query(
                    "INSERT INTO migration_log OVERRIDING SYSTEM VALUE"
                    f" SELECT * FROM jsonb_populate_recordset(NULL::migration_log, {entries})"
                    " ON CONFLICT (id) DO NOTHING RETURNING id"
                )
            )
        self.session.execute(f"{_IDS_AHEAD}; COMMIT")
        return came


def as_json(counts: dict[str, Any] | None) -> str | None:
    return None if counts is None else json.dumps(counts, sort_keys=True)


def standing(entries: Sequence[LogEntry], stage: str) -> LogEntry | None:
    """The COMPLETED entry of a stage that still holds: neither reversed nor rolled back since."""
    holds: LogEntry | None = None
    for entry in entries:
        whole_database = entry.status == "ROLLED_BACK"
        if whole_database or (entry.stage == stage and entry.status == "REVERSED"):
            holds = None
        elif entry.stage == stage and entry.status == "COMPLETED":
            holds = entry
    return holds


def cut_off(entries: Sequence[LogEntry], stage: str) -> LogEntry | None:
    """A stage's STARTED entry after which nothing came: its operator died."""
    mine = [entry for entry in entries if entry.stage == stage]
    return mine[-1] if mine and mine[-1].status == "STARTED" else None
