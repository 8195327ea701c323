"""What the database itself says of its migrations: the append-only table migration_log."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .ledger import operator
from .migration_folder import STAGES
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
    """One event of a migration.

    :param files: the sha256 of each file that the stage was made of, by its name.
    :param stands: of ROLLED_BACK: each stage that the restored database has, with its entry's id.
    """

    id: int
    release: str
    stage: str
    status: str
    time: str
    who: str
    host: str
    files: dict[str, str]
    backup_sha256: str
    counts_before: dict[str, Any]
    counts_after: dict[str, Any]
    stands: dict[str, int]
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
        return self.every().get(self.name, [])

    def every(self) -> dict[str, list[LogEntry]]:
        """The entries of every migration, by its name, oldest first."""
        if not self.exists():
            return {}
        rows = self.session.query(
            "SELECT migration_name, id, release, stage, status,"
            " to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS time,"
            " coalesce(who, '') AS who, coalesce(host, '') AS host, coalesce(files, '{}') AS files,"
            " coalesce(backup_sha256, '') AS backup_sha256,"
            " coalesce(counts_before, '{}') AS counts_before,"
            " coalesce(counts_after, '{}') AS counts_after,"
            " coalesce(stands, '{}') AS stands, coalesce(detail, '') AS detail"
            " FROM migration_log ORDER BY id"
        )
        found: dict[str, list[LogEntry]] = {}
        for row in rows:
            found.setdefault(row.pop("migration_name"), []).append(LogEntry(**row))
        return found

    def add(self, stage: str, status: str, release: str, **detail: Any) -> None:
        """Append one entry, committed alone.

        :param detail: as `insertion` takes it.
        """
        self.session.execute(insertion(self.name, stage, status, release, **detail))

    def take_over(self, former: Session, release: str, detail: str, known: Iterable[str]) -> int:
        """Bring what another database's log says into this one, which a restore has rewound; and
        add ROLLED_BACK for each migration, with the stages that this database has.

        All or none of it, so it may be run again: entries that are there already stay as they are.

        :param former: on the database that was live, whose log goes on further.
        :param detail: what was restored.
        :param known: migrations that get their entry though no log knows them.
        :returns: how many entries came.
        """
        self.prepare()
        here = self.every()
        self.session.execute("BEGIN")
        came = self._copy(former)
        for name in sorted({*self.every(), *known}):
            found = ((stage, standing(here.get(name, []), stage)) for stage in STAGES)
            stands = {stage: entry.id for stage, entry in found if entry}
            self.session.execute(
                insertion(name, "all", "ROLLED_BACK", release, stands=stands, detail=detail)
            )
        self.session.execute("COMMIT")
        return came

    def _copy(self, former: Session) -> int:
        found = former.query("SELECT to_regclass('migration_log') IS NOT NULL AS found")
        came, last = 0, 0
        while found[0]["found"] and (
            rows := former.query(
                "SELECT id, to_jsonb(l)::text AS entry FROM migration_log AS l"
                f" WHERE id > {last} ORDER BY id LIMIT {COPIED_AT_ONCE}"
            )
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
        self.session.execute(_IDS_AHEAD)
        return came


def insertion(
    name: str,
    stage: str,
    status: str,
    release: str,
    *,
    files: Mapping[str, str] | None = None,
    backup_sha256: str | None = None,
    counts_before: Mapping[str, Any] | None = None,
    counts_after: Mapping[str, Any] | None = None,
    stands: Mapping[str, int] | None = None,
    detail: str | None = None,
) -> str:
    """SQL that appends one entry.

    :param name: the migration's.
    """
    columns: dict[str, str | None] = {
        "migration_name": name,
        "release": release,
        "stage": stage,
        "status": status,
        "files": _as_json(files),
        "who": operator(),
        "host": socket.gethostname(),
        "backup_sha256": backup_sha256,
        "counts_before": _as_json(counts_before),
        "counts_after": _as_json(counts_after),
        "stands": _as_json(stands),
        "detail": detail,
    }
    values = ", ".join(literal(value) for value in columns.values())
    return f"INSERT INTO migration_log ({', '.join(columns)}) VALUES ({values})"


def _as_json(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, sort_keys=True)


def standing(entries: Sequence[LogEntry], stage: str) -> LogEntry | None:
    """The COMPLETED entry of a stage that still holds: neither reversed nor rolled back since."""
    holds: LogEntry | None = None
    for entry in entries:
        if entry.status == "ROLLED_BACK":
            kept = entry.stands.get(stage)
            holds = next((one for one in entries if one.id == kept), None)
        elif entry.stage == stage and entry.status == "REVERSED":
            holds = None
        elif entry.stage == stage and entry.status == "COMPLETED":
            holds = entry
    return holds


def cut_off(entries: Sequence[LogEntry], stage: str) -> LogEntry | None:
    """A stage's STARTED entry after which nothing came: its operator died."""
    mine = [entry for entry in entries if entry.stage == stage]
    return mine[-1] if mine and mine[-1].status == "STARTED" else None
