"""Every task, under `fab` and `invoke` alike. The numbered scripts, in the guide's order:

assess-infrastructure, run-migration, blue-green-deploy, rollback, validate-deployment; deploy
is all of them.
"""

from __future__ import annotations

import fabric.main
import invoke.main
from invoke.collection import Collection

from .errors import BadSettings
from .executor import Executor
from .newcomer import Newcomer
from .operations import backups as backup_operation
from .operations import doctor as doctor_operation
from .operations import init as init_operation
from .operations import lock as lock_operation
from .operations import migrations as migration_operation
from .operations import nginx as nginx_operation
from .operations import plan as planning
from .operations import releases as releases_operation
from .operations import setup as setup_operation
from .operations import status as status_operation
from .phases import deploy as phases
from .server.releases import STAMP
from .site import Site
from .tasks_base import newcomer_task, site_task

_RESUME = {"resume": "Go on with the release whose run was cut off."}
_PLAN = {"plan": "Only say what would be done, step by step; changes nothing, takes no lock."}
_DATA = {"data": "When the rows move: auto, now (the guide's order) or after-switch."}


@site_task(name="assess-infrastructure", aliases=["assess"], help=_PLAN)
def assess_infrastructure(site: Site, plan: bool = False) -> None:
    """Check the site and take a verified backup (01).

    Changes nothing but the backup folder. Next: run-migration.
    """
    act = planning.assess if plan else phases.assess
    act(site)


@site_task(name="run-migration", aliases=["migrate"], help=_DATA | _PLAN)
def run_migration(site: Site, data: str = "", plan: bool = False) -> None:
    """Migrate the database without showing a release a value it cannot read (02).

    Adds what both releases live with; the rows move now if every running release can read them,
    else right after the switch. Next: blue-green-deploy.
    """
    act = planning.migrate if plan else phases.migrate
    act(site, _data(data))


@site_task(name="blue-green-deploy", aliases=["blue-green"], help=_RESUME | _PLAN)
def blue_green_deploy(site: Site, resume: bool = False, plan: bool = False) -> None:
    """Start the new release as the idle colour and switch visitors to it (03).

    Anything that fails before the switch leaves the site untouched; after it, visitors go back
    first. Next: validate-deployment.
    """
    act = planning.blue_green_deploy if plan else phases.blue_green_deploy
    act(site, resume=resume)


@site_task(
    help={
        "app-only": "Application only (the default): rows go back where they moved.",
        "full": "Database too: a verified backup beside the live one, then swapped by name.",
        "database": "The same as --full, as in the old script.",
        "to": "The release to go back to; by default the one that was live before.",
        "yes": "Full: do not ask; needed without a terminal.",
        "keep-new-rows": "Full: carry over the rows inserted since the backup.",
    }
    | _PLAN
)
def rollback(
    site: Site,
    app_only: bool = False,
    full: bool = False,
    database: bool = False,
    to: str = "",
    yes: bool = False,
    keep_new_rows: bool = False,
    plan: bool = False,
) -> None:
    """Take visitors back to the former release (04).

    Roles go back before traffic does, so that no release meets a value it cannot read. With
    --full the database goes back too, and the one that was live is kept. Next:
    validate-deployment; after --full, restore --undo takes the database forth again.
    """
    full = full or database
    if full and app_only:
        raise BadSettings("rollback: --app-only and --full exclude each other; allowed: one")
    if to and not STAMP.fullmatch(to):
        raise BadSettings(
            f"--to is {to!r}; allowed: a release, YYYYMMDD-HHMMSS",
            next_command="fab releases lists them",
        )
    if keep_new_rows and not full:
        raise BadSettings("--keep-new-rows is for --full: otherwise no row is lost")
    if full:
        go_back = planning.full_rollback if plan else phases.full_rollback
        go_back(site, to, yes=yes, keep_new_rows=keep_new_rows)
    else:
        act = planning.rollback if plan else phases.rollback
        act(site, to)


