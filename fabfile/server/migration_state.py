"""How one migration stands: read from the database and the containers; nothing is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from . import migration_checks as checks
from .containers import COLOUR_LABEL, Container
from .database import Database
from .migration_folder import REVERSES, STAGE_FILES, STAGES, MigrationFolder
from .migration_log import LogEntry, MigrationLog, standing
from .releases import STAMP
from .sql_session import Session
from .stage_text import mode_of

if TYPE_CHECKING:
    from ..site import Site

BACK = ("contract", "data")  # what a rollback takes back, in this order; an expansion stays


class MigrationState:
    """What is asked of one migration; nothing is changed.

    :param on: the database that it works on; by default the site's own.
    """

    def __init__(self, site: Site, folder: MigrationFolder, on: Database | None = None) -> None:
        self.site = site
        self.settings = site.settings
        self.folder = folder
        self.on = on or site.database
        self.backup_sha256: str | None = None  # of the dump made before, where this run made it

    @property
    def name(self) -> str:
        return self.folder.name

    # -- how it stands -------------------------------------------------------------------------

    def entries(self) -> list[LogEntry]:
        """The log, oldest first."""
        with self._session() as session:
            return MigrationLog(session, self.name).entries()

    def standing(self, stage: str) -> LogEntry | None:
        """The entry by which a stage holds."""
        return standing(self.entries(), stage)

    @property
    def has_way_back(self) -> bool:
        """Whether a rollback can take anything of it back."""
        return bool(self._reversible)

    def data_is_due(self) -> bool:
        """Whether the rows wait to be moved: what comes before is done, and data never, or
        reversed since."""
        return self._is_due("data", self.entries())

    def contract_is_due(self) -> bool:
        """Whether all is done that comes before contract, and contract is not."""
        return self._is_due("contract", self.entries())

    def moved_by(self, release: str) -> bool:
        """Whether a run of this release did what a rollback takes back."""
        entries = self.entries()
        found = (standing(entries, stage) for stage in self._reversible)
        return any(entry is not None and entry.release == release for entry in found)

    def has_moved(self) -> bool:
        """Whether there is anything to take back for a release that does not live with it."""
        return bool(self._reversible) and any(self._to_reverse(self.entries()))

    def lives_with(self, container: Container) -> bool:
        """Whether a container's release was made for it: by the run that began it, or later."""
        begun_by, release = self._begun_by(self.entries()), container.release or ""
        return bool(begun_by and STAMP.fullmatch(release)) and release >= begun_by

    def says_that_it_cannot_read(self, container: Container) -> bool:
        """Whether a release itself says that it cannot live with the rows moved."""
        return False

    def unread_by(self, releases: str) -> str:
        """Words for releases that do not live with the rows moved."""
        return f"{releases} is from before {self.name}"

    def lacking(self) -> list[Container]:
        """Running containers of the app that do not live with it."""
        return [c for c in self.app_containers() if not self.lives_with(c)]

    def app_containers(self) -> list[Container]:
        """The app's containers that run."""
        return [
            container
            for container in self.site.containers.all()
            if container.running
            and (container.service == self.settings.compose.app or COLOUR_LABEL in container.labels)
        ]

    def was_sent_back_by(self, releases: Collection[str]) -> bool:
        """Whether the last that happened to its rows is that one of these runs took them back."""
        mine = [entry for entry in self.entries() if entry.stage == "data"]
        return bool(mine) and mine[-1].status == "REVERSED" and mine[-1].release in releases

    def unsettled(self) -> list[str]:
        """What a validation would not accept, one line each: what `checks.sql` finds, for the run
        that applied a stage. Later migrations may change what an earlier one has promised."""
        entries = self.entries()
        done = [stage for stage in STAGES if (e := standing(entries, stage)) and self._is_mine(e)]
        if not done:
            return []
        with self._session() as session:
            return [*checks.faults(session, self.settings, self.folder, done[-1])]

    def headline(self) -> str:
        """The summary's line on it; empty where this run had nothing to do with it."""
        entries = self.entries()
        found = {stage: standing(entries, stage) for stage in self.folder.stages}
        mine = any(entry and self._is_mine(entry) for entry in found.values())
        if not mine and all(found.values()):
            return ""
        done = [stage for stage, entry in found.items() if entry]
        wait = [stage for stage, entry in found.items() if not entry]
        parts = [
            f"{' and '.join(stages)} {how}"
            for stages, how in ((done, "done"), (wait, "waiting"))
            if stages
        ]
        return f"• {self.name}: {'; '.join(parts)}"

    # -- how ------------------------------------------------------------------------------------

    @property
    def _reversible(self) -> tuple[str, ...]:
        return tuple(stage for stage in BACK if self.folder.has(REVERSES[stage]))

    def _to_reverse(self, entries: Sequence[LogEntry]) -> Iterator[str]:
        """Stages that hold, or of which a part may be there."""
        for stage in self._reversible:
            last = next((e.status for e in reversed(entries) if e.stage == stage), "")
            begun = last in ("STARTED", "FAILED") and self._in_parts(stage)
            if standing(entries, stage) or begun:
                yield stage

    def _in_parts(self, stage: str) -> bool:
        """Whether a part of it may be there without the rest."""
        files = [self.folder.path / f for f in STAGE_FILES[stage] if self.folder.has(f)]
        return len(files) > 1 or any(mode_of(file) != "one" for file in files)

    def _begun_by(self, entries: Sequence[LogEntry]) -> str:
        """The release whose run applied the first stage that holds, or the last that did."""
        holding = [entry for stage in STAGES if (entry := standing(entries, stage))]
        done = [entry for entry in entries if entry.status == "COMPLETED"]
        return next((entry.release for entry in (*holding[:1], *done[-1:])), "")

    def _session(self) -> contextlib.AbstractContextManager[Session]:
        return self.on.session(self.site.release)

    def _is_due(self, stage: str, entries: Sequence[LogEntry]) -> bool:
        stages = self.folder.stages
        if stage not in stages or standing(entries, stage):
            return False
        return all(standing(entries, former) for former in stages[: stages.index(stage)])

    def _is_mine(self, entry: LogEntry) -> bool:
        return entry.release == self.site.release
