"""What a stage of a migration sends, file by file; nothing is contacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..settings import Settings
from .migration_folder import REVERSES, MigrationFolder
from .migration_log import insertion
from .sql_text import checksum, fill_in
from .stage_text import check_text, messages, mode_of, stage_values

BATCH = "data-batch.sql"


@dataclass(frozen=True)
class StageScript:
    """The texts of one migration's stages, for one run.

    :param backup_sha256: of the dump that was made before; None where none is known.
    """

    settings: Settings
    folder: MigrationFolder
    release: str
    backup_sha256: str | None

    def messages(
        self, stage: str, file: str, status: str, extra: Mapping[str, object]
    ) -> Sequence[str]:
        """What is sent for one file, one message after another.

        :param status: of the entry that says that it is done.
        :param extra: values for placeholders beside the stage's own.
        """
        mode = mode_of(self.folder.path / file)
        ending = self.ending(stage, status) if mode == "one" else ""
        return messages(mode, self.filled(stage, file, extra), ending)

    def ending(self, stage: str, status: str) -> str:
        """Checks and log entry; a stage that is taken back is not checked."""
        forward = status == "COMPLETED"
        files = self.folder.checksums(stage) if forward else self.reverse_files(stage)
        entry = insertion(
            self.folder.name,
            stage,
            status,
            self.release,
            files=files,
            backup_sha256=self.backup_sha256,
        )
        checks = check_text(self.folder, self.settings, stage) if forward else ""
        return f"{checks}{entry}"

    def reverse_files(self, stage: str) -> dict[str, str]:
        """The sha256 of a stage's way back, by its name."""
        return {REVERSES[stage]: checksum(self.folder.path / REVERSES[stage])}

    def filled(self, stage: str, file: str, extra: Mapping[str, object]) -> str:
        """One file with its placeholders filled in."""
        values = stage_values(self.settings, self.folder, stage, self.release, self.backup_sha256)
        return fill_in(self.folder.path / file, {**values, **extra})