@site_task(name="validate-deployment", aliases=["validate"], help=_PLAN)
def validate_deployment(site: Site, plan: bool = False) -> None:
    """Check everything the guide lists; a critical failure rolls back (05).

    Saves a report on the server, /tmp/deployment-validation-<release>.txt.
    """
    act = planning.validate if plan else phases.validate
    act(site)


@site_task(help=_DATA | _RESUME | _PLAN)
def deploy(site: Site, data: str = "", resume: bool = False, plan: bool = False) -> None:
    """Take the site to a new release: assess, migrate, switch, validate.

    Measures the public site all the while. Next: status; rollback takes it back.
    """
    act = planning.deploy if plan else phases.deploy
    act(site, _data(data), resume=resume)


@site_task(
    name="plan",
    reads=True,
    help=_DATA | {"json": "One JSON document: phases, steps, diffs, SQL with its locks."},
)
def plan_(site: Site, data: str = "", json: bool = False) -> None:
    """Say what a deploy would do, step by step, with the diffs and the SQL; the same as --plan.

    Changes nothing and takes no lock. Exit code 1 where the deploy would stop. Next: deploy.
    """
    planning.deploy(site, _data(data), as_document=json)


@site_task(reads=True)
def status(site: Site) -> None:
    """Show what is live, the containers, the lock and the last entries of the ledger.

    Changes nothing.
    """
    status_operation.status(site)


@site_task(reads=True)
def releases(site: Site) -> None:
    """List the releases, how each ended, and which can be gone back to.

    Changes nothing. Next: rollback --to RELEASE.
    """
    releases_operation.releases(site)


@site_task(help={"verify": "Restore this backup into a scratch database and compare it."} | _PLAN)
def backup(site: Site, verify: str = "", plan: bool = False) -> None:
    """Back up the database and the site's files now; or prove one backup by restoring it.

    Changes nothing but the backup folder. Next: backups lists them.
    """
    if verify:
        act = planning.verify if plan else backup_operation.verify
        act(site, verify)
    else:
        (planning.backup if plan else backup_operation.backup)(site)


@site_task(reads=True, help={"prune": "First remove what the settings no longer keep."} | _PLAN)
def backups(site: Site, prune: bool = False, plan: bool = False) -> None:
    """List the backups and the databases that restores have kept.

    Next: restore NAME.
    """
    if plan and not prune:
        raise BadSettings("--plan is for --prune: without it nothing is changed")
    if plan:
        planning.prune(site)
    else:
        backup_operation.backups(site, prune=prune)


@site_task(
    unless={"name": "undo"},
    help={
        "name": "The backup, as `backups` lists it; before --undo, a kept database.",
        "undo": "Make the database live again that a restore kept, the last one or NAME.",
        "yes": "Do not ask; needed without a terminal.",
        "keep-new-rows": "Carry over the rows inserted since the backup.",
    }
    | _PLAN,
)
def restore(
    site: Site,
    name: str,
    undo: bool = False,
    yes: bool = False,
    keep_new_rows: bool = False,
    plan: bool = False,
) -> None:
    """Make a backup the live database; the one that was live is kept, read-only.

    It says first what would be lost, table by table. Next: restore --undo swaps back.
    """
    if undo:
        (planning.undo_restore if plan else phases.undo_restore)(site, name)
        return
    act = planning.restore if plan else phases.restore
    act(site, name, yes=yes, keep_new_rows=keep_new_rows)


@site_task(reads=True, help={"diff": "Show what a switch would change in it, line by line."})
def nginx(site: Site, diff: bool = False) -> None:
    """Show nginx's configuration file, what of it is ours, and where it sends visitors.

    Changes nothing. Next: deploy.
    """
    if diff:
        nginx_operation.diff(site)
    else:
        nginx_operation.show(site)


@newcomer_task(
    help={
        "folder": "Under invoke: the folder on this machine with the compose file.",
        "project": "Under fab -H: folder or name of the compose project, where several run.",
        "output": "The file to write; it must not be there yet.",
        "yes": "Ask nothing: guess, or refuse what nothing can be guessed for.",
    },
)
def init(
    newcomer: Newcomer,
    folder: str = ".",
    project: str = "",
    output: str = "site.yaml",
    yes: bool = False,
) -> None:
    """Read a site that is there and write a commented settings file for it.

    With fab -H from its running containers, nginx and database; else from its folder. Asks only
    what it cannot find out, and changes nothing else. Next: fab -f site.yaml -H … doctor.
    """
    init_operation.init(newcomer, folder=folder, project=project, output=output, yes=yes)


