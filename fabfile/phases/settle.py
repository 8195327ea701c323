"""What a run that was cut off has left on the server, and clearing it away.

What visitors meet is read from the live site. The ledger only says whose leftovers to look for.
"""

from __future__ import annotations

from ..commands import docker
from ..server.containers import FORMER_LABEL
from ..server.kept import sweep_candidates
from ..server.ledger import CutOff
from ..server.live import Live
from ..server.migration_log import MigrationLog
from ..server.migrations import Migrations
from ..server.releases import Releases
from ..site import Site
from .colours import ColourRun

MAKES_A_RELEASE = ("deploy", "blue-green-deploy")
# Files that were being written; the lock's own are somebody else's. $1 state folder.
_SWEEP_FILES = 'find "$1" -name "*.new" ! -name "lock*" -type f -exec rm -f -- {} + -print'


def settle(site: Site) -> Live | None:
    """Clear away what a dead run left, unless visitors have it; call it with the lock held.

    :returns: what is live, where a run had been cut off; None where none had.
    """
    dead = site.cut_off
    if dead is None:
        return None
    with site.console.step("clear away what the run that was cut off has left"):
        live = site.live.read()
        if dead.task in MAKES_A_RELEASE and not _is_kept(live, dead.release):
            _remove_release(site, live, dead)
        if moved := Migrations(site).make_readable_for(live.container):
            site.console.detail(f"roles: {moved}")
        for folder in site.backups.sweep_unfinished():
            site.console.detail(f"removed {folder}, which was not finished")
        for name in sweep_candidates(site.database):
            site.console.detail(f"removed database {name}, which was not finished")
        site.server.shell(_SWEEP_FILES, site.settings.folders.state)
        site.settle()
    return live


def _is_kept(live: Live, release: str) -> bool:
    """Whether visitors are on it, or would be after a rollback."""
    return release in (live.release, live.container.labels.get(FORMER_LABEL, ""))


def _remove_release(site: Site, live: Live, dead: CutOff) -> None:
    idle = ColourRun(site, live.idle, dead.release)
    found = site.containers.named(idle.name)
    if found and found.release == dead.release:
        site.nginx.wait_until_drained(site.settings.deploy.drain_seconds)
        idle.stop()
        idle.remove()
        site.console.detail(f"removed {idle.name}, release {dead.release}")
    _give_name_back(site, live, dead)
    _rows_forth(site, live, dead)
    Releases(site.server, site.settings).remove(dead.release)


def _give_name_back(site: Site, live: Live, dead: CutOff) -> None:
    """The plain container was renamed for a switch that never came."""
    adopting = dead.last("adopting")
    if live.marked or adopting is None:
        return
    own = adopting.detail["container"]
    if live.container.name != own and not site.containers.named(own):
        site.server.run(docker.rename(live.container.name, own))
        site.console.detail(f"{live.container.name} is {own} again")
    Releases(site.server, site.settings).remove(live.release)


def _rows_forth(site: Site, live: Live, dead: CutOff) -> None:
    """It had moved the roles back for a release that visitors never met."""
    migrations = Migrations(site)
    if not migrations.wanted or not migrations.can_read(live.container):
        return
    with site.database.session(site.release) as session:
        entries = MigrationLog(session, migrations.folder.name).entries()
    mine = [entry for entry in entries if entry.stage == "data"]
    if mine and mine[-1].status == "REVERSED" and mine[-1].release == dead.release:
        site.console.detail(migrations.data().text)
