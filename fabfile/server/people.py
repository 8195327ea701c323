"""The site's users and sessions in figures; a site may have neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..settings import Settings
from .sql_session import Session
from .sql_text import SHARED, fill_in, names

NO_USERS = "no user table (database.user_table is empty)"
NO_ROLES = "users, no roles (database.role_column is empty)"


@dataclass(frozen=True)
class People:
    """Users and sessions at one moment.

    :param known: False where the site has no user table.
    :param users: how many there are, whatever their role.
    :param roles: users per role; empty where they have none.
    """

    known: bool
    users: int
    roles: Mapping[str, int]
    sessions: int

    def __str__(self) -> str:
        """`2 LEARNER, 2 ADMIN`, or why there is nothing to count."""
        if not self.known:
            return NO_USERS
        return told(self.roles) if self.roles or not self.users else f"{self.users} {NO_ROLES}"

    @property
    def line(self) -> str:
        """The summaries' line on them."""
        return f"• Total users: {self.users} ({self})" if self.known else f"• Users: {self}"


def counts(session: Session, settings: Settings) -> dict[str, Any]:
    """Users, users per role, sessions, and a digest of the sessions of each user."""
    return session.query(fill_in(SHARED / "counts.sql", names(settings)))[0]


def people(session: Session, settings: Settings) -> People:
    """The same, without the digest."""
    found = counts(session, settings)
    known = settings.database.user_table is not None
    return People(known, found["users"], found["roles"], found["sessions"])


def told(roles: Mapping[str, int]) -> str:
    """`2 LEARNER, 2 ADMIN`."""
    return ", ".join(f"{number} {role}" for role, number in sorted(roles.items())) or "nobody"
