"""The migration's stages: expand, data, contract, and the way back. Each may be run again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DeployError
from . import migration_checks as checks
from .containers import Container
from .database import Database
from .migration_log import LogEntry, MigrationLog, cut_off, standing
from .migration_state import NONE, MigrationState
from .sql_text import fill_in, literal, stage_values
from .stage_runner import StageRunner

if TYPE_CHECKING:
    from ..site import Site

LOCK = "deploy:migrate"


@dataclass(frozen=True)
class StageResult:
    """What a stage did.

    :param changed: whether it did anything; a stage that had been completed does nothing.
    :param text: one line that says so.
    """

    stage: str
    changed: bool
    text: str


@dataclass(frozen=True)
class MovedBack:
    """How many users went back to the old role.

    :param from_map: users whom the migration had moved.
    :param created_since: users who were created in the new role since.
    :param promoted: users who have another role by now, or are gone; nothing was done to them.
    """

    from_map: int = 0
    created_since: int = 0
    promoted: int = 0

    def __str__(self) -> str:
        return (
            f"{self.from_map} moved back from the map, {self.created_since} created since, "
            f"{self.promoted} kept a later role"
        )


class Migrations(MigrationState):
    """The site's migration.

    :param on: the database that it works on; by default the site's own.
    :param backup_sha256: the dump made before; by default what this release has logged.
    """

    def __init__(
        self, site: Site, on: Database | None = None, backup_sha256: str | None = None
    ) -> None:
        super().__init__(site, on)
        self.backup_sha256 = backup_sha256

    # -- the stages ----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Create the log and the map where they are missing; before the backup, so that a
        restore rewinds them together with the rows."""
        if self.wanted:
            with self._locked() as log:
                log.prepare()

    def expand(self) -> StageResult:
        """Add the new role's value, so that both releases may run.

        :raises DeployError: users per role are not as expected; nothing was changed.
        """
        if not self.wanted:
            return StageResult("expand", False, NONE)
        with self._locked() as log:
            log.prepare()
            entries = log.entries()
            checks.refuse_edited(entries, self.folder)
            done = standing(entries, "expand")
            if done and checks.has_new_role(log.session, self.settings):
                return StageResult("expand", False, f"expand: already done, {done}")
            roles = checks.counts(log.session, self.settings)["roles"]
            checks.refuse_unexpected(roles, entries, self.settings)
            return self._run(log, "expand")

    def add_new_role(self) -> None:
        """Only the new role's value, with no check and no entry: for a restored database, where a
        release that writes it is at work."""
        file = self.folder / "expand.sql"
        values = stage_values(self.settings, file, self.site.release, self.backup_sha256)
        with self._session() as session:
            session.execute(fill_in(file, values))

    def data(self) -> StageResult:
        """Move the rows, their map and the log entry in one transaction.

        :raises DatabaseError: a check failed or the database refused; no row has moved.
        """
        return self._after("expand", "data")

    def contract(self) -> StageResult:
        """Sweep late users of the old role, and refuse the old role from now on.

        Only once no release runs that writes the old role. Without moved rows it does nothing.
        """
        if self.wanted and not standing(self.entries(), "data"):
            return StageResult("contract", False, "contract: waits until the rows have moved")
        return self._after("data", "contract")

    def defer_data(self) -> None:
        """Record that the rows move later, after the switch."""
        if not self.wanted:
            return
        with self._locked() as log:
            log.prepare()
            backup = self._backup(log.entries())
            log.add("data", "DEFERRED", self.site.release, backup_sha256=backup)

    def move_back(self) -> MovedBack:
        """Bring every user of the new role back to the old one; it loses nothing, and a second
        run sweeps up who came since.

        :raises DatabaseError: a check failed or the database refused; no row has moved.
        """
        if not self.wanted:
            return MovedBack()
        with self._locked() as log:
            entries = log.entries()
            stages = [stage for stage in checks.STAGES[1:] if standing(entries, stage)]
            if not stages and not self._moved(log):
                return MovedBack()
            log.prepare()
            before = checks.map_counts(log.session)
            reversed_stages = ", ".join(map(literal, stages or ["data"]))
            extra: dict[str, object] = {
                # By the table, not by the log: contract may have been cut off half way.
                "reverse_contract": checks.has_rule(log.session, self.settings),
                "reversed_stages": f"ARRAY[{reversed_stages}]",
            }
            self._runner(log, entries).send("data", "reverse-data.sql", extra)
            after = checks.map_counts(log.session)
        return MovedBack(*(after[name] - before[name] for name in ("back", "since", "kept")))

    def make_readable_for(self, container: Container) -> str:
        """Before a release gets visitors: move the rows back if it cannot read the new role.

        :returns: one line that says what moved; empty where nothing had to.
        :raises DatabaseError: as `move_back`.
        """
        if not self.wanted or self.can_read(container):
            return ""
        moved = self.move_back()
        return "" if moved == MovedBack() else str(moved)

    # -- how ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[MigrationLog]:
        with self._session() as session:
            session.take_advisory_lock(LOCK)
            yield MigrationLog(session, self.folder.name)

    def _after(self, former: str, stage: str) -> StageResult:
        if not self.wanted:
            return StageResult(stage, False, NONE)
        with self._locked() as log:
            entries = log.entries()
            checks.refuse_edited(entries, self.folder)
            if done := standing(entries, stage):
                return StageResult(stage, False, f"{stage}: already done, {done}")
            if not standing(entries, former):
                raise DeployError(
                    f"the migration's stage {stage} needs {former} first",
                    state="nothing was changed",
                    next_command="fab run-migration",
                )
            return self._run(log, stage)

    def _run(self, log: MigrationLog, stage: str) -> StageResult:
        entries = log.entries()
        text = f"{stage}: {self._runner(log, entries).run(stage)}"
        if dead := cut_off(entries, stage):
            text += f"; an earlier run had been cut off: {dead}"
        return StageResult(stage, True, text)

    def _runner(self, log: MigrationLog, entries: list[LogEntry]) -> StageRunner:
        return StageRunner(
            self.settings,
            self.on,
            self.folder,
            log,
            self.site.release,
            self._backup(entries),
        )

    def _backup(self, entries: list[LogEntry]) -> str | None:
        mine = [e.backup_sha256 for e in entries if e.release == self.site.release]
        return self.backup_sha256 or next((sha for sha in reversed(mine) if sha), None)
