"""What the migration promised, seen in the database: roles, users, sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..report.checks import Check
from ..server.migration_settings import Roles
from ..server.people import People

GROUP = "Database"


@dataclass(frozen=True)
class Promise:
    """How far the migration has come, and what it promised.

    :param moved: the rows have moved.
    :param closed: the old role is refused; until then a release may still create users in it.
    :param before: users by role just before the rows moved; empty where that is not known.
    :param now: this very run moved them, so that counts must match; later, people come and go.
    """

    moved: bool
    closed: bool
    before: Mapping[str, int]
    now: bool


def check_reachable(people: People) -> Check:
    """The database answered; what with."""
    return Check.of(GROUP, "reachable", True, "an answer", str(people), critical=True)


def check_roles(roles: Mapping[str, int], migration: Roles, promise: Promise) -> list[Check]:
    """Users by role against the migration's promise.

    :param roles: users by role, as the database has them now.
    :param migration: the roles that people move from and to.
    """
    old, new = migration.old, migration.new
    left, before, critical = roles.get(old, 0), dict(promise.before), promise.now
    found = f"{left} {old} users" + ("" if promise.moved else " (the rows have not moved)")
    wanted = f"0 {old} users"
    checks = [Check.of(GROUP, "old role", not left, wanted, found, critical=promise.closed)]
    if not promise.moved or not before:
        return checks
    users, moved = sum(before.values()), before.pop(old, 0) + before.pop(new, 0)
    checks.append(_at_least("new role", new, roles.get(new, 0), moved, critical))
    checks += [
        _at_least("other roles", role, roles.get(role, 0), count, critical)
        for role, count in before.items()
    ]
    lost, found = sum(roles.values()) < users, f"{sum(roles.values())} users"
    wanted = f"{users} users or more"
    return [*checks, Check.of(GROUP, "no user lost", not lost, wanted, found, critical=critical)]


def check_settled(faults: Sequence[str]) -> Check:
    """Nobody fell back to the old role, and not everybody was signed out."""
    found = "; ".join(faults) or "as the migration left them"
    wanted = "as the migration left them"
    return Check.of(GROUP, "users and sessions", not faults, wanted, found, critical=True)


def check_sessions(sessions: Mapping[str, int], people: People) -> Check:
    """Sessions are there; none at all warns, since a quiet site may have none."""
    of = f" of {people.users}" if people.known else ""
    found = f"{sum(sessions.values())} sessions of {len(sessions)}{of} users"
    return Check.of(GROUP, "sessions", bool(sessions), "some", found, critical=False)


def _at_least(name: str, role: str, count: int, least: int, critical: bool) -> Check:
    """Fewer than before is a loss; more have signed up since."""
    wanted = f"{least} {role} users or more"
    return Check.of(GROUP, name, count >= least, wanted, f"{count} {role} users", critical=critical)
