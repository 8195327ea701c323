"""One snapshot of the database, exported for pg_dump, with everything counted in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from .database import Database
from .people import counts
from .sql_session import Session
from .sql_text import identifier, literal

_TABLES = """
SELECT n.nspname AS schema, c.relname AS name
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 ORDER BY 1, 2
"""
_ACTIVITY = """
SELECT schemaname || '.' || relname AS name,
       n_tup_ins AS inserted, n_tup_upd AS updated, n_tup_del AS deleted
  FROM pg_stat_user_tables ORDER BY 1
"""
_STATE = """
SELECT pg_export_snapshot() AS id, pg_current_wal_lsn()::text AS lsn,
       pg_database_size(current_database()) AS size,
       split_part(current_setting('server_version'), ' ', 1) AS version,
       to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS began,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS oid
"""


@dataclass(frozen=True)
class Snapshot:
    """What the database held at one moment.

    :param id: for `pg_dump --snapshot`, while the snapshot's transaction is open.
    :param began: its transaction's beginning, by the database's clock, in UTC.
    :param oid: the database's number: after a restore another database has its name.
    :param activity: rows inserted, updated and deleted in each table since its statistics began.
    """

    id: str
    lsn: str
    size: int
    version: str
    began: str
    oid: int
    counts: dict[str, int]
    roles: dict[str, int]
    sessions: int
    activity: dict[str, dict[str, int]]


@contextlib.contextmanager
def taken(database: Database, release: str, *, idle_limit: float) -> Iterator[Snapshot]:
    """A snapshot that others may use until the block ends.

    :param idle_limit: seconds that the longest use of it may take.
    :raises DatabaseError: the database refuses; a table may have gone meanwhile.
    """
    with database.session(release, idle_limit=idle_limit) as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        state = session.query(_STATE)[0]
        counted = counts(session, database.settings)
        activity = table_activity(session)
        yield Snapshot(
            **state,
            counts=table_counts(session),
            roles=counted["roles"],
            sessions=counted["sessions"],
            activity=activity,
        )
        session.execute("COMMIT")


def table_counts(session: Session) -> dict[str, int]:
    """The rows of every table, as `schema.table`, in one statement and so at one moment."""
    counts = [
        f"SELECT {literal(row['schema'] + '.' + row['name'])} AS name, count(*) AS number"
        f" FROM {identifier(row['schema'])}.{identifier(row['name'])}"
        for row in session.query(_TABLES)
    ]
    if not counts:
        return {}
    return {row["name"]: row["number"] for row in session.query(" UNION ALL ".join(counts))}


def table_activity(session: Session) -> dict[str, dict[str, int]]:
    """Rows inserted, updated and deleted in each `schema.table` since its statistics began."""
    return {row.pop("name"): row for row in session.query(_ACTIVITY)}
