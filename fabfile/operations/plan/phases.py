"""What each numbered script would do, and deploy and restore; with the task's own options."""

from __future__ import annotations

from collections.abc import Sequence

from ...phases import FORWARD
from ...phases import deploy as phases
from ...phases.assess import Assess
from ...phases.blue_green import BlueGreen
from ...phases.full_rollback import FullRollback
from ...phases.migrate import Migrate
from ...phases.restore import DatabaseRestore, UndoRestore
from ...phases.rollback import Rollback
from ...phases.validate import Validate
from ...plans.deeds import only
from ...plans.planning import Part, Planning
from ...probes.account import account
from ...site import Site
from .show import show


def deploy(
    site: Site,
    data: str | None = None,
    *,
    resume: bool = False,
    shares: Sequence[int] = (),
    as_document: bool = False,
) -> None:
    """Assess, migrate, switch, validate."""
    plan = Planning(site, "deploy")
    blue_green = phases.switching(plan.site, resume, shares)
    account(site.settings.sign_in)
    migration = Migrate(plan.site, data, resume=resume)
    plan.begin(settles=not resume)
    for phase in (Assess(plan.site), migration, blue_green, Validate(plan.site)):
        plan.phase(phase)
    plan.end()
    show(plan, as_document=as_document)


def assess(site: Site, *, as_document: bool = False) -> None:
    """Phase 1."""
    plan = Planning(site, Assess.name)
    plan.begin(settles=False, measures=False)
    plan.phase(Assess(plan.site))
    plan.end()
    show(plan, as_document=as_document)


def migrate(site: Site, data: str | None = None, *, as_document: bool = False) -> None:
    """Phase 2."""
    plan = Planning(site, Migrate.name)
    phase = Migrate(plan.site, data)
    plan.begin(measures=False)
    plan.phase(phase)
    plan.end()
    show(plan, as_document=as_document)


def blue_green_deploy(
    site: Site, *, resume: bool = False, shares: Sequence[int] = (), as_document: bool = False
) -> None:
    """Phases 3 and 4."""
    plan = Planning(site, BlueGreen.name)
    phase = phases.switching(plan.site, resume, shares)
    plan.begin(settles=not resume)
    plan.phase(phase)
    plan.end()
    show(plan, as_document=as_document)


def validate(site: Site, *, as_document: bool = False) -> None:
    """Phase 5."""
    account(site.settings.sign_in)  # refused before anything is contacted
    plan = Planning(site, Validate.name)
    plan.begin(settles=False, measures=False)
    plan.phase(Validate(plan.site))
    plan.end()
    show(plan, as_document=as_document)


def rollback(site: Site, to: str = "", *, as_document: bool = False) -> None:
    """To the release before; after a run that was cut off, what that had begun."""
    plan = Planning(site, Rollback.name)
    plan.begin(back=True)
    dead = plan.seen.cut_off
    if dead and not to and dead.task in FORWARD and plan.seen.live.release != dead.release:
        words = f"what a run of {dead.release} moved goes back; visitors stay where they are"
        plan.parts(Rollback.name, [Part("take back the rows", only("database", words))])
    else:
        finish = phases.has_arrived(dead, plan.seen.live if dead else None, to)
        plan.phase(Rollback(plan.site, to, finish=finish))
    plan.end()
    show(plan, as_document=as_document)


def full_rollback(
    site: Site, to: str = "", *, yes: bool, keep_new_rows: bool, as_document: bool = False
) -> None:
    """The database as its backup has it, then the application."""
    plan = Planning(site, FullRollback.name)
    plan.begin(back=True)
    there, dead = plan.site, plan.seen.cut_off
    arrived = phases.has_arrived(dead, plan.seen.live if dead else None, to)
    if arrived and dead and dead.task == Rollback.name:
        plan.phase(Rollback(there, finish=True))
        backup = there.backups.look().rollback_target(plan.seen.live.release)
        name = backup.name if backup else "latest"
        plan.phase(DatabaseRestore(there, name, yes=yes, keep_new_rows=keep_new_rows))
    else:
        plan.phase(
            FullRollback(
                there, to, yes=yes, keep_new_rows=keep_new_rows, dead=dead, arrived=arrived
            )
        )
    plan.end()
    show(plan, as_document=as_document)


def restore(
    site: Site, name: str, *, yes: bool, keep_new_rows: bool, as_document: bool = False
) -> None:
    """A backup as the live database."""
    plan = Planning(site, DatabaseRestore.name)
    plan.begin()
    plan.phase(DatabaseRestore(plan.site, name, yes=yes, keep_new_rows=keep_new_rows))
    plan.end()
    show(plan, as_document=as_document)


def undo_restore(site: Site, name: str, *, as_document: bool = False) -> None:
    """The database that a restore kept is live again."""
    plan = Planning(site, UndoRestore.name)
    plan.begin()
    plan.phase(UndoRestore(plan.site, name))
    plan.end()
    show(plan, as_document=as_document)
