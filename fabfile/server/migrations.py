"""The migration's stages: expand, data, contract, and the way back. Each may be run again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DeployError
from . import migration_checks as checks
from .containers import COLOUR_LABEL, Container
from .migration_log import LogEntry, MigrationLog, cut_off, standing
from .sql_session import Session
from .sql_text import literal, stage_folder
from .stage_runner import StageRunner

if TYPE_CHECKING:
    from ..site import Site

LOCK = "deploy:migrate"
NONE = "no migration: migration.folder is empty"


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


class Migrations:
    """The site's migration.

    :param backup_sha256: the dump made before; by default what this release has logged.
    """

    def __init__(self, site: Site, backup_sha256: str | None = None) -> None:
        self.site = site
        self.settings = site.settings
        self.backup_sha256 = backup_sha256

    @property
    def wanted(self) -> bool:
        """Whether there is a migration at all."""
        return bool(self.settings.migration.folder)

    @cached_property
    def folder(self) -> Path:
        """The stage files' folder; its name is the migration's.

        :raises BadSettings: there is no such folder.
        """
        return stage_folder(self.settings)

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

    # -- questions -----------------------------------------------------------------------------

    def check(self) -> dict[str, int]:
        """Compare with the settings' expectations and the checksums; nothing is changed.

        :returns: users per role.
        :raises DeployError: users per role are not as expected before the first run, or a
            stage's file is not the one that was applied.
        """
        with self._session() as session:
            roles: dict[str, int] = checks.counts(session, self.settings)["roles"]
            if self.wanted:
                entries = MigrationLog(session, self.folder.name).entries()
                checks.refuse_edited(entries, self.folder)
                checks.refuse_unexpected(roles, entries, self.settings)
        return roles

    def entries(self) -> list[LogEntry]:
        """The log, oldest first."""
        if not self.wanted:
            return []
        with self._session() as session:
            return MigrationLog(session, self.folder.name).entries()

    def data_is_due(self) -> bool:
        """Whether the rows wait to be moved: expand is done, and data never, or reversed since."""
        entries = self.entries()
        return bool(standing(entries, "expand")) and standing(entries, "data") is None

    def contract_is_due(self) -> bool:
        """Whether the rows have moved and the old role is not refused yet."""
        entries = self.entries()
        return bool(standing(entries, "data")) and not standing(entries, "contract")

    def rows_have_moved(self) -> bool:
        """Whether anybody is in the new role, or in the map and not back yet."""
        if not self.wanted:
            return False
        with self._session() as session:
            return self._moved(MigrationLog(session, self.folder.name))

    def can_read(self, container: Container) -> bool:
        """Whether a container's release says that it can read the new role."""
        reads = container.reads(self.settings.database.role_type)
        return reads is not None and self.settings.migration.new_role in reads

    def readers_lacking_new_role(self) -> list[Container]:
        """Running containers of the app that do not say that they can read the new role."""
        if not self.wanted:
            return []
        return [
            container
            for container in self.site.containers.all()
            if container.running
            and (container.service == self.settings.compose.app or COLOUR_LABEL in container.labels)
            and not self.can_read(container)
        ]

    def unsettled(self) -> list[str]:
        """What a validation would not accept, one line each; empty when all is well.

        Nobody whom the migration moved may be in the old role again; and where people were
        signed in before, not everybody may be signed out. Late sign-ups of a release that still
        serves are no fault: contract sweeps them.
        """
        done = standing(self.entries(), "data")
        if done is None:
            return []
        with self._session() as session:
            returned = checks.returned(session, self.settings)
            sessions = checks.counts(session, self.settings)["sessions"]
        faults = []
        if returned:
            faults.append(f"{returned} users are in {self.settings.migration.old_role} again")
        if done.counts_before.get("sessions") and not sessions:
            faults.append(f"of {done.counts_before['sessions']} sessions none is left")
        return faults

    def summary(self) -> list[str]:
        """The guide's lines on the migration, as the database has it now."""
        if not self.wanted:
            return [NONE]
        old, new = self.settings.migration.old_role, self.settings.migration.new_role
        roles = self.site.database.role_counts()
        order = sorted(roles, key=lambda role: (role != new, role))
        each = ", ".join(f"{roles[role]} {role}" for role in order)
        total = f"• Total users: {sum(roles.values())} ({each})"
        done = standing(self.entries(), "data")
        if done is None:
            left = roles.get(old, 0)
            return [
                f"• Users to migrate: {left} {old} → {left} {new}, right after the switch",
                total,
                "• Data integrity: no row has been changed yet",
            ]
        with self._session() as session:
            moved = checks.map_counts(session)["open"]
        faults = self.unsettled()
        return [
            f"• Users migrated: {moved} {old} → {moved} {new}",
            total,
            f"• Data integrity: {'; '.join(faults) or 'Verified'}",
        ]

    # -- how ------------------------------------------------------------------------------------

    def _session(self) -> contextlib.AbstractContextManager[Session]:
        return self.site.database.session(self.site.release)

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
            self.site.database,
            self.folder,
            log,
            self.site.release,
            self._backup(entries),
        )

    def _backup(self, entries: list[LogEntry]) -> str | None:
        mine = [e.backup_sha256 for e in entries if e.release == self.site.release]
        return self.backup_sha256 or next((sha for sha in reversed(mine) if sha), None)

    def _moved(self, log: MigrationLog) -> bool:
        roles = checks.counts(log.session, self.settings)["roles"]
        if roles.get(self.settings.migration.new_role, 0):
            return True
        return log.exists() and checks.map_counts(log.session)["open"] > 0
