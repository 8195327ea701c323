"""All the numbered scripts, in the guide's order; and how a failure takes back what came before."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from .. import interrupts
from ..documents.assess_infrastructure import AssessInfrastructure
from ..documents.validate_deployment import ValidateDeployment
from ..errors import (
    DeployError,
    Interrupted,
    LockLost,
    NeedsPerson,
    TakenBack,
    ValidationFailed,
)
from ..probes.account import account
from ..server.ledger import CutOff
from ..server.live import Live
from ..server.migration_summary import summary
from ..server.migrations import Migrations
from ..site import Site
from . import FORWARD, MAKES_A_RELEASE
from .assess import Assess
from .blue_green import BlueGreen
from .canary import CANARY, refuse_where_impossible
from .documented import documented
from .figures import Figures
from .full_rollback import FullRollback
from .measured import measured
from .migrate import Migrate
from .recorded import recorded
from .restore import DatabaseRestore, UndoRestore
from .rollback import Rollback
from .settle import clear_up
from .validate import Validate


def deploy(
    site: Site, data: str | None = None, *, resume: bool = False, shares: Sequence[int] = ()
) -> None:
    """Assess, migrate, switch, validate; whatever fails is taken back.

    :param data: when the rows move, over `migration.data`.
    :param resume: go on with the release of the run that was cut off.
    :param shares: percentages of the visitors that come before all of them; in a run that is
        resumed by default those that it was begun with.
    :raises DeployError: refused or failed; nothing had to be taken back.
    :raises TakenBack: failed; the site is on its former release.
    """
    blue_green = switching(site, resume, shares)
    account(site.settings.sign_in)
    migration = Migrate(site, data, resume=resume)
    with site.locked("deploy"), measured(site):
        site.hooks.around("deploy", "before")
        _begin(site, resume)
        blue_green.canary.note()
        assessed = assess(site, waits=False)
        migration.run()
        assessed.note_memory()
        try:
            blue_green.run()
        except (LockLost, NeedsPerson):
            raise
        except DeployError as error:
            raise _all_taken_back(migration, error) from error
        _validate_or_go_back(site, blue_green)
        _hooks_or_go_back(site)
        site.settle()
        if blue_green.migrations.wanted:
            _say(site, ["Migration Summary:", *summary(blue_green.migrations)])
        _say(site, blue_green.summary())


def assess(site: Site, *, as_document: bool = False, waits: bool = True) -> Assess:
    """Phase 1, with the guide's expected output.

    :param as_document: print one JSON document too.
    :param waits: as in `Assess`.
    """
    phase = Assess(site, waits=waits)
    with documented(phase, AssessInfrastructure) if as_document else contextlib.nullcontext():
        phase.run()
        _say(site, phase.summary())
    return phase


def migrate(site: Site, data: str | None = None) -> None:
    """Phase 2, with the guide's expected output."""
    migration = Migrate(site, data)
    with site.locked(Migrate.name):
        _begin(site)
        migration.run()


def blue_green_deploy(site: Site, *, resume: bool = False, shares: Sequence[int] = ()) -> None:
    """Phases 3 and 4, with the guide's expected output; parameters as in `deploy`."""
    phase = switching(site, resume, shares)
    with site.locked(phase.name), measured(site):
        _begin(site, resume)
        phase.canary.note()
        phase.run()
        site.settle()
        _say(site, phase.summary())


def validate(site: Site, *, as_document: bool = False, use: Figures | None = None) -> None:
    """Phase 5: a critical failure takes the site back to its former release.

    Only from a release that a deploy has switched to: what a rollback went back to is what there
    is, and is not left for an older one.

    :param as_document: print one JSON document too.
    :param use: what containers use, as the phase before has asked.
    :raises TakenBack: it did.
    """
    account(site.settings.sign_in)  # refused before anything is contacted
    phase = Validate(site, site.baseline, use)
    told = documented(phase, ValidateDeployment) if as_document else contextlib.nullcontext()
    with told, site.locked(Validate.name, changes=False), recorded(site, alone=False):
        phase.baseline = phase.baseline or site.ledger.last_baseline()
        try:
            phase.run()
        except ValidationFailed as error:
            if not _deployed(site):
                raise
            raise _gone_back(site, error) from error


def rollback(site: Site, to: str = "") -> None:
    """Back to the release that was live before, or to another that is kept.

    After a run that was cut off: what it had begun is taken back, or a rollback is finished.
    """
    with site.locked(Rollback.name), measured(site):
        dead = site.cut_off
        live = clear_up(site, going_back=True)
        if live and dead and not to and dead.task in FORWARD and live.release != dead.release:
            rows = _rows_back(site, dead.release)
            site.settle()
            where = f"visitors are on {live.colour} {live.release}"
            _say(site, [f"What {dead.task} of {dead.release} left is taken back: {where}.", *rows])
            site.console.line("next: fab status; one release further back: fab rollback again")
            return
        phase = Rollback(site, to, finish=has_arrived(dead, live, to))
        phase.run()
        site.settle()
        _say(site, phase.summary())


