"""Every task, under `fab` and `invoke` alike. The numbered scripts, in the guide's order:

assess-infrastructure, run-migration, blue-green-deploy, rollback, validate-deployment; deploy
is all of them.

A task's function begins by importing what it hands over to. So `--list`, `--help` and a typing
mistake wait for none of it, and all that a task needs is there before its first step.
"""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection

from . import (
    quick_start,  # before all others
    usage,
)
from .errors import BadSettings
from .tasks_base import newcomer_task, site_task

if TYPE_CHECKING:
    from .executor import Executor
    from .newcomer import Newcomer
    from .site import Site

_RESUME = {"resume": "Go on with the release whose run was cut off."}
_JSON = "One JSON document, and nothing else on standard output."
_WHICH = "blue, green, live, idle, or a service: nginx, db, …"
_CANARY = {"canary": "Visitors in steps of so many percent, each watched: 5,25,50; then all."}
_PLAN = {
    "plan": "Only say what would be done, step by step; changes nothing, takes no lock.",
    "json": "With --plan: one JSON document, and nothing else on standard output.",
}
_DATA = {"data": "When the rows move: auto, now (the guide's order) or after-switch."}


@site_task(
    name="assess-infrastructure",
    aliases=["assess"],
    auto_shortflags=False,
    documents=True,
    help=_PLAN | {"json": _JSON},
)
def assess_infrastructure(site: Site, plan: bool = False, json: bool = False) -> None:
    """Check the site and take a verified backup (01).

    Changes nothing but the backup folder. Next: run-migration.
    """

    from .phases import deploy as phases

    act = _plans().assess if plan else phases.assess
    act(site, as_document=json)


@site_task(name="run-migration", aliases=["migrate"], migrates=True, help=_DATA | _PLAN)
def run_migration(site: Site, data: str = "", plan: bool = False, json: bool = False) -> None:
    """Migrate the database without showing a release a value it cannot read (02).

    Adds what both releases live with; the rows move now if every running release can read them,
    else right after the switch. Next: blue-green-deploy.
    """

    from .phases import deploy as phases

    act = partial(_plans().migrate, as_document=json) if plan else phases.migrate
    act(site, _data(data))


@site_task(
    name="blue-green-deploy",
    aliases=["blue-green"],
    migrates=True,
    help=_RESUME | _CANARY | _PLAN,
)
def blue_green_deploy(
    site: Site, resume: bool = False, canary: str = "", plan: bool = False, json: bool = False
) -> None:
    """Start the new release as the idle colour and switch visitors to it (03).

    Anything that fails before the switch leaves the site untouched; after it, visitors go back
    first. Next: validate-deployment.
    """

    from .commands.nginx_sides import parse_shares
    from .phases import deploy as phases

    act = (
        partial(_plans().blue_green_deploy, as_document=json) if plan else phases.blue_green_deploy
    )
    act(site, resume=resume, shares=parse_shares(canary))


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
    json: bool = False,
) -> None:
    """Take visitors back to the former release (04).

    Roles go back before traffic does, so that no release meets a value it cannot read. With
    --full the database goes back too, and the one that was live is kept. Next:
    validate-deployment; after --full, restore --undo takes the database forth again.
    """

    from .phases import deploy as phases
    from .server.releases import STAMP

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
        go_back = (
            partial(_plans().full_rollback, as_document=json) if plan else phases.full_rollback
        )
        go_back(site, to, yes=yes, keep_new_rows=keep_new_rows)
    else:
        act = partial(_plans().rollback, as_document=json) if plan else phases.rollback
        act(site, to)


@site_task(
    name="validate-deployment",
    aliases=["validate"],
    auto_shortflags=False,
    documents=True,
    help=_PLAN | {"json": _JSON},
)
def validate_deployment(site: Site, plan: bool = False, json: bool = False) -> None:
    """Check everything the guide lists; a critical failure rolls back (05).

    Saves a report on the server, /tmp/deployment-validation-<release>.txt.
    """

    from .phases import deploy as phases

    act = _plans().validate if plan else phases.validate
    act(site, as_document=json)


@site_task(migrates=True, help=_DATA | _RESUME | _CANARY | _PLAN)
def deploy(
    site: Site,
    data: str = "",
    resume: bool = False,
    canary: str = "",
    plan: bool = False,
    json: bool = False,
) -> None:
    """Take the site to a new release: assess, migrate, switch, validate.

    Measures the public site all the while. Next: status; rollback takes it back.
    """

    from .commands.nginx_sides import parse_shares
    from .phases import deploy as phases

    act = partial(_plans().deploy, as_document=json) if plan else phases.deploy
    act(site, _data(data), resume=resume, shares=parse_shares(canary))


