"""Every task, under `fab` and `invoke` alike. The numbered scripts, in the guide's order:

assess-infrastructure, run-migration, blue-green-deploy, rollback, validate-deployment; deploy
is all of them.
"""

from __future__ import annotations

from invoke.collection import Collection

from .errors import BadSettings
from .operations import status as status_operation
from .phases import deploy as phases
from .site import Site
from .tasks_base import site_task

_DATA = {"data": "When the rows move: auto, now (the guide's order) or after-switch."}


@site_task(name="assess-infrastructure", aliases=["assess"])
def assess_infrastructure(site: Site) -> None:
    """Check the site and take a verified backup (01).

    Changes nothing but the backup folder. Next: run-migration.
    """
    phases.assess(site)


@site_task(name="run-migration", aliases=["migrate"], help=_DATA)
def run_migration(site: Site, data: str = "") -> None:
    """Migrate the database without showing a release a value it cannot read (02).

    Adds what both releases live with; the rows move now if every running release can read them,
    else right after the switch. Next: blue-green-deploy.
    """
    phases.migrate(site, _data(data))


@site_task(name="blue-green-deploy", aliases=["blue-green"])
def blue_green_deploy(site: Site) -> None:
    """Start the new release as the idle colour and switch visitors to it (03).

    Anything that fails before the switch leaves the site untouched; after it, visitors go back
    first. Next: validate-deployment.
    """
    phases.blue_green_deploy(site)


@site_task(
    help={
        "app-only": "Application only (the default): rows go back where they moved.",
        "full": "Database too, from the last backup. Not built yet.",
        "to": "A release to go back to. Not built yet: the former one is taken.",
        "yes": "Do not ask.",
    }
)
def rollback(
    site: Site, app_only: bool = False, full: bool = False, to: str = "", yes: bool = False
) -> None:
    """Take visitors back to the former release (04).

    Roles go back before traffic does, so that no release meets a value it cannot read.
    Next: validate-deployment.
    """
    if full or to:
        option = "--full" if full else "--to"
        raise BadSettings(f"rollback {option} is not built yet; allowed: --app-only (the default)")
    phases.rollback(site)


@site_task(name="validate-deployment", aliases=["validate"])
def validate_deployment(site: Site) -> None:
    """Check everything the guide lists; a critical failure rolls back (05).

    Saves a report on the server, /tmp/deployment-validation-<release>.txt.
    """
    phases.validate(site)


@site_task(help=_DATA)
def deploy(site: Site, data: str = "") -> None:
    """Take the site to a new release: assess, migrate, switch, validate.

    Measures the public site all the while. Next: status; rollback takes it back.
    """
    phases.deploy(site, _data(data))


@site_task
def status(site: Site) -> None:
    """Show what is live, the containers, the lock and the last entries of the ledger.

    Changes nothing.
    """
    status_operation.status(site)


def _data(value: str) -> str | None:
    if value not in ("", "auto", "now", "after-switch"):
        raise BadSettings(f"--data is {value!r}; allowed: auto, now, after-switch")
    return value or None


ns = Collection(
    assess_infrastructure,
    run_migration,
    blue_green_deploy,
    rollback,
    validate_deployment,
    deploy,
    status,
)
