"""Which table has the users, their roles, their sessions. Pure; the SQL is run elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .facts import Facts

USUAL_SCHEMA = "public"
# Every table, as one JSON list.
SQL = """
SELECT coalesce(json_agg(json_build_object(
  'schema', n.nspname,
  'name', c.relname,
  'seen', pg_table_is_visible(c.oid),
  'columns', (SELECT json_object_agg(a.attname, CASE t.typtype WHEN 'e' THEN t.typname END)
                FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'foreign_types', (SELECT json_agg(t.typname)
                      FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND t.typtype = 'e'
                       AND t.typnamespace <> c.relnamespace),
  'key', (SELECT min(a.attname::text) FROM pg_index AS i
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
           WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1),
  'refers', (SELECT json_object_agg(a.attname, o.relname)
               FROM pg_constraint AS f
               JOIN pg_class AS o ON o.oid = f.confrelid AND o.relnamespace = c.relnamespace
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = f.conkey[1]
              WHERE f.conrelid = c.oid AND f.contype = 'f')
) ORDER BY n.nspname, c.relname), '[]')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
"""

_USERS = (
    *("user", "users", "app_user", "app_users", "auth_user", "account", "accounts"),
    *("member", "members", "customer", "customers", "person", "people", "profile", "profiles"),
)
_SESSIONS = ("session", "sessions", "user_session", "user_sessions", "usersession", "auth_session")
_ROLES = ("role", "user_role", "userrole", "kind", "account_type", "user_type", "level")
_CREATED = ("createdat", "created_at", "created", "created_on", "date_joined", "inserted_at")
_UPDATED = ("updatedat", "updated_at", "updated", "updated_on", "modified_at", "modified")


@dataclass(frozen=True)
class Table:
    """One table.

    :param columns: by name, with the name of the enum type where the column has one.
    :param refers: columns that refer to another table of the same schema, with its name.
    :param seen: it is found without naming its schema.
    :param foreign_types: enum types of its columns that another schema has.
    """

    name: str
    columns: dict[str, str | None]
    key: str | None
    refers: dict[str, str]
    schema: str = USUAL_SCHEMA
    seen: bool = True
    foreign_types: tuple[str, ...] = ()


def parse(rows: Sequence[dict[str, Any]]) -> list[Table]:
    """The tables of the query's answer."""
    return [
        Table(
            row["name"],
            row["columns"] or {},
            row["key"],
            row["refers"] or {},
            schema=row["schema"],
            seen=row["seen"],
            foreign_types=tuple(row["foreign_types"] or ()),
        )
        for row in rows
    ]


def add_tables(facts: Facts, tables: Sequence[Table], origin: str) -> None:
    """Note what the settings ask of the tables; null where there is none."""
    # What is found without its schema is what the site itself finds, unless it says otherwise.
    found = _users([t for t in tables if t.seen]) or _users([t for t in tables if not t.seen])
    if found is None:
        facts.add("database.user_table", None, f"{origin}: none that looks like users")
        facts.add("database.role_column", None, "none")
        facts.add("database.role_type", None, "none")
        facts.add("database.session_table", None, "not looked for without users")
        return
    users, role = found
    role_type = users.columns[role] if role else None
    _add_schema(facts, tables, users, role_type)
    facts.add("database.user_table", users.name, origin)
    facts.add("database.user_id", users.key or "id", f"primary key of {users.name}")
    facts.add("database.role_column", role, f"a column of {users.name}" if role else "none")
    facts.add("database.role_type", role_type, "its type" if role_type else "no enum")
    for setting, usual in (("updated_column", _UPDATED), ("created_column", _CREATED)):
        column = next((c for c in users.columns if c.lower() in usual), None)
        facts.add(f"database.{setting}", column, f"a column of {users.name}" if column else "none")
    _add_sessions(facts, tables, users, origin)


def _add_schema(facts: Facts, tables: Sequence[Table], users: Table, role_type: str | None) -> None:
    """Where another schema than the usual one has them; the type's must be the tables'."""
    if role_type in users.foreign_types and users.seen:
        return  # found without it, both of them
    if role_type in users.foreign_types:
        facts.add(
            "database.role_type", None, "none that can be named: in another schema than users"
        )
    others = [t.schema for t in tables if t.name == users.name and t is not users]
    if users.schema != USUAL_SCHEMA or others:
        also = f"; {', '.join(others)} has such a table too" if others else ""
        facts.add("database.schema", users.schema, f"where {users.name} is{also}")


def _users(tables: Sequence[Table]) -> tuple[Table, str | None] | None:
    """The users' table with its role column, if it has one: by an enum of roles, else by name."""
    likely = [table for table in tables if table.name.lower() in _USERS]
    likely.sort(key=lambda table: _USERS.index(table.name.lower()))
    for table in [*likely, *tables]:
        for column, enum in table.columns.items():
            if enum and ("role" in enum.lower() or (column.lower() in _ROLES and table in likely)):
                return table, column
    for table in likely:
        for column in table.columns:
            if column.lower() in ("role", "user_role"):
                return table, column
    return (likely[0], None) if likely else None


def _add_sessions(facts: Facts, tables: Sequence[Table], users: Table, origin: str) -> None:
    for table in [table for table in tables if table.schema == users.schema]:
        owner = next((c for c, other in table.refers.items() if other == users.name), None)
        if table.name.lower() in _SESSIONS and owner:
            facts.add("database.session_table", table.name, origin)
            facts.add("database.session_user", owner, f"refers to {users.name}")
            return
    facts.add("database.session_table", None, "no table of sessions that refers to users")