@site_task(
    name="plan",
    reads=True,
    migrates=True,
    help=_DATA | _RESUME | _CANARY | {"json": _JSON},
)
def plan_(
    site: Site, data: str = "", resume: bool = False, canary: str = "", json: bool = False
) -> None:
    """Say what a deploy would do, step by step, with the diffs and the SQL; the same as --plan.

    Changes nothing and takes no lock. Exit code 1 where the deploy would stop. Next: deploy.
    """

    from .commands.nginx_sides import parse_shares

    _plans().deploy(site, _data(data), resume=resume, shares=parse_shares(canary), as_document=json)


@site_task(
    reads=True,
    endless="watch",
    auto_shortflags=False,
    help={
        "watch": "Show it anew every few seconds, until Ctrl-C.",
        "interval": "Seconds between two readings; by default look.watch_interval.",
        "json": _JSON,
    },
)
def status(site: Site, watch: bool = False, interval: str = "", json: bool = False) -> None:
    """Show what is live and how the site is: containers, database, certificate, disk, last run.

    Changes nothing and takes no lock; what cannot be read says why. Next: health, logs.
    """

    from .operations import status as status_operation

    if json and watch:
        raise BadSettings("--watch has no end, and --json is one document; allowed: one of them")
    if interval and not watch:
        raise BadSettings("--interval is for --watch")
    if watch:
        status_operation.watch(site, interval)
    else:
        status_operation.status(site, as_document=json)


@site_task(
    reads=True,
    endless="follow",
    auto_shortflags=False,
    letters={"follow": "f", "lines": "n"},
    help={
        "follow": "Go on as lines come, also from containers that start later; Ctrl-C ends it.",
        "colour": f"{_WHICH}; several with commas, or all; by default both colours.",
        "since": "An age (90s, 10m, 2h, 1d) or a time in UTC (2026-11-23T08:06).",
        "grep": "Only lines in which this regular expression is found.",
        "lines": "How many of the last; by default look.log_lines, or all since --since.",
        "json": _JSON,
    },
)
def logs(
    site: Site,
    follow: bool = False,
    colour: str = "",
    since: str = "",
    grep: str = "",
    lines: str = "",
    json: bool = False,
) -> None:
    """Show what the containers print: both colours by time, each line marked with its own.

    Changes nothing. -f follows; fab's own -f FILE stands before the task's name.
    """

    from .operations import logs as logs_operation

    logs_operation.logs(
        site,
        colour=colour,
        follow=follow,
        since=since,
        grep=grep,
        lines=lines,
        as_document=json,
    )


@site_task(reads=True, auto_shortflags=False, help={"json": _JSON})
def health(site: Site, json: bool = False) -> None:
    """Ask the public health page and each colour, from inside and through nginx.

    Changes nothing. Exit code 1 where the public one or the live colour is not healthy.
    """

    from .operations import health as health_operation

    health_operation.health(site, as_document=json)


@site_task(reads=True, auto_shortflags=False, help={"json": _JSON})
def ps(site: Site, json: bool = False) -> None:
    """List the site's containers: state, since when, image, ports.

    Changes nothing. Next: stats, logs.
    """

    from .operations import look as look_operation

    look_operation.ps(site, as_document=json)


@site_task(reads=True, auto_shortflags=False, help={"json": _JSON})
def stats(site: Site, json: bool = False) -> None:
    """Show what each running container uses: CPU, memory and its limit, network, disk.

    Changes nothing; one reading takes some two seconds.
    """

    from .operations import look as look_operation

    look_operation.stats(site, as_document=json)


@site_task(reads=True, auto_shortflags=False, help={"json": _JSON})
def users(site: Site, json: bool = False) -> None:
    """Count the users by role, and the sessions.

    Changes nothing. Tables and columns are the settings' (database.user_table, role_column).
    """

    from .operations import look as look_operation

    look_operation.users(site, as_document=json)


