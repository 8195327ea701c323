"""Users, passwords, sessions and roles."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass

from .database import Database

ROUNDS = 20_000


class UnknownRole(Exception):
    """A role in the database that this release cannot read, as with an ORM's generated client."""


@dataclass(frozen=True)
class Visitor:
    """A user who is signed in."""

    identifier: str
    name: str
    role: str


def readable_roles() -> list[str]:
    """The roles that this release was built to read."""
    return [role for role in os.environ.get("ROLES", "").split(",") if role]


def read_role(role: str) -> str:
    """A role as this release sees it."""
    if role not in readable_roles():
        raise UnknownRole(f"Value '{role}' not found in enum 'Role'")
    return role


def hash_password(password: str, salt: str) -> str:
    """The text kept in the column `password`."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), ROUNDS)
    return f"pbkdf2${salt}${digest.hex()}"


def sign_in(database: Database, email: str, password: str) -> str | None:
    """A new session's token, or None where email and password do not belong together."""
    rows = database.query('SELECT id, password, role FROM "User" WHERE email = %s', (email,))
    if not rows:
        return None
    identifier, stored, role = rows[0]
    read_role(str(role))
    salt = str(stored).split("$")[1]
    if not hmac.compare_digest(str(stored), hash_password(password, salt)):
        return None
    token = secrets.token_urlsafe(24)
    database.query(
        'INSERT INTO "Session" (id, "sessionToken", "userId", expires)'
        " VALUES (%s, %s, %s, now() + interval '30 days')",
        (secrets.token_hex(12), token, identifier),
    )
    return token


def sign_up(database: Database, email: str, name: str, password: str) -> str:
    """Make a user, with the role that this release gives to newcomers; answer the identifier."""
    role = "CUSTOMER" if "CUSTOMER" in readable_roles() else "LEARNER"
    identifier = "user-" + secrets.token_hex(10)
    database.query(
        'INSERT INTO "User" (id, email, name, password, role) VALUES (%s, %s, %s, %s, %s)',
        (identifier, email, name, hash_password(password, secrets.token_hex(8)), role),
    )
    return identifier


def visitor(database: Database, token: str | None) -> Visitor | None:
    """Who holds this session token, if it is still good."""
    if not token:
        return None
    rows = database.query(
        'SELECT u.id, u.name, u.role FROM "Session" s JOIN "User" u ON u.id = s."userId"'
        ' WHERE s."sessionToken" = %s AND s.expires > now()',
        (token,),
    )
    if not rows:
        return None
    identifier, name, role = rows[0]
    return Visitor(str(identifier), str(name), read_role(str(role)))


def roles(database: Database) -> dict[str, int]:
    """How many users have each role; every row is read, as a `findMany` does."""
    counts: dict[str, int] = {}
    for (role,) in database.query('SELECT role FROM "User"'):
        counts[read_role(str(role))] = counts.get(str(role), 0) + 1
    return counts
