"""What a database has beside its contents: an archive that is read into another one lacks it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import DeployError
from .sql_session import Session
from .sql_text import identifier, literal

_READ = """
SELECT to_jsonb(d) AS entry, pg_get_userbyid(d.datdba) AS owner,
       pg_encoding_to_char(d.encoding) AS encoding,
       (SELECT spcname FROM pg_tablespace AS t WHERE t.oid = d.dattablespace) AS tablespace,
       shobj_description(d.oid, 'pg_database') AS comment,
       CASE WHEN d.datacl IS NOT NULL THEN
           (SELECT coalesce(json_agg(json_build_object(
                        'what', a.privilege_type, 'grantable', a.is_grantable,
                        'to', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END)), '[]')
              FROM aclexplode(d.datacl) AS a) END AS grants,
       (SELECT coalesce(json_agg(json_build_object(
                    'values', s.setconfig,
                    'role', CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END)), '[]')
          FROM pg_db_role_setting AS s WHERE s.setdatabase = d.oid) AS settings
  FROM pg_database AS d WHERE d.datname = {name}
"""
# PostgreSQL keeps these as a list of quoted names; extensions may not add any.
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",]*?))\s*(?:,|$)')


@dataclass(frozen=True)
class Properties:
    """One database's properties.

    :param entry: its row of pg_database, whose columns differ from version to version.
    :param grants: its access rights; None where nobody ever changed them.
    :param settings: `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE … SET`.
    """

    entry: dict[str, Any]
    owner: str
    encoding: str
    tablespace: str
    comment: str | None
    grants: list[dict[str, Any]] | None
    settings: list[dict[str, Any]]

    @classmethod
    def of(cls, session: Session, name: str) -> Properties:
        """:raises DeployError: there is no such database."""
        rows = session.query(_READ.format(name=literal(name)))
        if not rows:
            raise DeployError(f"there is no database {name}")
        return cls(**rows[0])

    def creation(self, name: str) -> str:
        """`CREATE DATABASE` of an empty one like it; a statement that must be sent alone."""
        parts = [
            f"CREATE DATABASE {identifier(name)} TEMPLATE template0",
            f"OWNER {identifier(self.owner)}",
            f"ENCODING {literal(self.encoding)}",
            f"LC_COLLATE {literal(self.entry['datcollate'])}",
            f"LC_CTYPE {literal(self.entry['datctype'])}",
            *self._locale(),
        ]
        if self.tablespace != "pg_default":
            parts.append(f"TABLESPACE {identifier(self.tablespace)}")
        return " ".join(parts)

    def _locale(self) -> Iterator[str]:
        # Version 15 has ICU for a whole database, 16 its rules, 17 a provider of its own.
        provider = self.entry.get("datlocprovider", "c")
        locale = self.entry.get("datlocale") or self.entry.get("daticulocale")
        if provider == "i":
            yield f"LOCALE_PROVIDER icu ICU_LOCALE {literal(locale)}"
            if self.entry.get("daticurules"):
                yield f"ICU_RULES {literal(self.entry['daticurules'])}"
        elif provider == "b":
            yield f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(locale)}"

    def access(self, name: str) -> str:
        """SQL that gives a new database the same access rights; empty for the usual ones."""
        if self.grants is None:
            return ""
        on = f"ON DATABASE {identifier(name)}"
        lines = [f"REVOKE ALL {on} FROM {to};" for to in ("PUBLIC", identifier(self.owner))]
        for grant in self.grants:
            to = "PUBLIC" if grant["to"] is None else identifier(grant["to"])
            option = " WITH GRANT OPTION" if grant["grantable"] else ""
            lines.append(f"GRANT {grant['what']} {on} TO {to}{option};")
        return "\n".join(lines)

    def rest(self, name: str) -> str:
        """SQL that gives a filled database the same settings, connection limit and comment."""
        lines = [
            f"ALTER DATABASE {identifier(name)} CONNECTION LIMIT {self.entry['datconnlimit']};",
            f"COMMENT ON DATABASE {identifier(name)} IS {literal(self.comment)};",
        ]
        for entry in self.settings:
            whose = f"ALTER DATABASE {identifier(name)}"
            if entry["role"] is not None:
                whose = f"ALTER ROLE {identifier(entry['role'])} IN DATABASE {identifier(name)}"
            lines += [f"{whose} SET {_assignment(value)};" for value in entry["values"]]
        return "\n".join(lines)


def _assignment(stored: str) -> str:
    """`name=value` of pg_db_role_setting as `ALTER … SET` wants it."""
    name, _, value = stored.partition("=")
    parts = [value]
    if name.lower() in _LISTS:
        # As one literal, a list would become a single name.
        parts = list(_list_items(value))
    quoted = ".".join(identifier(part) for part in name.split("."))
    return f"{quoted} TO {', '.join(literal(part) for part in parts)}"


def _list_items(value: str) -> Iterator[str]:
    for match in _ITEM.finditer(value):
        if match.end() > match.start() or not value:
            yield match[2] if match[1] is None else match[1].replace('""', '"')