@site_task(
    reads=True,
    auto_shortflags=False,
    help={
        "path": "The page that is asked for.",
        "samples": "How many requests; by default look.timing_samples.",
        "json": _JSON,
    },
)
def timing(site: Site, path: str = "/", samples: str = "", json: bool = False) -> None:
    """Time the parts of a request from here: name, connection, TLS, first byte, all of it.

    Each request has a connection of its own; a table of percentiles. Changes nothing.
    """

    from .operations import timing as timing_operation

    timing_operation.timing(site, path=path, samples=samples, as_document=json)


@site_task(
    auto_shortflags=False,
    letters={"command": "c"},
    at_terminal=lambda given: not given.get("command"),
    help={"command": "Only this SQL, without a dialogue; it may change what it says."} | _PLAN,
)
def psql(site: Site, command: str = "", plan: bool = False, json: bool = False) -> None:
    """Open psql in the database's container, signed in; or run one SQL command.

    The exit code is psql's. A command's statements are ended after database.statement_timeout.
    """

    from .operations import inside as inside_operation

    if plan and not command:
        raise BadSettings("--plan is for --command: nobody knows what will be typed")
    if plan:
        _plans().psql(site, command, as_document=json)
    else:
        inside_operation.psql(site, command)


@site_task(
    auto_shortflags=False,
    at_terminal=lambda given: True,
    help={"colour": f"{_WHICH}; by default live."},
)
def shell(site: Site, colour: str = "") -> None:
    """Open a shell in the live colour's container, or in another one.

    The exit code is the shell's.
    """

    from .operations import inside as inside_operation

    inside_operation.shell(site, colour)


@site_task(
    name="exec",
    auto_shortflags=False,
    at_terminal=lambda given: True,  # its exit code is the command's, so there can be but one
    help={
        "command": "In quotes, as the container's own shell reads it: 'nginx -t'.",
        "colour": f"{_WHICH}; by default live.",
    },
)
def execute(site: Site, command: str, colour: str = "") -> None:
    """Run a command in the live colour's container, or in another one.

    The exit code is the command's. At a terminal it has that; else it has nothing to read.
    """

    from .operations import inside as inside_operation

    inside_operation.execute(site, command, colour)


@site_task(reads=True, auto_shortflags=False, help={"json": _JSON})
def releases(site: Site, json: bool = False) -> None:
    """List the releases, how each ended, and which can be gone back to.

    Changes nothing. Next: rollback --to RELEASE.
    """

    from .operations import releases as releases_operation

    releases_operation.releases(site, as_document=json)


@site_task(
    auto_shortflags=False,  # -v is --verbose, and -e is Invoke's own
    help={"verify": "Restore this backup into a scratch database and compare it."} | _PLAN,
)
def backup(site: Site, verify: str = "", plan: bool = False, json: bool = False) -> None:
    """Back up the database and the site's files now; or prove one backup by restoring it.

    Changes nothing but the backup folder. Next: backups lists them.
    """

    from .operations import backups as backup_operation

    if plan:
        if verify:
            _plans().verify(site, verify, as_document=json)
        else:
            _plans().backup(site, as_document=json)
    elif verify:
        backup_operation.verify(site, verify)
    else:
        backup_operation.backup(site)


@site_task(
    reads=True,
    help={"prune": "First remove what the settings no longer keep."} | _PLAN | {"json": _JSON},
)
def backups(site: Site, prune: bool = False, plan: bool = False, json: bool = False) -> None:
    """List the backups and the databases that restores have kept.

    Next: restore NAME.
    """

    from .operations import backups as backup_operation

    if plan and not prune:
        raise BadSettings("--plan is for --prune: without it nothing is changed")
    if plan:
        _plans().prune(site, as_document=json)
    else:
        backup_operation.backups(site, prune=prune, as_document=json)


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
    json: bool = False,
) -> None:
    """Make a backup the live database; the one that was live is kept, read-only.

    It says first what would be lost, table by table. Next: restore --undo swaps back.
    """

    from .phases import deploy as phases

    if undo:
        undoes = partial(_plans().undo_restore, as_document=json) if plan else phases.undo_restore
        undoes(site, name)
        return
    act = partial(_plans().restore, as_document=json) if plan else phases.restore
    act(site, name, yes=yes, keep_new_rows=keep_new_rows)


