"""One migration: its stages expand, data and contract, and the way back. Each may be run again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import DeployError
from . import migration_checks as checks
from .containers import Container
from .migration_log import LogEntry, MigrationLog, cut_off, standing
from .migration_state import MigrationState
from .sql_session import Session
from .stage_runner import StageRunner

LOCK = "deploy:migrate"


@dataclass(frozen=True)
class StageResult:
    """What a stage did.

    :param changed: whether it did anything; a stage that had been completed does nothing.
    :param text: what it did or why not, a line for each migration.
    :param waits: it cannot be done yet.
    """

    stage: str
    changed: bool
    text: str
    waits: bool = False


class Migration(MigrationState):
    """A migration of the schema: a release from before it goes on with what expand adds."""

    # -- refusing ------------------------------------------------------------------------------

    def refuse(self, roles: Mapping[str, int], entries: Sequence[LogEntry]) -> None:
        """:raises DeployError: a file was changed after it had been applied."""
        checks.refuse_changed(entries, self.folder)

    # -- the stages ----------------------------------------------------------------------------

    def expand(self) -> StageResult:
        """Add what both releases live with.

        :raises DeployError: a file was changed; or users are not as expected.
        """
        with self._locked() as log:
            log.prepare()
            entries = log.entries()
            done = standing(entries, "expand")
            if "expand" not in self.folder.stages or (done and self._is_there(log.session)):
                checks.refuse_changed(entries, self.folder)
                return self._nothing("expand", done)
            self.refuse(self._roles(log.session), entries)
            return self._run(log, "expand")

    def data(self) -> StageResult:
        """Change the rows, with the log entry in the same transaction.

        :raises DatabaseError: a check failed or the database refused; no row has changed.
        """
        return self._after_others("data")

    def contract(self) -> StageResult:
        """Take away what only the former release needed; once that has stopped."""
        return self._after_others("contract")

    def defer_data(self) -> None:
        """Record that the rows move later, after the switch."""
        with self._locked() as log:
            log.prepare()
            log.add(
                "data",
                "DEFERRED",
                self.site.release,
                backup_sha256=self._backup(log.entries()),
            )

    def send_back(self) -> str:
        """Take back contract and data, as far as they have a reverse.

        :returns: one line that says what; empty for nothing.
        :raises DatabaseError: the database refused.
        """
        if not self._reversible:
            return ""
        with self._locked() as log:
            entries = log.entries()
            back = self.reversals(log)
            for stage, extra in back.items():
                self._runner(log, entries).reverse(stage, extra)
        return f"{self.name}: {' and '.join(back)} taken back" if back else ""

    def reversals(self, log: MigrationLog) -> dict[str, dict[str, object]]:
        """What `send_back` runs: the stages whose way back it is, with what that is filled in with.

        Only reads.
        """
        return {stage: {} for stage in self._to_reverse(log.entries())}

    def reverse_expand(self) -> None:
        """Take back what expand has added.

        :raises DatabaseError: the database refused.
        """
        with self._locked() as log:
            self._runner(log, log.entries()).reverse("expand")

    def fit(self, readers: Sequence[Container]) -> str:
        """On a restored database: add what the releases that run may use since expand.

        :param readers: their containers.
        :returns: one line that says what was added; empty for nothing.
        :raises DatabaseError: it cannot be added.
        """
        live = type(self)(self.site, self.folder)
        if self.standing("expand") or not live.standing("expand"):
            return ""
        self.expand()
        return f"{self.name}: expanded, as the live one is"

    # -- how ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[MigrationLog]:
        with self._session() as session:
            session.take_advisory_lock(LOCK)
            yield MigrationLog(session, self.name)

    def _is_there(self, session: Session) -> bool:
        """Whether what expand has added is there, as far as can be seen."""
        return True

    def _roles(self, session: Session) -> Mapping[str, int]:
        return {}

    def _nothing(self, stage: str, done: LogEntry | None) -> StageResult:
        why = f"already done, {done}" if done else "there is none"
        return StageResult(stage, False, f"{self.name}, {stage}: {why}")

    def _after_others(self, stage: str) -> StageResult:
        with self._locked() as log:
            entries = log.entries()
            checks.refuse_changed(entries, self.folder)
            done = standing(entries, stage)
            if done or stage not in self.folder.stages:
                return self._nothing(stage, done)
            if not self._is_due(stage, entries):
                return self._too_early(stage, entries)
            return self._run(log, stage)

    def _too_early(self, stage: str, entries: Sequence[LogEntry]) -> StageResult:
        former = next(s for s in self.folder.stages if not standing(entries, s))
        if stage == "contract":
            text = f"{self.name}, contract: waits for {former}"
            return StageResult(stage, False, text, waits=True)
        raise DeployError(
            f"{self.name}: the stage {stage} needs {former} first",
            state="nothing was changed",
            next_command="fab run-migration",
        )

    def _run(self, log: MigrationLog, stage: str) -> StageResult:
        log.prepare()
        entries = log.entries()
        text = f"{self.name}, {stage}: {self._runner(log, entries).run(stage) or 'done'}"
        if dead := cut_off(entries, stage):
            text += f"; an earlier run had been cut off: {dead}"
        return StageResult(stage, True, text)

    def _runner(self, log: MigrationLog, entries: Sequence[LogEntry]) -> StageRunner:
        backup = self._backup(entries)
        release = self.site.release
        return StageRunner(self.settings, self.on, self.folder, log, release, backup)

    def _backup(self, entries: Sequence[LogEntry]) -> str | None:
        mine = [e.backup_sha256 for e in entries if self._is_mine(e)]
        return self.backup_sha256 or next((sha for sha in reversed(mine) if sha), None)