@site_task(reads=True)
def migrations(site: Site) -> None:
    """List the migrations: how each stage stands, since when, by which release, its checksum.

    Changes nothing. Next: run-migration applies what is pending.
    """
    migration_operation.migrations(site)


@site_task(
    help={
        "new": "Write sql/migrations/NN-NEW with commented skeletons; contacts nothing.",
        "reverse": "Take back all of this migration, its expansion too, after a backup.",
        "yes": "Reverse: do not ask; needed without a terminal.",
    }
    | _PLAN
)
def migration(
    site: Site, new: str = "", reverse: str = "", yes: bool = False, plan: bool = False
) -> None:
    """Begin a migration, or take one back by request.

    A rollback by itself takes back what the older release cannot live with; an expansion stays.
    Next: fill in what --new wrote; migrations lists it.
    """
    if bool(new) == bool(reverse):
        raise BadSettings("migration: allowed: either --new NAME or --reverse NN-NAME")
    if new and plan:
        raise BadSettings("--plan is for --reverse: --new writes on this machine only")
    if new:
        migration_operation.new(site, new)
    elif plan:
        planning.reverse(site, reverse)
    else:
        migration_operation.reverse(site, reverse, yes=yes)


@site_task(name="status", default=True, reads=True)
def lock_status(site: Site) -> None:
    """Show who holds the site's lock, what that run does, and whether it lives."""
    lock_operation.status(site)


@site_task(
    name="release",
    help={
        "reason": "Why; it is written in the ledger.",
        "force": "Even from a run that is at work: it stops where it is.",
    }
    | _PLAN,
)
def lock_release(site: Site, reason: str = "", force: bool = False, plan: bool = False) -> None:
    """Take the site's lock away from a run that is dead.

    Next: status; the next command says what that run left.
    """
    act = planning.lock_release if plan else lock_operation.release
    act(site, reason, force)


@site_task(
    reads=True,
    help={
        "json": "One JSON document: a list of checks with name, verdict, found, why and mend.",
        "verbose": "Say of what is well, too, why it matters.",
    },
)
def doctor(site: Site, json: bool = False, verbose: bool = False) -> None:
    """Go through the guide's pre-deployment checklist: what was found, why it matters, the mend.

    Changes nothing and takes no lock. Next: mend what failed; then deploy.
    """
    doctor_operation.doctor(site, as_document=json, verbose=verbose)


@site_task(
    auto_shortflags=False,  # -f and -p are fab's own
    help={
        "plan": "Only say what would be done; connects only to read.",
        "from": "Folder of this machine with the compose file and what belongs beside it.",
    },
)
def setup(site: Site, plan: bool = False, from_: str = "") -> None:
    """Take a bare Debian or Ubuntu server to one whose site runs; safe to run again.

    Docker and Compose, the user's group, folders, log rotation, the site's files and its first
    start: what is so already is left alone. Needs root, by sudo -n or sign-in. Next: doctor,
    then deploy.
    """
    setup_operation.setup(site, plan=plan, source=from_)


def _data(value: str) -> str | None:
    if value not in ("", "auto", "now", "after-switch"):
        raise BadSettings(f"--data is {value!r}; allowed: auto, now, after-switch")
    return value or None


ns = Collection(
    doctor,
    setup,
    assess_infrastructure,
    run_migration,
    blue_green_deploy,
    rollback,
    validate_deployment,
    deploy,
    plan_,
    status,
    releases,
    backup,
    backups,
    restore,
    nginx,
    init,
    migrations,
    migration,
)
ns.add_collection(Collection("lock", lock_status, lock_release))

# Here, and not as tasks.executor_class in invoke.yaml, where somebody's own file could lack it.
for program in (fabric.main.program, invoke.main.program):
    program.executor_class = Executor