@site_task(
    reads=True,
    help={
        "diff": "Show what a switch would change in it, line by line.",
        "preview": "Show how to see the idle release through it, with the key.",
        "json": _JSON,
    },
)
def nginx(site: Site, diff: bool = False, preview: bool = False, json: bool = False) -> None:
    """Show nginx's configuration file, what of it is ours, and where it sends visitors.

    Changes nothing. Next: deploy.
    """

    from .operations import nginx as nginx_operation

    if preview and json:
        raise BadSettings("--preview says to a person what to do; allowed: without --json")
    if preview:
        nginx_operation.preview(site)
    elif diff:
        nginx_operation.diff(site, as_document=json)
    else:
        nginx_operation.show(site, as_document=json)


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

    from .operations import init as init_operation

    init_operation.init(newcomer, folder=folder, project=project, output=output, yes=yes)


@site_task(reads=True, auto_shortflags=False, help={"json": _JSON})
def migrations(site: Site, json: bool = False) -> None:
    """List the migrations: how each stage stands, since when, by which release, its checksum.

    Changes nothing. Next: run-migration applies what is pending.
    """

    from .operations import migrations as migration_operation

    migration_operation.migrations(site, as_document=json)


@site_task(
    migrates=True,
    help={
        "new": "Write sql/migrations/NN-NEW with commented skeletons; contacts nothing.",
        "reverse": "Take back all of this migration, its expansion too, after a backup.",
        "yes": "Reverse: do not ask; needed without a terminal.",
    }
    | _PLAN,
)
def migration(
    site: Site,
    new: str = "",
    reverse: str = "",
    yes: bool = False,
    plan: bool = False,
    json: bool = False,
) -> None:
    """Begin a migration, or take one back by request.

    A rollback by itself takes back what the older release cannot live with; an expansion stays.
    Next: fill in what --new wrote; migrations lists it.
    """

    from .operations import migrations as migration_operation

    if bool(new) == bool(reverse):
        raise BadSettings("migration: allowed: either --new NAME or --reverse NN-NAME")
    if new and plan:
        raise BadSettings("--plan is for --reverse: --new writes on this machine only")
    if new:
        migration_operation.new(site, new)
    elif plan:
        _plans().reverse(site, reverse, as_document=json)
    else:
        migration_operation.reverse(site, reverse, yes=yes)


@site_task(name="status", default=True, reads=True, auto_shortflags=False, help={"json": _JSON})
def lock_status(site: Site, json: bool = False) -> None:
    """Show who holds the site's lock, what that run does, and whether it lives."""

    from .operations import lock as lock_operation

    lock_operation.status(site, as_document=json)


@site_task(
    name="release",
    help={
        "reason": "Why; it is written in the ledger.",
        "force": "Even from a run that is at work: it stops where it is.",
    }
    | _PLAN,
)
def lock_release(
    site: Site, reason: str = "", force: bool = False, plan: bool = False, json: bool = False
) -> None:
    """Take the site's lock away from a run that is dead.

    Next: status; the next command says what that run left.
    """

    from .operations import lock as lock_operation

    if plan:
        _plans().lock_release(site, reason, force, as_document=json)
    else:
        lock_operation.release(site, reason, force)


@site_task(reads=True, help={"json": _JSON})
def doctor(site: Site, json: bool = False) -> None:
    """Go through the guide's pre-deployment checklist: what was found, why it matters, the mend.

    With --verbose also why it matters where all is well. Changes nothing and takes no lock.
    Next: mend what failed; then deploy.
    """

    from .operations import doctor as doctor_operation

    doctor_operation.doctor(site, as_document=json, verbose=site.console.verbose)


@site_task(
    auto_shortflags=False,  # -f and -p are fab's own
    help={
        "from": "Folder of this machine with the compose file and what belongs beside it.",
    }
    | _PLAN,
)
def setup(site: Site, from_: str = "", plan: bool = False, json: bool = False) -> None:
    """Take a bare Debian or Ubuntu server to one whose site runs; safe to run again.

    Docker and Compose, the user's group, folders, log rotation, the site's files and its first
    start: what is so already is left alone. Needs root, by sudo -n or sign-in. Next: doctor,
    then deploy.
    """

    from .operations import setup as setup_operation

    setup_operation.setup(site, plan=plan, source=from_, as_document=json)


@site_task(
    reads=True,
    help={
        "test": "Send each webhook a test, whatever events it is for.",
        "json": "One JSON document: each webhook, what it is told of, and how the test went.",
    },
)
def notify(site: Site, test: bool = False, json: bool = False) -> None:
    """List the webhooks that are told how a run ended; with --test, try them.

    Changes nothing; contacts the webhooks alone, and only with --test. Next: deploy.
    """

    from .operations import notify as notify_operation

    notify_operation.notify(site, test=test, as_document=json)


