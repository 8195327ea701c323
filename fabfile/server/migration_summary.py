"""What a deploy and a rollback say of the migrations at their end."""

from __future__ import annotations

from .containers import Container
from .migration_log import standing
from .migrations import Migrations
from .role_migration import RoleMigration


def summary(migrations: Migrations) -> list[str]:
    """The guide's lines on the migration, as the database has it now."""
    if not migrations.wanted:
        return [migrations.none]
    found, roles = migrations.on.people(), migrations.roles
    lines = [line for one in migrations.all if (line := one.headline())]
    if roles:
        new = roles[-1].roles.new
        order = sorted(found.roles, key=lambda role: (role != new, role))
        each = ", ".join(f"{found.roles[role]} {role}" for role in order)
        lines.append(f"• Total users: {found.users} ({each})")
    else:
        lines.append(found.line)
    if roles and not any(one.standing("data") for one in roles):
        return [*lines, "• Data integrity: no row has been changed yet"]
    return [*lines, f"• Data integrity: {'; '.join(migrations.unsettled()) or 'Verified'}"]


def staying(migrations: Migrations, container: Container) -> list[str]:
    """What stays though a release from before it is live, a line each: it does no harm, or
    there is no way back."""
    lines = []
    for one in migrations.all:
        entries = one.entries()
        if isinstance(one, RoleMigration) or one.lives_with(container):
            continue
        done = [stage for stage in one.folder.stages if standing(entries, stage)]
        if "expand" in done:
            lines.append(
                f"• {one.name} stays expanded: it only adds; back: fab migration --reverse "
                f"{one.name}"
            )
        lines += [
            f"• {one.name}: {stage} stays: it has no reverse-{stage}.sql"
            for stage in done
            if stage != "expand"
        ]
    return lines
