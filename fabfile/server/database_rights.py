"""What the site's database user may do: a restore makes databases, a migration alters tables."""

from __future__ import annotations

from dataclasses import dataclass

from .database import Database

_USER = """
SELECT rolname AS name, rolsuper AS superuser, rolcreatedb AS creates
FROM pg_roles WHERE rolname = current_user
"""
# Tables, sequences, views and enum types that are somebody else's.
_NOT_OWNED = r"""
SELECT format('%I.%I', n.nspname, o.name) AS name
FROM (SELECT relname AS name, relnamespace AS space, relowner AS owner
        FROM pg_class WHERE relkind IN ('r', 'p', 'S', 'v', 'm')
      UNION ALL
      SELECT typname, typnamespace, typowner FROM pg_type WHERE typtype = 'e') AS o
JOIN pg_namespace AS n ON n.oid = o.space
WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND NOT pg_has_role(current_user, o.owner, 'USAGE')
ORDER BY 1
"""


@dataclass(frozen=True)
class Rights:
    """The rights of the user that the tasks sign in as.

    :param creates: may create databases.
    :param not_owned: tables and types of the site that are another role's.
    """

    user: str
    superuser: bool
    creates: bool
    not_owned: tuple[str, ...]


def read_rights(database: Database) -> Rights:
    """:raises DatabaseError: the database cannot be reached."""
    with database.session() as session:
        [user] = session.query(_USER)
        foreign = session.query(_NOT_OWNED)
    return Rights(
        user=user["name"],
        superuser=bool(user["superuser"]),
        creates=bool(user["creates"] or user["superuser"]),
        not_owned=tuple(row["name"] for row in foreign),
    )