def full_rollback(site: Site, to: str = "", *, yes: bool, keep_new_rows: bool) -> None:
    """The database as its backup has it, then the application."""
    with site.locked(FullRollback.name), measured(site):
        dead = site.cut_off
        arrived = has_arrived(dead, clear_up(site, going_back=True), to)
        if arrived and dead and dead.task == Rollback.name:
            _finish_with_database(site, yes=yes, keep_new_rows=keep_new_rows)
            return
        phase = FullRollback(
            site, to, yes=yes, keep_new_rows=keep_new_rows, dead=dead, arrived=arrived
        )
        phase.run()
        site.settle()
        _say(site, phase.summary())


def _finish_with_database(site: Site, *, yes: bool, keep_new_rows: bool) -> None:
    """The application is back already, by a rollback that was cut off; then the database too."""
    app = Rollback(site, finish=True)
    app.run()
    site.settle()
    backup = site.backups.look().rollback_target(app.live.release)
    name = backup.name if backup else "latest"
    phase = DatabaseRestore(site, name, yes=yes, keep_new_rows=keep_new_rows)
    phase.run()
    _say(site, [*phase.summary(), "", *app.summary()])


def take_back(site: Site) -> None:
    """What a run of this release did here goes back, because it failed on another server.

    Right also where it did nothing, or was killed half way.
    """
    with site.locked(Rollback.name), measured(site):
        clear_up(site, going_back=True)
        if site.live.read().release == site.release:
            phase = Rollback(site, by_itself=True)
            phase.run()
            _say(site, phase.summary())
        for line in _rows_back(site, site.release):
            site.console.line(line)
        site.settle()


def restore(site: Site, name: str, *, yes: bool, keep_new_rows: bool) -> None:
    """A backup as the live database; the one that was live is kept."""
    with site.locked(DatabaseRestore.name), measured(site):
        _begin(site)
        phase = DatabaseRestore(site, name, yes=yes, keep_new_rows=keep_new_rows)
        phase.run()
        _say(site, phase.summary())


def undo_restore(site: Site, name: str) -> None:
    """The database that the last restore kept is live again."""
    with site.locked(UndoRestore.name), measured(site):
        _begin(site)
        phase = UndoRestore(site, name)
        phase.run()
        _say(site, phase.summary())


def switching(site: Site, resume: bool, shares: Sequence[int]) -> BlueGreen:
    """The phase that moves visitors, after everything that can be refused before it.

    The site has the release's stamp from here on.

    :raises BadSettings: visitors cannot be divided, or there is nothing to send.
    :raises DeployError: there is nothing to resume.
    """
    refuse_where_impossible(site.settings, shares)
    if resume:
        dead = resumable(site)
        site.release = dead.release
        begun = dead.last(CANARY)
        shares = shares or (begun.detail["shares"] if begun else ())
    phase = BlueGreen(site, resume=resume, shares=shares)
    phase.source.check()
    return phase


def _begin(site: Site, resume: bool = False) -> None:
    """Deal with a run that was cut off; one that is resumed is settled at its end."""
    if resume:
        site.console.line(f"resuming release {site.release}")
        return
    clear_up(site)
    site.settle()


def _deployed(site: Site) -> bool:
    """Whether it was a deploy that brought visitors to what is live."""
    moves = [e for e in site.ledger.entries() if e.event in ("switched", "taken-back")]
    if not moves or moves[-1].event != "switched" or moves[-1].task not in MAKES_A_RELEASE:
        return False
    # A deploy that went back by itself switched too: to another release than its own.
    return bool(moves[-1].detail["to"] == moves[-1].release == site.live.read().release)


def _validate_or_go_back(site: Site, done: BlueGreen) -> None:
    """A release that could not be validated to the end is not kept as if it had been."""
    try:
        validate(site, use=done.use)
    except (LockLost, NeedsPerson, TakenBack):
        raise
    except Interrupted as error:
        raise _gone_back(site, error) from error
    except DeployError as error:
        raise NeedsPerson(
            f"the validation broke off: {error.reason}",
            evidence=error.evidence,
            state=f"{done.new.colour} {done.new.release} is live, and not validated",
            next_command="fab validate-deployment, or fab rollback",
        ) from error


def _hooks_or_go_back(site: Site) -> None:
    """What a hook after the deploy refuses is not kept."""
    try:
        site.hooks.around("deploy", "after")
    except (Interrupted, ValidationFailed) as error:
        raise _gone_back(site, error) from error


def resumable(site: Site) -> CutOff:
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
            next_command="fab rollback takes back what it began; fab deploy starts anew",
        )
    return dead


def has_arrived(dead: CutOff | None, live: Live | None, to: str) -> bool:
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


def _gone_back(site: Site, why: DeployError) -> DeployError:
    """Go back to the former release, and say so."""
    site.console.warn(f"{why.reason}: going back to the former release")
    began = time.monotonic()
    phase = Rollback(site, by_itself=True)
    try:
        with interrupts.masked(), site.locked(phase.name), measured(site):
            phase.run()
            rows = _rows_back(site, site.release)
            interrupts.settled()
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


def _rows_back(site: Site, release: str) -> list[str]:
    """Rows that a run of this release moved go back, whoever can read them: as before it."""
    moved = Migrations(site).send_back_of(release)
    return [moved] if moved else []


def _say(site: Site, lines: list[str]) -> None:
    site.console.line()
    for line in lines:
        site.console.line(line, style="bold" if line.endswith(":") else None)
