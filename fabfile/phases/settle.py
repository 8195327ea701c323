"""What a run that was cut off has left on the server, and clearing it away.

What visitors meet is read from the live site. The ledger only says whose leftovers to look for.
"""

from __future__ import annotations

from ..commands import docker
from ..server.containers import FORMER_LABEL
from ..server.kept import kept_by_any, sweep_candidates
from ..server.ledger import CutOff
from ..server.live import Live
from ..server.migrations import Migrations
from ..server.releases import Releases
from ..server.sql_session import DatabaseError
from ..site import Site
from . import MAKES_A_RELEASE
from .colours import ColourRun
from .restore import DatabaseRestore, log_rollback
from .traffic import Traffic

# Files that were being written; the lock's own are somebody else's. $1 state folder.
_SWEEP_FILES = 'find "$1" -name "*.new" ! -name "lock*" -type f -exec rm -f -- {} + -print'


def clear_up(site: Site, *, going_back: bool = False) -> Live | None:
    """Clear away what a dead run left, unless visitors have it; call it with the lock held.

    It may be done again; `Site.settle` says when what was cut off is dealt with.

    :param going_back: a rollback comes next, and needs the idle colour as it is.
    :returns: what is live, where a run had been cut off; None where none had.
    """
    dead = site.cut_off
    if dead is None:
        return None
    with site.console.step("clear away what the run that was cut off has left"):
        live = site.live.read()
        if live.canary:  # before what they are with is removed
            Traffic(site, live).settle()
            live = site.live.read()
        for release in dead.releases if dead.task in MAKES_A_RELEASE else ():
            if not is_kept(live, release):
                _remove_release(site, live, dead, release)
        if not going_back:
            _stop_idle(site, live)
        site.backups.sweep_unfinished()
        site.server.shell(_SWEEP_FILES, site.settings.folders.state)
        try:
            _clear_database(site, live, dead)
        except DatabaseError as error:  # no reason to keep visitors on a bad release
            site.console.warn(f"the database is not looked through: {error.reason}")
    return live


def is_kept(live: Live, release: str) -> bool:
    """Whether visitors are on it, or would be after a rollback."""
    return release in (live.release, live.container.labels.get(FORMER_LABEL, ""))


def _remove_release(site: Site, live: Live, dead: CutOff, release: str) -> None:
    idle = ColourRun(site, live.idle, release)
    found = site.containers.named(idle.name)
    if found and found.release == release:
        site.nginx.wait_until_drained(site.settings.deploy.drain_seconds)
        idle.stop()
        idle.remove()
        site.console.fact(f"removed {idle.name}, release {release}")
    _give_name_back(site, live, dead)
    Releases(site.server, site.settings).remove(release)


def _give_name_back(site: Site, live: Live, dead: CutOff) -> None:
    """The plain container was renamed for a switch that never came."""
    adopting = dead.last("adopting")
    if live.marked or adopting is None:
        return
    own = adopting.detail["container"]
    if live.container.name != own and not site.containers.named(own):
        site.server.run(docker.rename(live.container.name, own))
        site.console.fact(f"{live.container.name} is {own} again")
    Releases(site.server, site.settings).remove(live.release)


def _stop_idle(site: Site, live: Live) -> None:
    """Started for visitors who never came, or left by all of them."""
    found = site.containers.named(site.settings.app.container_of(live.idle))
    if live.marked and found and found.running:
        site.nginx.wait_until_drained(site.settings.deploy.drain_seconds)
        ColourRun(site, live.idle, "").stop()
        site.console.fact(f"stopped {found.name}, which no visitor is with")


def _clear_database(site: Site, live: Live, dead: CutOff) -> None:
    for name in sweep_candidates(site.database):
        site.console.fact(f"removed database {name}, which was not finished")
    restoring = dead.last("restoring")
    kept = kept_by_any(site.database, dead.releases)
    if dead.task.endswith(DatabaseRestore.name) and restoring and kept:
        log_rollback(site, restoring.detail["backup"], kept)
        site.console.warn(
            f"the database is that of {restoring.detail['backup']}; the one that was live is kept "
            f"as {kept}: fab restore --undo brings it back"
        )
    if moved := Migrations(site).make_readable_for(live.container):
        site.console.fact(moved)
    # It had taken something back for a release that visitors are not with.
    if forth := Migrations(site).forth_again(dead.releases, live.container):
        site.console.fact(forth)
