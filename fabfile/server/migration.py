"""One migration: its stages expand, data and contract, and the way back. Each may be run again."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DeployError
from . import migration_checks as checks
from .containers import COLOUR_LABEL, Container
from .database import Database
from .migration_folder import REVERSES, STAGE_FILES, STAGES, MigrationFolder
from .migration_log import LogEntry, MigrationLog, cut_off, standing
from .releases import STAMP
from .sql_session import Session
from .stage_runner import StageRunner
from .stage_text import mode_of

if TYPE_CHECKING:
    from ..site import Site

LOCK = "deploy:migrate"
BACK = ("contract", "data")  # what a rollback takes back, in this order; an expansion stays


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


class Migration:
    """A migration of the schema: a release from before it goes on with what expand adds.

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
            stages = [*self._to_reverse(entries)]
            for stage in stages:
                self._runner(log, entries).reverse(stage)
        return f"{self.name}: {' and '.join(stages)} taken back" if stages else ""

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

    @property
    def _reversible(self) -> tuple[str, ...]:
        return tuple(stage for stage in BACK if self.folder.has(REVERSES[stage]))

    def _to_reverse(self, entries: Sequence[LogEntry]) -> Iterator[str]:
        """Stages that hold, or of which a part may be there."""
        for stage in self._reversible:
            last = next((e.status for e in reversed(entries) if e.stage == stage), "")
            files = [self.folder.path / f for f in STAGE_FILES[stage] if self.folder.has(f)]
            in_parts = any(mode_of(file) != "one" for file in files) or len(files) > 1
            if standing(entries, stage) or (in_parts and last in ("STARTED", "FAILED")):
                yield stage

    def _begun_by(self, entries: Sequence[LogEntry]) -> str:
        """The release whose run applied the first stage that holds, or the last that did."""
        holding = [entry for stage in STAGES if (entry := standing(entries, stage))]
        done = [entry for entry in entries if entry.status == "COMPLETED"]
        return next((entry.release for entry in (*holding[:1], *done[-1:])), "")

    def _session(self) -> contextlib.AbstractContextManager[Session]:
        return self.on.session(self.site.release)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[MigrationLog]:
        with self._session() as session:
            session.take_advisory_lock(LOCK)
            yield MigrationLog(session, self.name)

    def _is_due(self, stage: str, entries: Sequence[LogEntry]) -> bool:
        stages = self.folder.stages
        if stage not in stages or standing(entries, stage):
            return False
        return all(standing(entries, former) for former in stages[: stages.index(stage)])

    def _is_mine(self, entry: LogEntry) -> bool:
        return entry.release == self.site.release

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
        if former == "data":
            text = f"{self.name}, {stage}: waits until the rows have moved"
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
