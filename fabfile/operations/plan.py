"""What each task would do; one function a task, with that task's own options."""

from __future__ import annotations

from collections.abc import Sequence

from ..documents.plan import Deed
from ..errors import DeployError
from ..monitoring.timer import Timer
from ..phases import deploy as phases
from ..phases.assess import Assess
from ..phases.blue_green import BlueGreen
from ..phases.full_rollback import FullRollback
from ..phases.migrate import Migrate
from ..phases.restore import DatabaseRestore, UndoRestore
from ..phases.rollback import Rollback
from ..phases.validate import Validate
from ..plans import backups as backup_plan
from ..plans import migrations as sql
from ..plans import monitor as monitor_plan
from ..plans import settle as settle_plan
from ..plans.deeds import deed, only
from ..plans.outlook import Outlook
from ..plans.planning import Part, Planning
from ..probes.account import account
from ..report import plan_text
from ..server.migration import Migration
from ..server.sql_locks import split
from ..site import Site
from . import backups as backup_operation
from . import lock as lock_operation
from . import migrations as migration_operation


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
    _show(plan, as_document=as_document)


def assess(site: Site, *, as_document: bool = False) -> None:
    """Phase 1."""
    plan = Planning(site, Assess.name)
    plan.begin(settles=False, measures=False)
    plan.phase(Assess(plan.site))
    plan.end()
    _show(plan, as_document=as_document)


def migrate(site: Site, data: str | None = None, *, as_document: bool = False) -> None:
    """Phase 2."""
    plan = Planning(site, Migrate.name)
    phase = Migrate(plan.site, data)
    plan.begin(measures=False)
    plan.phase(phase)
    plan.end()
    _show(plan, as_document=as_document)


def blue_green_deploy(
    site: Site, *, resume: bool = False, shares: Sequence[int] = (), as_document: bool = False
) -> None:
    """Phases 3 and 4."""
    plan = Planning(site, BlueGreen.name)
    phase = phases.switching(plan.site, resume, shares)
    plan.begin(settles=not resume)
    plan.phase(phase)
    plan.end()
    _show(plan, as_document=as_document)


def validate(site: Site, *, as_document: bool = False) -> None:
    """Phase 5."""
    account(site.settings.sign_in)  # refused before anything is contacted
    plan = Planning(site, Validate.name)
    plan.begin(settles=False, measures=False)
    plan.phase(Validate(plan.site))
    plan.end()
    _show(plan, as_document=as_document)


def rollback(site: Site, to: str = "", *, as_document: bool = False) -> None:
    """To the release before; after a run that was cut off, what that had begun."""
    plan = Planning(site, Rollback.name)
    plan.begin(back=True)
    dead = plan.seen.cut_off
    if dead and not to and dead.task in phases.FORWARD and plan.seen.live.release != dead.release:
        words = f"what a run of {dead.release} moved goes back; visitors stay where they are"
        plan.parts(Rollback.name, [Part("take back the rows", only("database", words))])
    else:
        finish = phases.has_arrived(dead, plan.seen.live if dead else None, to)
        plan.phase(Rollback(plan.site, to, finish=finish))
    plan.end()
    _show(plan, as_document=as_document)


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
    _show(plan, as_document=as_document)


def restore(
    site: Site, name: str, *, yes: bool, keep_new_rows: bool, as_document: bool = False
) -> None:
    """A backup as the live database."""
    plan = Planning(site, DatabaseRestore.name)
    plan.begin()
    plan.phase(DatabaseRestore(plan.site, name, yes=yes, keep_new_rows=keep_new_rows))
    plan.end()
    _show(plan, as_document=as_document)


def undo_restore(site: Site, name: str, *, as_document: bool = False) -> None:
    """The database that a restore kept is live again."""
    plan = Planning(site, UndoRestore.name)
    plan.begin()
    plan.phase(UndoRestore(plan.site, name))
    plan.end()
    _show(plan, as_document=as_document)


# -- tasks that are no phases ------------------------------------------------------------------


def backup(site: Site, *, as_document: bool = False) -> None:
    """A backup by hand."""
    _parts(
        site,
        "backup",
        [Part("back up the database and the site's files", _backup)],
        as_document=as_document,
    )


def verify(site: Site, name: str, *, as_document: bool = False) -> None:
    """A backup into a scratch database."""

    def tries(seen: Outlook) -> Sequence[Deed]:
        found = seen.site.backups.find(name)
        words = "checksums, read to its end; restored into a scratch database, counted, dropped"
        return [deed("database", f"{found.name}: {words}")]

    _parts(
        site,
        "backup",
        [Part("restore into a scratch database, and compare", tries)],
        as_document=as_document,
    )


def prune(site: Site, *, as_document: bool = False) -> None:
    """What the settings no longer keep."""
    _parts(
        site, "backups", [Part("remove what is no longer kept", _prune)], as_document=as_document
    )


