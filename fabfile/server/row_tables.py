"""Tables as whoever carries rows from one database to another must know them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .loss import OWN
from .sql_session import Session
from .sql_text import identifier, literal

Texts = list[str | None]  # a row or a key: each column as PostgreSQL writes it
AT_ONCE = 200  # rows in one statement
BYTES_AT_ONCE = 4_000_000

# A type's name without its length: a cast to varchar(10) would cut what an assignment refuses.
_TABLES = """
SELECT n.nspname AS schema, c.relname AS name, c.oid::bigint AS oid,
       (SELECT coalesce(json_agg(json_build_array(a.attname, format_type(a.atttypid, -1))
                                 ORDER BY k.place), '[]')
          FROM pg_index AS i, unnest(i.indkey) WITH ORDINALITY AS k (attnum, place),
               pg_attribute AS a
         WHERE i.indrelid = c.oid AND i.indisprimary
           AND a.attrelid = c.oid AND a.attnum = k.attnum) AS key,
       (SELECT coalesce(json_agg(json_build_array(a.attname, format_type(a.atttypid, -1))
                                 ORDER BY a.attnum), '[]')
          FROM pg_attribute AS a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           AND a.attgenerated = '') AS columns,
       (SELECT coalesce(json_agg(DISTINCT k.confrelid::bigint), '[]')
          FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'f') AS parents,
       pg_table_size(c.oid) / greatest(c.reltuples::bigint, 1) AS row_bytes
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2
"""
_IN_UTC = {
    "timestamp with time zone": "{}",
    "timestamp without time zone": "({} AT TIME ZONE 'UTC')",
    "date": "({}::timestamp AT TIME ZONE 'UTC')",
}


@dataclass(frozen=True)
class RowTable:
    """One table.

    :param key: its primary key's columns, each with its type as SQL writes it; empty for none.
    :param columns: all columns that are not generated, in the same way.
    :param created: SQL for the moment a row was created; empty where no column says it.
    :param at_once: rows for one statement.
    """

    name: str
    sql: str
    key: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    created: str
    at_once: int

    @property
    def key_columns(self) -> str:
        return ", ".join(f"t.{identifier(column)}" for column, _ in self.key)

    @property
    def key_text(self) -> str:
        """SQL for a row's key as a list of texts."""
        return _texts(self.key)

    @property
    def row_text(self) -> str:
        """SQL for a whole row as a list of texts: exact for every type, as COPY is."""
        return _texts(self.columns)


def tables(restored: Session, former: Session, created_column: str | None) -> list[RowTable]:
    """The tables that both databases have, parents before those that refer to them.

    :param restored: the database that gets rows; its keys and types count.
    :param former: the database that they come from.
    """
    theirs = {(row["schema"], row["name"]): row for row in former.query(_TABLES)}
    mine = {
        row["oid"]: row
        for row in restored.query(_TABLES)
        if (row["schema"], row["name"]) in theirs and row["name"] not in OWN
    }
    found = []
    for oid in parents_first({oid: row["parents"] for oid, row in mine.items()}):
        row = mine[oid]
        other = theirs[row["schema"], row["name"]]
        both = {column for column, _ in other["columns"]}
        types = dict(row["columns"])
        created = types.get(created_column, "") if created_column in both else ""
        template = _IN_UTC.get(created, "")
        found.append(
            RowTable(
                name=f"{row['schema']}.{row['name']}",
                sql=f"{identifier(row['schema'])}.{identifier(row['name'])}",
                key=tuple((column, kind) for column, kind in row["key"]),
                columns=tuple((c, kind) for c, kind in row["columns"] if c in both),
                created=template.format(f"t.{identifier(created_column or '')}"),
                at_once=max(1, min(AT_ONCE, BYTES_AT_ONCE // max(other["row_bytes"], 1))),
            )
        )
    return found


def parents_first(parents: Mapping[int, Iterable[int]]) -> list[int]:
    """Every table after those that it refers to.

    Of a circle, the first in the mapping's order goes first: the same each time.

    :param parents: for each table the tables that it refers to.
    """
    left = {table: {*mine} & {*parents} - {table} for table, mine in parents.items()}
    order: list[int] = []
    while left:
        free = next((table for table, mine in left.items() if not mine), next(iter(left)))
        order.append(free)
        del left[free]
        for mine in left.values():
            mine.discard(free)
    return order


def typed(columns: Iterable[tuple[str, str]], source: str) -> str:
    """SQL that reads a JSON list of texts as columns.

    :param source: SQL for the list.
    """
    return ", ".join(f"({source}->>{place})::{kind}" for place, (_, kind) in enumerate(columns))


def _texts(columns: Iterable[tuple[str, str]]) -> str:
    texts = ", ".join(f"t.{identifier(column)}::text" for column, _ in columns)
    return f"ARRAY[{texts}]::text[]"


def json_lists(rows: Iterable[Texts]) -> str:
    """Lists of texts as one SQL literal."""
    return literal(json.dumps([*rows], ensure_ascii=False))
