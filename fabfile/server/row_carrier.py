"""Inserts rows of one database into another: many at once, and alone where one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .row_tables import RowTable, Texts, json_lists, typed
from .sql_session import DatabaseError, Session
from .sql_text import identifier

NO_PARENT = "23503"
_NOT_A_ROLE = "invalid input value for enum"


@dataclass(frozen=True)
class FoundRow:
    """A row to carry over.

    :param created: in UTC; empty where nothing says it.
    :param fresh: whether that is after the backup began; None where nothing says it.
    """

    key: Texts
    created: str
    fresh: bool | None


Work = list[tuple[RowTable, list[FoundRow]]]


@dataclass(frozen=True)
class Outcome:
    """What became of one row.

    :param reason: why it was refused, in PostgreSQL's words without the row; empty: inserted.
    :param code: the SQLSTATE with it.
    """

    table: RowTable
    row: FoundRow
    reason: str = ""
    code: str = ""


@dataclass(frozen=True)
class Carrier:
    """Two sessions, one on each database.

    :param former: where the rows are read.
    :param restored: where they are inserted, each batch committed by itself.
    """

    former: Session
    restored: Session

    def carry(self, work: Work) -> list[Outcome]:
        """Insert rows table by table; what lacked its parent again, as long as any one helps.

        :param work: tables with their rows, each in the order in which they go.
        :raises DatabaseError: the connection is gone.
        """
        settled: list[Outcome] = []
        while True:
            outcomes = [outcome for table, rows in work for outcome in self._table(table, rows)]
            orphans = [outcome for outcome in outcomes if outcome.code == NO_PARENT]
            settled += [outcome for outcome in outcomes if outcome.code != NO_PARENT]
            # In a circle of tables, the parents of some rows come after them.
            if not orphans or not any(not outcome.reason for outcome in outcomes):
                return [*settled, *orphans]
            work = [
                (table, [orphan.row for orphan in orphans if orphan.table is table])
                for table, _ in work
            ]

    def _table(self, table: RowTable, rows: Sequence[FoundRow]) -> Iterator[Outcome]:
        for start in range(0, len(rows), table.at_once):
            yield from self._batch(table, rows[start : start + table.at_once])

    def _batch(self, table: RowTable, rows: Sequence[FoundRow]) -> Iterator[Outcome]:
        content = self._content(table, rows)
        try:
            inserted = self._insert(table, content, "ON CONFLICT DO NOTHING")
        except DatabaseError as error:
            if not error.code:
                raise
            inserted = set()  # one of them is refused: which, and why, each alone will tell
        for row in rows:
            if shown(row.key) in inserted:
                yield Outcome(table, row)
            else:
                yield self._alone(table, row, content)

    def _alone(self, table: RowTable, row: FoundRow, content: dict[str, Texts]) -> Outcome:
        key = shown(row.key)
        try:
            # Without ON CONFLICT, so that PostgreSQL says with what.
            inserted = self._insert(table, {key: content[key]}, "")
        except DatabaseError as error:
            if not error.code:
                raise
            return Outcome(table, row, words(error), error.code)
        return Outcome(table, row, "" if inserted else "a trigger left it out")

    def _content(self, table: RowTable, rows: Sequence[FoundRow]) -> dict[str, Texts]:
        """The rows' columns by their keys, in the same order."""
        answer = self.former.query(
            f"SELECT {table.key_text} AS key, {table.row_text} AS content FROM {table.sql} AS t"
            f" WHERE ({table.key_columns}) IN (SELECT {typed(table.key, 'e')}"
            f" FROM jsonb_array_elements({json_lists(row.key for row in rows)}) AS e)"
        )
        content = {shown(row["key"]): row["content"] for row in answer}
        return {shown(row.key): content[shown(row.key)] for row in rows}

    def _insert(self, table: RowTable, content: dict[str, Texts], conflict: str) -> set[str]:
        """:returns: the keys of those that were inserted."""
        columns = ", ".join(identifier(column) for column, _ in table.columns)
        answer = self.restored.query(
            f"INSERT INTO {table.sql} AS t ({columns}) OVERRIDING SYSTEM VALUE"
            f" SELECT {typed(table.columns, 'e')}"
            f" FROM jsonb_array_elements({json_lists(content.values())}) AS e"
            f" {conflict} RETURNING {table.key_text} AS key"
        )
        return {shown(row["key"]) for row in answer}


def shown(key: Texts) -> str:
    """A key as a person reads it."""
    return str(key[0]) if len(key) == 1 else json.dumps(key, ensure_ascii=False)


def words(error: DatabaseError) -> str:
    """PostgreSQL's first line; where it would quote a value of the row, without that."""
    line = error.reason.removeprefix("the database says: ")
    quotes_a_value = error.code.startswith("22") and not line.startswith(_NOT_A_ROLE)
    return line.partition(': "')[0] if quotes_a_value else line
