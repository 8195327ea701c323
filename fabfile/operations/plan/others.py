"""What the tasks would do that are no phases, each with its own options."""

from __future__ import annotations

from collections.abc import Sequence

from ...documents.plan import Deed
from ...errors import DeployError
from ...monitoring.timer import Timer
from ...plans import backups as backup_plan
from ...plans import migrations as sql
from ...plans import monitor as monitor_plan
from ...plans import settle as settle_plan
from ...plans.deeds import deed
from ...plans.outlook import Outlook
from ...plans.planning import Part, Planning
from ...server.migration import Migration
from ...server.sql_locks import split
from ...site import Site
from .. import backups as backup_operation
from .. import lock as lock_operation
from .. import migrations as migration_operation
from .show import show


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
        words = "checksums; restored into a scratch database, counted, dropped"
        return [deed("database", f"{found.name}: {words}")]

    _parts(
        site,
        "backup",
        [Part("restore into a scratch database, and compare", tries)],
        as_document=as_document,
    )


def prune(site: Site, *, as_document: bool = False) -> None:
    """What the settings no longer keep."""
    parts = [Part("remove what is no longer kept", _prune)]
    _parts(site, "backups", parts, as_document=as_document, logged=False)


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
    _unlocked(site, "monitor --install", parts, as_document=as_document, logged=False)


def monitor_uninstall(site: Site, *, as_document: bool = False) -> None:
    """The monitor goes; the ledger keeps what was found."""

    def removes(seen: Outlook) -> Sequence[Deed]:
        return monitor_plan.removes(seen, Timer(seen.site))

    parts = [Part("stop the timer, and take everything away", removes)]
    _unlocked(site, "monitor --uninstall", parts, as_document=as_document, logged=False)


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


def _parts(
    site: Site, task: str, parts: Sequence[Part], *, as_document: bool, logged: bool = True
) -> None:
    plan = Planning(site, task, logged=logged)
    plan.begin(settles=False, measures=False)
    plan.parts(task, parts)
    plan.end()
    show(plan, as_document=as_document)


def _unlocked(
    site: Site, task: str, parts: Sequence[Part], *, as_document: bool, logged: bool = True
) -> None:
    """Of a task that takes no lock."""
    plan = Planning(site, task, logged=logged)
    plan.parts(task, parts)
    show(plan, as_document=as_document)
