"""The site's migrations, in the order of their numbers; what a phase asks of all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from .containers import Container
from .database import Database
from .migration import Migration, StageResult
from .migration_checks import refuse_changed
from .migration_folder import STAGES, MigrationFolder
from .migration_log import LogEntry, MigrationLog, standing
from .people import People, people
from .role_migration import RoleMigration
from .sql_session import DatabaseError
from .stage_text import refuse_unsendable
from .wrong_migrations import refuse_needed

if TYPE_CHECKING:
    from ..site import Site

NONE = "no migration: migration.folder is empty"
# What a move of roles cannot do without, of the settings.
NEEDED = ("user_table", "role_column", "role_type")


class Migrations:
    """Every migration that this site has a use for.

    :param on: the database that they work on; by default the site's own.
    """

    def __init__(self, site: Site, on: Database | None = None) -> None:
        self.site = site
        self.settings = site.settings
        self.on = on or site.database
        self.skipped = {f.name: why for f in site.migration_folders if (why := self._useless(f))}
        self.all: tuple[Migration, ...] = tuple(
            (RoleMigration if folder.roles else Migration)(site, folder, on)
            for folder in site.migration_folders
            if folder.name not in self.skipped
        )

    @property
    def wanted(self) -> bool:
        """Whether there is a migration at all."""
        return bool(self.all)

    @property
    def none(self) -> str:
        """Why there is none."""
        if self.skipped:
            return "; ".join(f"{name}: {why}" for name, why in self.skipped.items())
        folder = self.settings.migration.folder
        return f"no migration in {folder}" if folder else NONE

    @property
    def roles(self) -> tuple[RoleMigration, ...]:
        """Those that move people from one role to another."""
        return tuple(one for one in self.all if isinstance(one, RoleMigration))

    # -- how they stand ------------------------------------------------------------------------

    def every(self) -> dict[str, list[LogEntry]]:
        """What the log says, by the migration's name; also of those whose folder is not here."""
        with self.on.session(self.site.release) as session:
            return MigrationLog(session, "").every()

    def expanded_by(self, release: str) -> list[str]:
        """Those whose expansion a run of this release added."""
        return [
            one.name
            for one in self.all
            if (entry := one.standing("expand")) and entry.release == release
        ]

    def orphans(self) -> list[str]:
        """Migrations that hold, and whose folder is not here."""
        here = self.site.migrations_here
        known = {*(folder.name for folder in here.readable), *here.wrong}
        every = self.every() if self.wanted else {}
        return [
            name
            for name, entries in every.items()
            if name not in known and any(standing(entries, stage) for stage in STAGES)
        ]

    def check(self) -> People:
        """Compare with the checksums and the expectations; nothing is changed.

        :returns: who is there.
        :raises DeployError: a file was changed after it had been applied, or users per role are
            not as expected before the first run.
        """
        with self.on.session(self.site.release) as session:
            every = MigrationLog(session, "").every() if self.wanted else {}
            for one in self.all:
                refuse_changed(every.get(one.name, []), one.folder)
            found = people(session, self.settings)
        for one in self.all:
            one.refuse(found.roles, every.get(one.name, []))
        return found

    def refuse_unsendable(self) -> None:
        """Look through every file; nothing is contacted.

        :raises BadSettings: one cannot be read, filled in, or sent as its first line says.
        """
        self.site.migrations_here.refuse_wrong()
        for one in self.all:
            refuse_unsendable(one.folder, self.settings)

    def refuse_changed(self) -> None:
        """:raises DeployError: a file was changed after it had been applied."""
        every = self.every() if self.wanted else {}
        for one in self.all:
            refuse_changed(every.get(one.name, []), one.folder)

    def data_is_due(self) -> bool:
        """Whether rows wait to be moved."""
        return any(one.data_is_due() for one in self.all)

    def contract_is_due(self) -> bool:
        """Whether one waits to be closed."""
        return any(one.contract_is_due() for one in self.all)

    def keeps_from(self, container: Container) -> bool:
        """Whether something has to go back before a release gets visitors."""
        return any(not one.lives_with(container) and one.has_moved() for one in self.all)

    def unread_by(self, container: Container) -> list[str]:
        """Those with a role that a release does not say it can read."""
        return [one.name for one in self.roles if not one.lives_with(container)]

    def unsettled(self) -> list[str]:
        """What a validation would not accept, one line each; empty when all is well."""
        return [fault for one in self.all for fault in one.unsettled()]

    # -- the stages ----------------------------------------------------------------------------

    def note_backup(self, sha256: str) -> None:
        """The log names the dump that was made before."""
        for one in self.all:
            one.backup_sha256 = sha256

    def prepare(self) -> None:
        """Create the log and the map where they are missing; before the backup, so that a
        restore rewinds them together with the rows."""
        with self.on.session(self.site.release) as session:
            MigrationLog(session, "").prepare()

    def expand(self) -> StageResult:
        """Every expansion that is pending, in order.

        :raises DeployError: one failed; those before it stay, since they only add.
        """
        return self._each("expand", (one.expand() for one in self.all))

    def data(self) -> StageResult:
        """Every change of rows that is pending, in order."""
        return self._each("data", (one.data() for one in self.all))

    def contract(self) -> StageResult:
        """Every contract that is pending, in order, up to the first that has to wait."""
        return self._each("contract", (one.contract() for one in self.all))

    def send_back(self) -> str:
        """Everything that has a way back, the last one first.

        :returns: one line that says what; empty for nothing.
        :raises DatabaseError: a check failed or the database refused.
        """
        return _joined(one.send_back() for one in reversed(self.all))

    def make_readable_for(self, container: Container) -> str:
        """Before a release gets visitors: take back what it cannot live with.

        :returns: as `send_back`.
        :raises DatabaseError: as `send_back`.
        :raises DeployError: it takes a migration that cannot be read.
        """
        refuse_needed(self.site, container.release or "")
        behind = (one for one in reversed(self.all) if one.has_way_back)
        return _joined(one.send_back() for one in behind if not one.lives_with(container))

    def obey(self, container: Container) -> str:
        """The same, for a release that says itself what it cannot read."""
        reading = (one for one in reversed(self.all) if one.says_that_it_cannot_read(container))
        return _joined(one.send_back() for one in reading)

    def send_back_of(self, release: str) -> str:
        """What a run of this release has done goes back, whoever can live with it."""
        mine = (one for one in reversed(self.all) if one.moved_by(release))
        return _joined(one.send_back() for one in mine)

    def forth_again(self, releases: Collection[str], container: Container) -> str:
        """What one of these runs took back is done again, for a release that lives with it."""
        back = (one for one in self.all if one.was_sent_back_by(releases))
        return _joined(one.data().text for one in back if one.lives_with(container))

    def fit(self, readers: Sequence[Container]) -> Iterator[str]:
        """Make a restored database one that the releases which run can live with.

        :returns: a line for each thing done.
        """
        for one in self.all:
            try:
                if added := one.fit(readers):
                    yield added
            except DatabaseError as error:  # no reason to keep a damaged database
                yield f"{one.name}: not added to the restored database: {error.reason}"
        for reader in readers:
            if moved := self.make_readable_for(reader):
                yield f"for {reader.name}: {moved}"

    # -- how ------------------------------------------------------------------------------------

    def _useless(self, folder: MigrationFolder) -> str:
        """Why this site has no use for a migration; empty where it has."""
        lacking = [name for name in NEEDED if not getattr(self.settings.database, name)]
        if not folder.roles or not lacking:
            return ""
        return f"no roles to move here (database.{lacking[0]} is empty)"

    def _each(self, stage: str, results: Iterator[StageResult]) -> StageResult:
        """All of them as one; those that had been done before are not worth a line each."""
        done: list[StageResult] = []
        for result in results:
            done.append(result)
            if result.waits:
                break
        told = [result for result in done if result.changed or result.waits]
        lines = [result.text for result in told or done[-1:]] or [self.none]
        changed = any(result.changed for result in done)
        return StageResult(stage, changed, "\n".join(lines), any(r.waits for r in done))


def _joined(texts: Iterator[str]) -> str:
    return "; ".join(filter(None, [*texts]))
