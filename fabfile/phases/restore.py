"""A backup as a database of its own beside the live one, and the two swapped by name."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from ..errors import DeployError
from ..plans.restore import RestorePlan, UndoPlan
from ..report.columns import columns
from ..server import wrong_migrations
from ..server.backup import Backup
from ..server.containers import Container
from ..server.kept import kept_by, kept_databases
from ..server.loss import TableLoss
from ..server.migration_log import MigrationLog
from ..server.migrations import Migrations
from ..server.new_rows import NewRow, NewRows
from ..server.numbers import keep_numbers
from ..server.restore import Restore
from ..server.swap import swap_back
from ..site import Site
from .phase import Phase, Step
from .record import note_people

NOT_RESTORABLE = "the backup cannot be restored, or is not what its manifest says"
NOT_SWAPPED = "the databases cannot be swapped"


class DatabaseRestore(Phase):
    """`restore NAME`: the live database is kept under another name; nothing is restored over.

    :param backup_name: as `Backups.find` takes it.
    :param yes: do not ask.
    :param keep_new_rows: carry over what was inserted since the backup.
    """

    name = "restore"
    script = "04-rollback.sh"
    criteria: ClassVar[tuple[str, ...]] = (
        "the restored database has the rows that the backup's manifest counts",
        "the database that was live is kept, and named",
    )
    triggers: ClassVar[tuple[str, ...]] = (NOT_RESTORABLE, NOT_SWAPPED)

    # Set by the steps, in their order.
    backup: Backup

    def __init__(
        self, site: Site, backup_name: str = "", *, yes: bool = False, keep_new_rows: bool = False
    ) -> None:
        super().__init__(site)
        self.backup_name = backup_name
        self.yes = yes
        self.keep_new_rows = keep_new_rows
        self.candidate = self.kept = ""
        self.carried = 0
        self.plan = RestorePlan(self)

    def steps(self) -> Sequence[Step]:
        plan = self.plan
        return (
            Step("choose the backup, and verify it", self.choose, plan=plan.choose),
            Step("what would be lost", self.show_losses, plan=plan.show_losses),
            *self.beside,
            *self.swapping,
        )

    @property
    def beside(self) -> tuple[Step, ...]:
        """What the live database does not notice."""
        plan = self.plan
        return (
            Step("dump the database as it is", self.dump, plan=plan.dump),
            Step(
                "restore into a new database, and compare",
                self.build,
                self.drop,
                trigger=NOT_RESTORABLE,
                plan=plan.build,
            ),
            Step(
                "make it fit for the releases that run",
                self.fit,
                trigger=NOT_RESTORABLE,
                plan=plan.fit,
            ),
        )

    @property
    def swapping(self) -> tuple[Step, ...]:
        """The swap, and what belongs to it."""
        plan = self.plan
        rows = Step("carry over the rows inserted since", self.carry_over, plan=plan.carry_over)
        return (
            Step("swap the two by name", self.swap, self.swap_back, NOT_SWAPPED, plan=plan.swap),
            *([rows] if self.keep_new_rows else []),
            Step("carry over the migration log: ROLLED_BACK", self.log, plan=plan.log),
        )

    @property
    def state(self) -> str:
        return "the database that was live is live, as before"

    def choose(self) -> None:
        wrong_migrations.refuse_needed(self.site)
        note_people(self.site)
        self.backup = backup = self.site.backups.find(self.backup_name)
        self.site.backups.verify(backup)
        self.restore = Restore(self.site, backup)
        self.site.log("restoring", backup=backup.name, keep_new_rows=self.keep_new_rows)
        rows = sum(backup.counts.values())
        self.console.detail(f"{backup.name}, made {backup.time}: {rows:,} rows, unchanged since")

    def show_losses(self) -> None:
        """:raises DeployError: nobody said yes."""
        self._tell_losses()
        if self.yes:
            return
        answer = self.console.ask("Go back to this backup?")
        if answer:
            return
        why = "not confirmed" if answer is False else "it asks for yes, and there is no terminal"
        raise DeployError(
            f"{why}: nothing was changed",
            state=self.state,
            next_command="the same with --yes; with --keep-new-rows the inserted rows stay",
        )

    def _tell_losses(self) -> None:
        losses = self.restore.losses()
        if not losses:
            self.console.line(f"      nothing: no row has changed since {self.backup.time}")
            return
        head = ("table", "in the backup", "now", "inserted", "updated", "deleted")
        self.console.line(f"      changed since {self.backup.time}:")
        columns(self.console, head, map(_told, losses), right=head[1:])
        stay = "inserted rows are carried over; the rest" if self.keep_new_rows else "all of it"
        self.console.line(f"      {stay} stays in the database that is kept")

    def dump(self) -> None:
        """One more copy; the kept database is the first, so a damaged one stops nothing."""
        try:
            made = self.site.backups.create("before-restore", self.site.release, files=False)
        except DeployError as error:
            self.console.warn(f"no dump: {error.reason}; the database itself is kept")
        else:
            self.console.detail(f"{made.folder}, verified")

    def build(self) -> None:
        self.candidate = self.restore.build()
        self.console.detail(f"{self.candidate}: every table has the rows that the manifest counts")

    def drop(self) -> str:
        if self.candidate and not self.kept:
            self.restore.drop(self.candidate)
        return ""  # nobody has seen it

    def readers(self) -> list[Container]:
        """Whose releases must be able to live with the restored database."""
        return [self.site.live.read().container]

    def fit(self) -> None:
        migrations = Migrations(self.site, on=self.site.database.other(self.candidate))
        if not migrations.wanted:
            return
        # What is logged here must not take the numbers of what the live one has logged since.
        keep_numbers(self.site.database, self.site.database.other(self.candidate))
        for line in migrations.fit(self.readers()):
            self.console.detail(line)

    def swap(self) -> None:
        self.kept = self.restore.swap(self.candidate)
        self.site.log("swapped", kept=self.kept, backup=self.backup.name)
        self.site.recorder.happened(f"the database is that of {self.backup.name}")
        self.console.fact(f"the database that was live is kept as {self.kept}, read-only")

    def swap_back(self) -> str:
        # Where only the answer was lost, the database itself says whether it was done.
        self.kept = self.kept or kept_by(self.site.database, self.site.release)
        if not self.kept:
            return ""
        other = swap_back(self.site, self.kept)
        self.site.log("swapped-back", kept=other)
        self.site.recorder.happened("the database that was live is live again")
        return f"the database that was live is live again; the restored one is kept as {other}"

    def carry_over(self) -> None:
        for row in NewRows(self.site, self.backup, self.kept).carry_over():
            self.carried += row.carried
            say = self.console.fact if row.carried else self.console.warn
            say(str(self.without_secrets(row)))
        self.console.fact(f"{self.carried:,} rows carried over")

    def without_secrets(self, row: NewRow) -> NewRow:
        """A session's key may be all that it takes to be signed in."""
        table = self.settings.database.session_table
        secret = row.key and table and row.table.endswith(f".{table}")
        return replace(row, key="(a session)") if secret else row

    def log(self) -> None:
        log_rollback(self.site, self.backup.name, self.kept)

    def summary(self) -> list[str]:
        """What is live now; every line was seen in this run."""
        return [
            "Restore Summary:",
            f"• Database: as in {self.backup.name}, made {self.backup.time}",
            _users(self.site),
            *([f"• Rows inserted since: {self.carried:,} kept"] if self.keep_new_rows else []),
            f"• The one that was live: {self.kept}, read-only; back with: fab restore --undo",
        ]


