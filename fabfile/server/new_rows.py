"""Carries rows over that were created after the backup: from the kept database to the live one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .backup import Backup
from .row_carrier import Carrier, FoundRow, Work, shown, words
from .row_tables import RowTable, json_lists, tables, typed
from .sql_session import DatabaseError, Session
from .sql_text import literal

if TYPE_CHECKING:
    from ..site import Site

PAGE = 10_000  # keys that are compared at once

# The same text for a value in both databases.
_EXACT = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET xmloption = 'content'
"""
# What people wrote does not belong in the database's own log; only a superuser may say so.
_QUIET = """
SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_duration = off;
SET log_min_duration_sample = -1; SET log_min_error_statement = 'panic';
SET log_error_verbosity = 'terse'
"""


@dataclass(frozen=True)
class NewRow:
    """What became of one new row, or of several of one table that stay in the kept database.

    :param key: its primary key; empty where the entry stands for several rows.
    :param created: in UTC; empty where the entry stands for several rows.
    :param reason: why it was not carried over; empty where it was.
    :param rows: how many rows the entry stands for; 0 where they could not be counted.
    """

    table: str
    key: str = ""
    created: str = ""
    reason: str = ""
    rows: int = 1

    @property
    def carried(self) -> bool:
        return not self.reason

    def __str__(self) -> str:
        if self.carried:
            return f"{self.table} {self.key}, created {self.created}"
        which = self.key or ("1 row" if self.rows == 1 else f"{self.rows or 'some'} rows")
        return f"{self.table} {which} not carried over: {self.reason}"


class NewRows:
    """The rows that the kept database has and the restored backup does not.

    Whole new rows only: what was changed or deleted since the backup is not done again. A
    trigger fires as on any insert, so what a new row set off once is set off again. Columns that
    the backup's table does not have stay in the kept database. Rows pass through this process's
    memory only, never over a disk or a command line.

    :param backup: what was restored.
    :param kept: the database that was live until then.
    """

    def __init__(self, site: Site, backup: Backup, kept: str) -> None:
        self.site = site
        self.kept = kept
        # A row's own time is its transaction's, of which the backup may not have seen the end.
        began = backup.began and f"{literal(backup.began)}::timestamptz - interval '1 minute'"
        self.since = began or "'-infinity'::timestamptz"

    def carry_over(self) -> list[NewRow]:
        """Insert the new rows, parents first, in the order of their creation.

        A row that cannot be inserted is left out alone. A second run carries what is not there.

        :returns: an entry for each new row, and one for each table that has rows which stay.
        :raises DatabaseError: the connection is gone; what was carried until then is there.
        """
        database, release = self.site.database, self.site.release
        limit = self.site.settings.ssh.build_timeout
        with (
            database.other(self.kept).session(release, statement_limit=limit) as former,
            database.session(release, statement_limit=limit) as restored,
        ):
            former.execute(_EXACT)
            restored.execute(_EXACT)
            with contextlib.suppress(DatabaseError):
                restored.execute(_QUIET)
            work, staying = self._look(former, restored)
            outcomes = Carrier(former, restored).carry(work)
        return [
            NewRow(outcome.table.name, shown(outcome.row.key), outcome.row.created, outcome.reason)
            for outcome in outcomes
        ] + staying

    def _look(self, former: Session, restored: Session) -> tuple[Work, list[NewRow]]:
        """What to carry, and what stays."""
        work: Work = []
        staying: list[NewRow] = []
        for table in tables(restored, former, self.site.settings.database.created_column):
            if not table.key:
                more = _count(former, table) - _count(restored, table)
                if more > 0:
                    staying.append(NewRow(table.name, reason="it has no primary key", rows=more))
                continue
            try:
                found = list(self._missing(former, restored, table))
            except DatabaseError as error:  # a type that has changed, for instance
                if not error.code:
                    raise
                staying.append(NewRow(table.name, reason=words(error), rows=0))
                continue
            staying += _staying(table, found)
            fresh = [row for row in found if row.fresh]
            work.append((table, sorted(fresh, key=lambda row: row.created)))
        return work, staying

    def _missing(self, former: Session, restored: Session, table: RowTable) -> Iterator[FoundRow]:
        """The rows whose key the restored database does not have, in the key's order."""
        created = table.created or "NULL::timestamptz"
        after = ""
        while page := former.query(
            f"SELECT {table.key_text} AS key, {created} >= {self.since} AS fresh, to_char({created}"
            """ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created"""
            f" FROM {table.sql} AS t {after} ORDER BY {table.key_columns} LIMIT {PAGE}"
        ):
            places = restored.query(
                "SELECT e.place - 1 AS place FROM jsonb_array_elements("
                f"{json_lists(row['key'] for row in page)}) WITH ORDINALITY AS e (key, place)"
                f" WHERE NOT EXISTS (SELECT FROM {table.sql} AS t"
                f" WHERE ({table.key_columns}) = ({typed(table.key, 'e.key')})) ORDER BY 1"
            )
            for row in (page[entry["place"]] for entry in places):
                yield FoundRow(row["key"], row["created"] or "", row["fresh"])
            last = f"({json_lists([page[-1]['key']])}::jsonb->0)"
            after = f"WHERE ({table.key_columns}) > ({typed(table.key, last)})"


def _staying(table: RowTable, found: Sequence[FoundRow]) -> Iterator[NewRow]:
    """New rows that are not carried over, and why."""
    untimed = sum(row.fresh is None for row in found)
    if untimed and table.created:
        yield NewRow(table.name, reason="they do not say when they were created", rows=untimed)
    elif untimed:
        yield NewRow(table.name, reason="no column says when they were created", rows=untimed)
    older = sum(row.fresh is False for row in found)
    if older:
        yield NewRow(table.name, reason="by their own time they are older", rows=older)


def _count(session: Session, table: RowTable) -> int:
    return int(session.query(f"SELECT count(*) AS number FROM {table.sql}")[0]["number"])