@site_task(
    reads=True,
    may_name="stamp",
    auto_shortflags=False,
    help={
        "stamp": "The run's stamp, as --list has it; by default the last one.",
        "json": "The record itself: one JSON document.",
        "text": "The report as text.",
        "list": "List the reports, here and on the server; with --json as one document.",
    },
)
def report(
    site: Site, stamp: str = "", json: bool = False, text: bool = False, list: bool = False
) -> None:
    """Show the report that a run left: make its page anew from its record, and say where it is.

    Changes nothing on the server; a record that is only there is fetched. Next: open the page.
    """

    from .operations import report as report_operation
    from .report.files import NAME

    if text and (json or list):
        raise BadSettings("--text goes with neither --json nor --list; allowed: one of them")
    if list and stamp:
        raise BadSettings("--list names them all; allowed: either it or a stamp")
    if stamp and not NAME.fullmatch(stamp):
        raise BadSettings(
            f"report {stamp!r}: no run's stamp; allowed: YYYYMMDD-HHMMSS, or nothing",
            next_command="fab report --list",
        )
    if list:
        report_operation.show_all(site, as_document=json)
    else:
        report_operation.show(site, stamp, as_document=json, as_text=text)


@site_task(
    reads=True,
    auto_shortflags=False,  # -f is fab's own
    help={
        "for": "How long: 2h (the default), 1d, 7d, or any other time.",
        "every": "Time between two rounds: 60, 5min; by default the guide's pace.",
        "changes": "A line only where something changes; by default one for each round.",
        "json": "One JSON document at the end (with --status, --plan: at once), and nothing else.",
        "install": "Let the server watch itself: a script there, and a systemd timer.",
        "uninstall": "Take the script and the timer away; the ledger keeps what was found.",
        "status": "What the timer's last round has seen, and what is open.",
        "plan": "With --install or --uninstall: only say what would be done, with each file.",
    },
)
def monitor(
    site: Site,
    for_: str = "2h",
    every: str = "",
    changes: bool = False,
    json: bool = False,
    install: bool = False,
    uninstall: bool = False,
    status: bool = False,
    plan: bool = False,
) -> None:
    """Watch the site after a deploy, and write what is found into the ledger.

    Health, pages, error lines, restarts, disk, memory, certificate; exit code 1 where something
    was found. Ctrl-C ends it with its summary. Takes no lock, and changes nothing but the ledger;
    --install adds a folder beside it and a timer. Next: status, rollback.
    """

    from .monitoring.schedule import duration
    from .operations import monitor as monitor_operation
    from .operations import monitor_timer

    if install + uninstall + status > 1:
        raise BadSettings("monitor: allowed: one of --install, --uninstall and --status")
    if plan and not (install or uninstall):
        raise BadSettings("--plan is for --install and --uninstall: a watch changes nothing")
    if json and (install or uninstall) and not plan:
        raise BadSettings("monitor: --json is for a watch, or with --status or --plan")
    length = duration("--for", for_)
    between = duration("--every", every) if every else 0
    if plan:
        act = _plans().monitor_install if install else _plans().monitor_uninstall
        act(site, as_document=json)
    elif install:
        monitor_timer.install(site)
    elif uninstall:
        monitor_timer.uninstall(site)
    elif status:
        monitor_timer.status(site, as_document=json)
    else:
        monitor_operation.monitor(site, length, between, only_changes=changes, as_document=json)


def _plans() -> ModuleType:
    """What each task would do; read for --plan only, for it takes as long as all of the rest."""
    from .operations import plan

    return plan


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
    logs,
    health,
    ps,
    stats,
    users,
    timing,
    psql,
    shell,
    execute,
    releases,
    backup,
    backups,
    restore,
    nginx,
    init,
    migrations,
    migration,
    notify,
    report,
    monitor,
)
ns.add_collection(Collection("lock", lock_status, lock_release))


def _executor(*given: Any) -> Executor:
    """What runs tasks; both programs make it when the command line has been read."""
    quick_start.begin()
    from .executor import Executor

    return Executor(*given)


# The program that is under way: to import Fabric's under `invoke` would take as long as the rest.
# Here, and not as tasks.executor_class in invoke.yaml, where somebody's own file could lack it.
for _name in ("fabric.main", "invoke.main"):
    if _name in sys.modules:
        _program = sys.modules[_name].program
        _program.executor_class = _executor
        usage.install(_program)