def log_rollback(site: Site, backup: str, kept: str) -> None:
    """The restore has rewound the log; what happened since is history too. May be done again.

    :param backup: the name of what was restored.
    :param kept: the database that was live until then.
    """
    migrations = Migrations(site)
    if not migrations.wanted:
        return
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(site.database.session(site.release))
        former = stack.enter_context(site.database.other(kept).session(site.release))
        MigrationLog(there, "").take_over(
            former,
            site.release,
            f"restored {backup}; kept {kept}",
            known=[one.name for one in migrations.all],
        )


class UndoRestore(Phase):
    """`restore --undo`: the database that a restore kept is live again; the other is kept.

    :param kept: its name; empty: the last that was kept.
    """

    name = "restore --undo"
    script = "04-rollback.sh"
    criteria = ("the database that was kept is live again", "the other one is kept, and named")
    triggers = (NOT_SWAPPED,)

    def __init__(self, site: Site, kept: str = "") -> None:
        super().__init__(site)
        self.kept, self.other = kept, ""

    def steps(self) -> Sequence[Step]:
        plan = UndoPlan(self)
        return (
            Step("choose the kept database", self.choose, plan=plan.choose),
            Step("make it fit for the release that runs", self.fit, plan=plan.fit),
            Step("swap the two by name", self.swap, trigger=NOT_SWAPPED, plan=plan.swap),
        )

    def choose(self) -> None:
        wrong_migrations.refuse_needed(self.site)
        note_people(self.site)
        self.kept = self.chosen()
        self.console.detail(self.kept)

    def chosen(self) -> str:
        """The kept database that is meant.

        :raises DeployError: there is none, or none of that name.
        """
        there = kept_databases(self.site.database)
        names = [kept.name for kept in there]
        if not names or (self.kept and self.kept not in names):
            raise DeployError(
                f"no kept database {self.kept}".rstrip() if names else "no database is kept",
                evidence="\n".join(names),
                state="nothing was changed",
                next_command="fab restore NAME --undo, one of these" if names else "fab backups",
            )
        return self.kept or names[-1]

    def fit(self) -> None:
        """Roles go back before the release that runs meets one that it cannot read."""
        live = self.site.live.read().container
        kept = self.site.database.other(self.kept, writable=True)
        for line in Migrations(self.site, on=kept).fit([live]):
            self.console.detail(line)

    def swap(self) -> None:
        self.other = swap_back(self.site, self.kept)
        self.site.log("swapped-back", restored=self.kept, kept=self.other)
        self.site.recorder.happened(f"the database is {self.kept} again")

    def summary(self) -> list[str]:
        """What is live now."""
        return [
            "Restore undone:",
            f"• Database: {self.kept} is live again",
            _users(self.site),
            f"• The one that was live: {self.other}, read-only; back with: fab restore --undo",
        ]


def _users(site: Site) -> str:
    return site.database.people().line


def _told(loss: TableLoss) -> tuple[str, ...]:
    changed = (loss.inserted, loss.updated, loss.deleted)
    told = ("not known" if number is None else f"{number:,}" for number in changed)
    return (loss.table, f"{loss.in_backup:,}", f"{loss.now:,}", *told)
