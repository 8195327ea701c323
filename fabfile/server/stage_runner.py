"""Runs one stage of the migration: STARTED, its file, COMPLETED or FAILED."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import interrupts
from ..errors import DeployError
from . import migration_checks as checks
from .migration_log import MigrationLog
from .sql_session import CHANGED_MEANWHILE, DatabaseError
from .sql_text import checksum, fill_in, literal, stage_values

if TYPE_CHECKING:
    from ..settings import Settings
    from .database import Database

# A transaction that met somebody else's change of a row is tried again; in the end, writers wait.
TRIES, EXCLUSIVE_TRIES = 4, 2


@dataclass(frozen=True)
class StageRunner:
    """One stage's run.

    :param log: with a session that holds the migration's lock.
    :param backup_sha256: of the dump that was made before; None where none is known.
    """

    settings: Settings
    database: Database
    folder: Path
    log: MigrationLog
    release: str
    backup_sha256: str | None

    def run(self, stage: str) -> str:
        """Run `<stage>.sql`.

        :returns: the counts before and after, as a person reads them.
        :raises DatabaseError: it failed; FAILED is in the log.
        """
        before = checks.counts(self.log.session, self.settings)
        # Committed alone: inside the stage's transaction it would vanish with a failure.
        self._note(stage, "STARTED", counts_before=before)
        extra: dict[str, object] = {}
        if stage == "data" and self._in_batches(before["roles"]):
            extra = {"counts_before": literal(json.dumps(before, sort_keys=True))}
        self.send(stage, f"{stage}.sql", extra)
        after = checks.counts(self.log.session, self.settings)
        if stage != "data":  # that stage writes its own entry, in its own transaction
            self._note(stage, "COMPLETED", counts_before=before, counts_after=after)
        return f"{checks.told(before['roles'])} → {checks.told(after['roles'])}"

    def send(self, stage: str, file: str, extra: dict[str, object]) -> None:
        """Send one file, again where it met somebody else's change of the same row.

        :raises DatabaseError: it failed; FAILED is in the log.
        """
        last = max((entry.id for entry in self.log.entries()), default=0)
        for left in reversed(range(TRIES)):
            sql = self._filled(file, extra | {"exclusive": left < EXCLUSIVE_TRIES})
            try:
                self.log.session.execute(sql)
                return
            except DatabaseError as error:
                if error.code == CHANGED_MEANWHILE and left:
                    interrupts.pause(0.2)
                    continue
                if not error.code and self._arrived(stage, last):
                    return  # only the answer was lost
                with contextlib.suppress(DeployError):
                    self._note(stage, "FAILED", detail=f"{file}: {error.evidence}")
                raise

    def _filled(self, file: str, extra: dict[str, object]) -> str:
        path = self.folder / file
        values = stage_values(self.settings, path, self.release, self.backup_sha256)
        return fill_in(path, values | extra)

    def _note(self, stage: str, status: str, **detail: Any) -> None:
        self.log.add(
            stage,
            status,
            self.release,
            file=f"{stage}.sql",
            checksum=checksum(self.folder / f"{stage}.sql"),
            backup_sha256=self.backup_sha256,
            **detail,
        )

    def _arrived(self, stage: str, last: int) -> bool:
        """Whether a transaction whose answer was lost was committed: a fresh session asks the log.

        :param last: the newest entry's id before it.
        """
        with contextlib.suppress(DeployError), self.database.session(self.release) as session:
            entries = MigrationLog(session, self.log.name).entries()
            return any(
                entry.id > last
                and entry.stage == stage
                and entry.status in ("COMPLETED", "REVERSED")
                for entry in entries
            )
        return False

    def _in_batches(self, roles: dict[str, int]) -> bool:
        """Move all but the last rows of a large table in short transactions."""
        migration, file = self.settings.migration, self.folder / "data-batch.sql"
        left = roles.get(migration.old_role, 0)
        if left <= migration.batch_above or not file.is_file():
            return False
        sql = self._filled(file.name, {})
        while left > migration.batch_size:
            interrupts.check()
            self.log.session.execute(sql)
            former = left
            left = checks.counts(self.log.session, self.settings)["roles"].get(
                migration.old_role, 0
            )
            if left >= former:
                break  # others have locked what is left; the last pass waits for them
        return True
