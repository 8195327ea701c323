"""Which table has the users, their roles, their sessions. Pure; the SQL is run elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .facts import Facts

# Every table that is seen without its schema, as one JSON list.
SQL = """
SELECT coalesce(json_agg(json_build_object(
  'name', c.relname,
  'columns', (SELECT json_object_agg(a.attname, CASE t.typtype WHEN 'e' THEN t.typname END)
                FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'key', (SELECT min(a.attname::text) FROM pg_index AS i
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
           WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1),
  'refers', (SELECT json_object_agg(a.attname, f.confrelid::regclass::text)
               FROM pg_constraint AS f
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = f.conkey[1]
              WHERE f.conrelid = c.oid AND f.contype = 'f')
) ORDER BY c.relname), '[]')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
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
    :param refers: columns that refer to another table, with its name as SQL writes it.
    """

    name: str
    columns: dict[str, str | None]
    key: str | None
    refers: dict[str, str]


def parse(rows: Sequence[dict[str, Any]]) -> list[Table]:
    """The tables of the query's answer."""
    return [
        Table(row["name"], row["columns"] or {}, row["key"], row["refers"] or {}) for row in rows
    ]


def add_tables(facts: Facts, tables: Sequence[Table], origin: str) -> None:
    """Note what the settings ask of the tables; null where there is none."""
    found = _users(tables)
    if found is None:
        facts.add("database.user_table", None, f"{origin}: none that looks like users")
        facts.add("database.role_column", None, "none")
        facts.add("database.role_type", None, "none")
        facts.add("database.session_table", None, "not looked for without users")
        return
    users, role = found
    facts.add("database.user_table", users.name, origin)
    facts.add("database.user_id", users.key or "id", f"primary key of {users.name}")
    facts.add("database.role_column", role, f"a column of {users.name}" if role else "none")
    role_type = users.columns[role] if role else None
    facts.add("database.role_type", role_type, "its type" if role_type else "no enum")
    for setting, usual in (("updated_column", _UPDATED), ("created_column", _CREATED)):
        column = next((c for c in users.columns if c.lower() in usual), None)
        facts.add(f"database.{setting}", column, f"a column of {users.name}" if column else "none")
    _add_sessions(facts, tables, users, origin)


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
    quoted = (users.name, f'"{users.name}"')
    for table in tables:
        owner = next((c for c, other in table.refers.items() if other in quoted), None)
        if table.name.lower() in _SESSIONS and owner:
            facts.add("database.session_table", table.name, origin)
            facts.add("database.session_user", owner, f"refers to {users.name}")
            return
    facts.add("database.session_table", None, "no table of sessions that refers to users")
