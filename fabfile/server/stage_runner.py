"""Runs one stage of a migration: STARTED, its files, its checks, COMPLETED or FAILED."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import interrupts
from ..errors import DeployError
from .migration_folder import REVERSES, STAGE_FILES, MigrationFolder
from .migration_log import MigrationLog
from .people import counts, told
from .sql_session import CHANGED_MEANWHILE, DatabaseError
from .sql_text import literal
from .stage_script import BATCH, StageScript
from .stage_text import check_text, mode_of

if TYPE_CHECKING:
    from ..settings import Settings
    from .database import Database

# A transaction that met somebody else's change of a row is tried again; in the end, writers wait.
TRIES, EXCLUSIVE_TRIES = 4, 2


@dataclass(frozen=True)
class StageRunner:
    """One stage's run.

    :param log: with a session that holds the migrations' lock.
    :param backup_sha256: of the dump that was made before; None where none is known.
    """

    settings: Settings
    database: Database
    folder: MigrationFolder
    log: MigrationLog
    release: str
    backup_sha256: str | None

    def run(self, stage: str) -> str:
        """Run a stage's files.

        :returns: users per role before and after, where the migration is about them.
        :raises DatabaseError: it failed; FAILED is in the log.
        """
        last, before = self._last(), self._counts()
        # Committed alone: inside the stage's transaction it would vanish with a failure.
        self._note(stage, "STARTED", counts_before=before)
        with self._failing(stage):
            extra: dict[str, object] = {}
            if stage == "data" and self._goes_in_batches(before):
                self._in_batches()
                extra = {"counts_before": literal(json.dumps(before, sort_keys=True))}
            if not self.folder.has(STAGE_FILES[stage][-1]):
                self.log.session.execute(self.script.ending(stage, "COMPLETED"))
            elif not self.send(stage, STAGE_FILES[stage][-1], "COMPLETED", extra):
                return "done; the answer was lost on the way"
            after = self._counts()
            if not self._has(stage, "COMPLETED", last, self.log):
                self._check(stage)
                self._note(stage, "COMPLETED", counts_before=before, counts_after=after)
        return f"{told(before['roles'])} → {told(after['roles'])}" if before and after else ""

    def reverse(self, stage: str, extra: Mapping[str, object] | None = None) -> None:
        """Run `reverse-<stage>.sql`.

        :raises DatabaseError: it failed; FAILED is in the log.
        """
        last, file = self._last(), REVERSES[stage]
        with self._failing(stage):
            if self.send(stage, file, "REVERSED", extra or {}) and not self._has(
                stage, "REVERSED", last, self.log
            ):
                files = self.script.reverse_files(stage)
                self.log.add(stage, "REVERSED", self.release, files=files)

    def send(self, stage: str, file: str, status: str, extra: Mapping[str, object]) -> bool:
        """Send one file, again where it met somebody else's change of the same row.

        :param status: of the entry that says that it is done.
        :returns: False where only the answer was lost, and the session with it.
        :raises DatabaseError: it failed.
        """
        last, mode = self._last(), mode_of(self.folder.path / file)
        for left in reversed(range(TRIES)):
            values = {**extra, "exclusive": left < EXCLUSIVE_TRIES}
            try:
                for message in self.script.messages(stage, file, status, values):
                    self.log.session.execute(message)
                return True
            except DatabaseError as error:
                if error.code == CHANGED_MEANWHILE and left and mode != "none":
                    interrupts.pause(0.2)
                    continue
                if not error.code and self._arrived(stage, status, last):
                    return False
                error.reason = f"{self.folder.name}/{file}: {error.reason}"
                raise
        raise AssertionError("the last try returns or raises")

    # -- what belongs to a stage -------------------------------------------------------------------

    @property
    def script(self) -> StageScript:
        return StageScript(self.settings, self.folder, self.release, self.backup_sha256)

    def _check(self, stage: str) -> None:
        if text := check_text(self.folder, self.settings, stage):
            self.log.session.execute(text)

    def _counts(self) -> dict[str, Any] | None:
        """Of a move of roles only: counting a large table for a new column helps nobody."""
        return counts(self.log.session, self.settings) if self.folder.roles else None

    # -- a large table -----------------------------------------------------------------------------

    def _goes_in_batches(self, before: dict[str, Any] | None) -> bool:
        if not self.folder.has(BATCH):
            return False
        roles, limit = self.folder.roles, self.settings.migration.batch_above
        return roles is None or before is None or before["roles"].get(roles.old, 0) > limit

    def _in_batches(self) -> None:
        """Short transactions, until one finds nothing to do that nobody has locked."""
        sql = self.script.filled("data", BATCH, {})
        while self.log.session.number(sql):
            interrupts.check()

    # -- the log -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _failing(self, stage: str) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            with contextlib.suppress(DeployError):
                self._note(stage, "FAILED", detail=f"{error.reason}\n{error.evidence}")
            raise

    def _note(self, stage: str, status: str, **detail: Any) -> None:
        self.log.add(
            stage,
            status,
            self.release,
            files=self.folder.checksums(stage),
            backup_sha256=self.backup_sha256,
            **detail,
        )

    def _last(self) -> int:
        """The newest entry's id."""
        return max((entry.id for entry in self.log.entries()), default=0)

    @staticmethod
    def _has(stage: str, status: str, last: int, log: MigrationLog) -> bool:
        return any(
            entry.id > last and entry.stage == stage and entry.status == status
            for entry in log.entries()
        )

    def _arrived(self, stage: str, status: str, last: int) -> bool:
        """Whether a transaction whose answer was lost was committed: a fresh session asks the log.

        :param last: the newest entry's id before it.
        """
        with contextlib.suppress(DeployError), self.database.session(self.release) as session:
            return self._has(stage, status, last, MigrationLog(session, self.log.name))
        return False
