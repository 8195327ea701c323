"""Migrations that cannot be read here, when one goes back: left aside unless they are needed.

Somebody's new folder, half written, is no reason to leave visitors on a bad release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import DeployError
from .migration_folder import STAGES
from .migration_log import LogEntry, MigrationLog, standing
from .migration_state import BACK
from .releases import STAMP
from .sql_session import DatabaseError

if TYPE_CHECKING:
    from ..site import Site


def refuse_needed(site: Site, release: str | None = None) -> None:
    """See that nothing is needed of a migration that cannot be read.

    :param release: whose release is to get visitors, and may not live with the rows moved; None:
        whatever is applied is needed.
    :raises DeployError: something is.
    """
    if not site.migrations_here.wrong:
        return
    try:
        with site.database.session(site.release) as session:
            every = MigrationLog(session, "").every()
    except DatabaseError:
        return  # what cannot be asked cannot be moved either: visitors first
    for name, entries in every.items():
        fault = site.migrations_here.fault_of(name)
        if fault and _holds(entries, release):
            raise DeployError(
                f"{name} is applied, and its files are needed: {fault.reason}",
                state="nothing was changed",
                next_command="mend that, then the same again; or, where the release lives with "
                "every migration as it is: --set migration.folder=",
            )


def warn(site: Site) -> None:
    """Say which folders are left aside."""
    for fault in site.migrations_here.wrong.values():
        site.console.warn(f"left aside, as it is not needed here: {fault.reason}")


def _holds(entries: Sequence[LogEntry], release: str | None) -> bool:
    """Whether a migration has done what a release may not live with: it lives with what was done
    before it, or by the run that made it."""
    for stage in STAGES if release is None else BACK:
        last = next((entry for entry in reversed(entries) if entry.stage == stage), None)
        begun = last if last and last.status in ("STARTED", "FAILED") else None
        done = standing(entries, stage) or begun
        if done and (release is None or not STAMP.fullmatch(release) or release < done.release):
            return True
    return False
