"""What each step of restore, of rollback --full and of restore --undo would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..documents.plan import Deed
from ..errors import DeployError
from ..server import database_names, wrong_migrations
from ..server.backup import Backup
from ..server.database_properties import Properties
from ..server.loss import TableLoss
from ..server.restore import Restore
from ..server.sql_locks import split
from ..server.sql_text import identifier
from ..server.swap import Swap
from .backups import makes
from .deeds import deed
from .outlook import Outlook

if TYPE_CHECKING:
    from ..phases.full_rollback import FullRollback
    from ..phases.restore import DatabaseRestore, UndoRestore

MOMENT = "MOMENT"  # stands for the moment at which a kept database ceases to be live


class RestorePlan:
    """By the steps' names."""

    def __init__(self, phase: DatabaseRestore) -> None:
        self.phase = phase

    def backup(self, seen: Outlook) -> Backup:
        """:raises DeployError: there is none of that name."""
        return seen.once("backup", lambda: seen.site.backups.find(self.phase.backup_name))

    def choose(self, seen: Outlook) -> Sequence[Deed]:
        wrong_migrations.refuse_needed(seen.site)
        backup = self.backup(seen)
        rows = sum(backup.counts.values())
        looks = "compares each file's sha256 with its manifest"
        return [deed("server", f"{backup.folder}, made {backup.time}, {rows:,} rows: {looks}")]

    def show_losses(self, seen: Outlook) -> Sequence[Deed]:
        found = Restore(seen.site, self.backup(seen)).losses()
        deeds = [deed("database", _told(loss)) for loss in found]
        rest = (
            "inserted rows are carried over, the rest" if self.phase.keep_new_rows else "all of it"
        )
        ask = [] if self.phase.yes else [deed("this machine", "asks for yes, unless --yes")]
        if not deeds:
            return [deed("database", "nothing would be lost: no row has changed since"), *ask]
        words = f"counts what would be lost; {rest} stays in the database that is kept"
        return [deed("database", words), *deeds, *ask]

    def dump(self, seen: Outlook) -> Sequence[Deed]:
        try:
            return makes(seen, "before-restore", files=False)
        except DeployError as error:  # as the step: one more copy, which nothing waits for
            return [deed("server", f"no dump: {error.reason}; the database itself is kept")]

    def build(self, seen: Outlook) -> Sequence[Deed]:
        backup, database = self.backup(seen), seen.site.database
        Restore(seen.site, backup).refuse_no_room()
        name = self._candidate(seen)
        with database.maintenance.session() as session:
            properties = Properties.of(session, database.name)
        creates = split(f"{properties.creation(name)};{properties.access(name)}")
        return [
            deed("database", "a new database beside the live one", sql=creates),
            deed("server", f"pg_restore in {database.container.name}, of {backup.dump}"),
            deed("database", "counts every table, and compares with the manifest"),
            deed("database", "its statistics, and the live one's settings", sql=["ANALYZE"]),
        ]

    def fit(self, seen: Outlook) -> Sequence[Deed]:
        words = (
            "on the new database: adds what expand added since, and takes back what a release "
            "that runs cannot read; which of it, the restored rows say"
        )
        return [deed("database", words)]

    def swap(self, seen: Outlook) -> Sequence[Deed]:
        live = seen.site.database.name
        kept = database_names.named(live, "kept", seen.site.release)
        sql = Swap(seen.site, self._candidate(seen), "candidate").renames(kept)
        return [_swaps(live, split(sql))]

    def carry_over(self, seen: Outlook) -> Sequence[Deed]:
        return [
            deed("database", "inserts the rows that came since, table by table, and names each")
        ]

    def log(self, seen: Outlook) -> Sequence[Deed]:
        return [deed("database", "into migration_log: what the kept one has more, and ROLLED_BACK")]

    def _candidate(self, seen: Outlook) -> str:
        return database_names.named(seen.site.database.name, "candidate", seen.site.release)


class FullRollbackPlan(RestorePlan):
    """The same, with the backup that belongs to the release to go to."""

    def __init__(self, phase: FullRollback) -> None:
        super().__init__(phase)
        self.full = phase

    def backup(self, seen: Outlook) -> Backup:
        """:raises DeployError: there is none for the release to go to."""
        former = self.full.app.plan.former(seen)
        return seen.once("backup", lambda: self.full.target(seen.live, former.release))

    def rows_back(self, seen: Outlook) -> Sequence[Deed]:
        name = self.full.app.plan.former(seen).name
        return [deed("database", f"on the restored one: takes back what {name} cannot read")]

    def take_up(self, seen: Outlook) -> Sequence[Deed]:
        return [deed("server", "nothing: the run that was cut off has swapped the databases")]


class UndoPlan:
    """By the steps' names."""

    def __init__(self, phase: UndoRestore) -> None:
        self.phase = phase

    def _kept(self, seen: Outlook) -> str:
        return seen.once("kept", self.phase.chosen)

    def choose(self, seen: Outlook) -> Sequence[Deed]:
        wrong_migrations.refuse_needed(seen.site)
        return [deed("database", f"{self._kept(seen)} becomes the live one again")]

    def fit(self, seen: Outlook) -> Sequence[Deed]:
        live = seen.live.container.name
        return [deed("database", f"on {self._kept(seen)}: takes back what {live} cannot read")]

    def swap(self, seen: Outlook) -> Sequence[Deed]:
        live = seen.site.database.name
        kept = database_names.named(live, "kept", MOMENT)
        sql = Swap(seen.site, self._kept(seen), "kept").renames(kept)
        return [_swaps(live, split(sql))]


def _swaps(live: str, sql: Sequence[str]) -> Deed:
    words = f"ends every session on {identifier(live)} while it renames; the app has to ask again"
    return deed("database", words, sql=sql)


def _told(loss: TableLoss) -> str:
    changes = (("inserted", loss.inserted), ("updated", loss.updated), ("deleted", loss.deleted))
    told = ", ".join(f"{'?' if n is None else f'{n:,}'} {word}" for word, n in changes)
    return f"{loss.table}: {loss.in_backup:,} in the backup, {loss.now:,} now: {told}"