def reverse(site: Site, name: str, *, as_document: bool = False) -> None:
    """One migration, its expansion too."""
    migration_operation.named(site, name)  # refused before anything is contacted

    def one_of(seen: Outlook) -> Migration:
        """:raises DeployError: it cannot be taken back."""
        if seen.cut_off:
            raise DeployError(
                f"a run was cut off: {seen.cut_off}",
                next_command="first settle it: fab rollback, or fab deploy",
            )
        one = migration_operation.named(seen.site, name)
        migration_operation.refuse_in_use(seen.site, one)
        return one

    def backs_up(seen: Outlook) -> Sequence[Deed]:
        one_of(seen)
        seen.backup_sha256 = sql.BACKUP
        return backup_plan.makes(seen, "manual", files=False)

    def takes_back(seen: Outlook) -> Sequence[Deed]:
        one = one_of(seen)
        expand = [sql.reverses(seen, one, "expand")] if one.standing("expand") else []
        return [*sql.takes_back(seen, one), *expand]

    parts = [Part("back up the database", backs_up), Part(f"take back {name}", takes_back)]
    _parts(site, "migration", parts, as_document=as_document)


def lock_release(
    site: Site, reason: str, force: bool = False, *, as_document: bool = False
) -> None:
    """The lock of a run that is dead.

    :raises BadSettings: no reason was given.
    """
    lock_operation.refuse_no_reason(reason)

    def removes(seen: Outlook) -> Sequence[Deed]:
        held = seen.site.lock.look()
        if held is None:
            return [deed("server", "nothing: the lock is free")]
        lock_operation.refuse_beating(held, force)
        path, ledger = seen.site.lock.path, seen.site.ledger.path
        return [
            deed("server", f"rm {path}, the lock of {held}"),
            deed("server", f"lock-released into {ledger}, with the reason: {reason.strip()}"),
        ]

    _unlocked(site, "lock.release", [Part("take the lock away", removes)], as_document=as_document)


def monitor_install(site: Site, *, as_document: bool = False) -> None:
    """The monitor that the server runs by itself."""

    def refuses(seen: Outlook) -> Sequence[Deed]:
        return monitor_plan.looks(Timer(seen.site))

    def puts(seen: Outlook) -> Sequence[Deed]:
        return monitor_plan.puts_script(Timer(seen.site))

    def starts(seen: Outlook) -> Sequence[Deed]:
        return monitor_plan.starts(seen, Timer(seen.site))

    parts = [
        Part("see how it can be started", refuses),
        Part("put the script there, and make a first round", puts),
        Part("let systemd start it each minute", starts),
    ]
    _unlocked(site, "monitor --install", parts, as_document=as_document)


def monitor_uninstall(site: Site, *, as_document: bool = False) -> None:
    """The monitor goes; the ledger keeps what was found."""

    def removes(seen: Outlook) -> Sequence[Deed]:
        return monitor_plan.removes(seen, Timer(seen.site))

    parts = [Part("stop the timer, and take everything away", removes)]
    _unlocked(site, "monitor --uninstall", parts, as_document=as_document)


def psql(site: Site, command: str, *, as_document: bool = False) -> None:
    """One SQL command."""

    def runs(seen: Outlook) -> Sequence[Deed]:
        container, limit = seen.site.database.container, seen.settings.database.statement_timeout
        words = f"psql in {container.name}, each statement at most {limit:g} s"
        return [deed("database", words, sql=split(command))]

    _unlocked(site, "psql", [Part("run the command", runs)], as_document=as_document)


# -- how ---------------------------------------------------------------------------------------


def _backup(seen: Outlook) -> Sequence[Deed]:
    return backup_plan.makes(seen, "manual", files=True)


def _prune(seen: Outlook) -> Sequence[Deed]:
    site = seen.site
    gone = site.backups.outlived(backup_operation.targeted(site, site.backups.look()))
    deeds = [
        deed("server", f"rm -rf {one.folder}: {backup_operation.why_gone(site, one)}")
        for one in gone
    ]
    deeds += settle_plan.sweeps(seen)
    return deeds or [deed("server", "nothing: the settings keep every backup")]


def _parts(site: Site, task: str, parts: Sequence[Part], *, as_document: bool) -> None:
    plan = Planning(site, task)
    plan.begin(settles=False, measures=False)
    plan.parts(task, parts)
    plan.end()
    _show(plan, as_document=as_document)


def _unlocked(site: Site, task: str, parts: Sequence[Part], *, as_document: bool) -> None:
    """Of a task that takes no lock."""
    plan = Planning(site, task)
    plan.parts(task, parts)
    _show(plan, as_document=as_document)


def _show(plan: Planning, *, as_document: bool) -> None:
    """Print it.

    :raises DeployError: the task would be refused.
    """
    document = plan.document()
    if as_document:
        document.show()
    else:
        plan_text.show(plan.site.console, document)
    stops = [step for phase in document.phases for step in phase.steps if step.would_stop]
    if stops:
        reasons = list(dict.fromkeys(step.would_stop for step in stops))
        raise DeployError(
            f"{document.task} would stop: {reasons[0]}",
            evidence="\n".join(f"and then: {reason}" for reason in reasons[1:]),
            state="nothing was changed",
            next_command=stops[0].next_command,
        )
    if not as_document:
        plan.site.console.line()
        plan.site.console.line(f"{document.task} would begin; nothing was changed", style="bold")
