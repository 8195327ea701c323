"""All the numbered scripts, in the guide's order."""

from __future__ import annotations

from ..errors import TakenBack, ValidationFailed
from ..site import Site
from .assess import Assess
from .blue_green import BlueGreen
from .measured import measured
from .migrate import Migrate
from .rollback import Rollback
from .validate import Validate


def deploy(site: Site, data: str | None = None) -> None:
    """Assess, migrate, switch, validate; a critical validation takes the release back.

    :param data: when the rows move, over `migration.data`.
    :raises DeployError: refused or failed; the site is as it was.
    :raises TakenBack: failed after the switch; the site is on its former release.
    """
    blue_green = BlueGreen(site)
    blue_green.source.check()
    with site.locked("deploy"), measured(site):
        site.log("started")
        assess(site)
        migrate(site, data)
        blue_green.run()
        validate(site)
        site.log("done")
        if blue_green.migrations.wanted:
            _say(site, ["Migration Summary:", *blue_green.migrations.summary()])
        _say(site, blue_green.summary())


def assess(site: Site) -> None:
    """Phase 1, with the guide's expected output."""
    phase = Assess(site)
    phase.run()
    _say(site, phase.summary())


def migrate(site: Site, data: str | None = None) -> None:
    """Phase 2, with the guide's expected output."""
    Migrate(site, data).run()


def blue_green_deploy(site: Site) -> None:
    """Phases 3 and 4, with the guide's expected output."""
    phase = BlueGreen(site)
    phase.source.check()
    with site.locked(phase.name), measured(site):
        phase.run()
        _say(site, phase.summary())


def validate(site: Site) -> None:
    """Phase 5: a critical failure takes the site back to its former release.

    :raises TakenBack: it did.
    """
    with site.locked(Validate.name):
        try:
            Validate(site, site.baseline or site.ledger.last_baseline()).run()
        except ValidationFailed as error:
            site.console.warn(f"{error.reason}: going back to the former release")
            rollback(site)
            raise TakenBack(
                error.reason,
                evidence=error.evidence,
                state="taken back; the site is on its former release",
                next_command="read the evidence, mend the release, deploy again",
            ) from error


def rollback(site: Site) -> None:
    """Back to the release that was live before."""
    phase = Rollback(site)
    with site.locked(phase.name), measured(site):
        phase.run()
        _say(site, phase.summary())


def _say(site: Site, lines: list[str]) -> None:
    site.console.line()
    for line in lines:
        site.console.line(line, style="bold" if line.endswith(":") else None)
