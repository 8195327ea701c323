"""All the numbered scripts, in the guide's order; and how a failure takes back what came before."""

from __future__ import annotations

import time

from ..errors import DeployError, LockLost, NeedsPerson, TakenBack, ValidationFailed
from ..server.ledger import CutOff
from ..server.live import Live
from ..server.migration_log import standing
from ..server.migrations import Migrations
from ..site import Site
from .assess import Assess
from .blue_green import BlueGreen
from .full_rollback import FullRollback
from .measured import measured
from .migrate import Migrate
from .restore import DatabaseRestore, UndoRestore
from .rollback import Rollback
from .settle import MAKES_A_RELEASE, settle
from .validate import Validate


def deploy(site: Site, data: str | None = None, *, resume: bool = False) -> None:
    """Assess, migrate, switch, validate; whatever fails is taken back.

    :param data: when the rows move, over `migration.data`.
    :param resume: go on with the release of the run that was cut off.
    :raises DeployError: refused or failed; nothing had to be taken back.
    :raises TakenBack: failed; the site is on its former release.
    """
    if resume:
        site.release = _resumable(site).release
    blue_green = BlueGreen(site, resume=resume)
    blue_green.source.check()
    migrate_phase = Migrate(site, data)
    with site.locked("deploy"), measured(site):
        _begin(site, resume)
        assess(site)
        migrate_phase.run()
        try:
            blue_green.run()
        except (LockLost, NeedsPerson):
            raise
        except DeployError as error:
            raise _all_taken_back(migrate_phase, error) from error
        validate(site)
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
    with site.locked(Migrate.name):
        settle(site)
        Migrate(site, data).run()


def blue_green_deploy(site: Site, *, resume: bool = False) -> None:
    """Phases 3 and 4, with the guide's expected output."""
    if resume:
        site.release = _resumable(site).release
    phase = BlueGreen(site, resume=resume)
    phase.source.check()
    with site.locked(phase.name), measured(site):
        _begin(site, resume)
        phase.run()
        _say(site, phase.summary())


def validate(site: Site) -> None:
    """Phase 5: a critical failure takes the site back to its former release.

    :raises TakenBack: it did.
    """
    with site.locked(Validate.name, changes=False):
        try:
            Validate(site, site.baseline or site.ledger.last_baseline()).run()
        except ValidationFailed as error:
            raise _rolled_back(site, error) from error


def rollback(site: Site, to: str = "") -> None:
    """Back to the release that was live before, or to another that is kept.

    After a run that was cut off: what it had begun is taken back, or a rollback is finished.
    """
    with site.locked(Rollback.name), measured(site):
        dead = site.cut_off
        live = settle(site)
        if (
            live
            and dead
            and not to
            and dead.task in MAKES_A_RELEASE
            and live.release != dead.release
        ):
            words = f"{live.colour} {live.release} is live, as before it"
            _say(site, [f"The deploy of {dead.release} never met a visitor, and is gone; {words}."])
            return
        phase = Rollback(site, to, finish=_arrived(dead, live, to))
        phase.run()
        _say(site, phase.summary())


def full_rollback(site: Site, to: str = "", *, yes: bool, keep_new_rows: bool) -> None:
    """The database as its backup has it, then the application."""

    with site.locked(FullRollback.name), measured(site):
        dead = site.cut_off
        arrived = _arrived(dead, settle(site), to)
        phase = FullRollback(
            site, to, yes=yes, keep_new_rows=keep_new_rows, dead=dead, arrived=arrived
        )
        phase.run()
        _say(site, phase.summary())


def restore(site: Site, name: str, *, yes: bool, keep_new_rows: bool) -> None:
    """A backup as the live database; the one that was live is kept."""

    with site.locked(DatabaseRestore.name), measured(site):
        settle(site)
        phase = DatabaseRestore(site, name, yes=yes, keep_new_rows=keep_new_rows)
        phase.run()
        _say(site, phase.summary())


def undo_restore(site: Site, name: str) -> None:
    """The database that the last restore kept is live again."""

    with site.locked(UndoRestore.name), measured(site):
        settle(site)
        phase = UndoRestore(site, name)
        phase.run()
        _say(site, phase.summary())


def _begin(site: Site, resume: bool) -> None:
    if resume:
        site.console.line(f"resuming release {site.release}")
        site.settle()
    else:
        settle(site)


def _resumable(site: Site) -> CutOff:
    """:raises DeployError: no deploy was cut off."""
    dead = site.ledger.cut_off()
    if dead is None:
        raise DeployError(
            "there is nothing to resume: no run was cut off",
            state="nothing was touched",
            next_command="fab deploy",
        )
    if dead.task not in MAKES_A_RELEASE:
        raise DeployError(
            f"there is no deploy to resume; what was cut off is {dead}",
            state="nothing was touched",
            next_command=f"fab {dead.task}, or fab deploy",
        )
    return dead


def _arrived(dead: CutOff | None, live: Live | None, to: str) -> bool:
    """Whether a rollback that was cut off had taken the visitors to where this one goes."""
    going = dead.last("going-back") if dead else None
    if not (going and live) or to not in ("", live.release):
        return False
    return bool(going.detail["to"] == live.release)


def _all_taken_back(migrated: Migrate, error: DeployError) -> DeployError:
    """The rows that an earlier phase of this run moved go back with the rest."""
    taken = migrated.take_back(error)
    if taken is None:
        return error
    taken.taken_back = "; ".join(filter(None, (error.taken_back, taken.taken_back)))
    taken.state = error.state
    return taken


def _rolled_back(site: Site, why: ValidationFailed) -> DeployError:
    """Go back to the former release, and say so."""
    site.console.warn(f"{why.reason}: going back to the former release")
    began = time.monotonic()
    phase = Rollback(site)
    try:
        with site.locked(phase.name), measured(site):
            phase.run()
            rows = _rows_back(site)
    except LockLost:
        raise
    except DeployError as second:
        return NeedsPerson(
            f"{why.reason}; and going back failed: {second.reason}",
            evidence=f"{why.evidence}\n{second.evidence}",
            trigger=why.trigger,
            state=second.state,
            next_command="fab status; mend what the evidence names, then fab rollback",
        )
    back = f"visitors back on {phase.former.colour} {phase.former.release}"
    return TakenBack(
        why.reason,
        evidence=why.evidence,
        trigger=why.trigger,
        taken_back=f"{'; '.join([back, *rows])} (in {time.monotonic() - began:.1f} s)",
        state=f"visitors are {back.removeprefix('visitors ')}",
        next_command="read the evidence, mend the release, deploy again",
    )


def _rows_back(site: Site) -> list[str]:
    """Rows that this very run moved go back, whoever can read them: the database as before."""
    migrations = Migrations(site)
    data = standing(migrations.entries(), "data")
    if data is None or data.release != site.release:
        return []
    return [f"roles: {migrations.move_back()}"]


def _say(site: Site, lines: list[str]) -> None:
    site.console.line()
    for line in lines:
        site.console.line(line, style="bold" if line.endswith(":") else None)
