"""What clearing away after a run that was cut off would do."""

from __future__ import annotations

from collections.abc import Sequence

from ..commands import docker
from ..documents.plan import Deed
from ..phases import MAKES_A_RELEASE
from ..phases.settle import is_kept
from ..server.kept import beside
from ..server.ledger import CutOff
from ..server.migrations import Migrations
from ..server.sql_text import identifier
from . import migrations as sql
from . import switch
from .deeds import deed, runs
from .outlook import Outlook


def clears(seen: Outlook, dead: CutOff, *, going_back: bool) -> Sequence[Deed]:
    """As `phases.settle.clear_up`.

    :param going_back: a rollback comes next, and needs the idle colour as it is.
    """
    live, site = seen.live, seen.site
    idle = site.containers.named(site.settings.app.container_of(live.idle))
    deeds = [deed("server", f"settles {dead}"), *(switch.settles(seen) if seen.canary else [])]
    for release in sorted(dead.releases) if dead.task in MAKES_A_RELEASE else ():
        if is_kept(live, release):
            continue
        if idle and idle.release == release:
            deeds += [*switch.stops(seen, idle.name, idle), *runs(docker.remove(idle.name))]
        image = f"{site.settings.app.image}:{release}"
        deeds.append(deed("server", f"docker rmi {image}, and its folder, where they are there"))
    if not going_back and live.marked and idle and idle.running:
        deeds += switch.stops(seen, idle.name, idle)
    return [*deeds, *sweeps(seen), *_readable(seen)]


def sweeps(seen: Outlook) -> list[Deed]:
    """Backups and databases that are not finished."""
    backups, database = seen.site.backups, seen.site.database
    deeds = [
        deed("server", f"rm -rf {backups.parent}/{name}: not finished")
        for name in backups.unfinished()
    ]
    with database.maintenance.session() as session:
        names = beside(session, database.name, "candidate", "scratch")
    drops = [f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)" for name in names]
    return [*deeds, *([deed("database", "what was not finished goes", sql=drops)] if drops else [])]


def _readable(seen: Outlook) -> list[Deed]:
    return sql.makes_readable(seen, Migrations(seen.site), seen.live.container)
