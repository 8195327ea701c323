"""02-run-migration.sh: what is new, and the rows as soon as every release can read them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..errors import DeployError
from ..plans.migrate import MigratePlan
from ..server.containers import Container
from ..server.migration import Migration
from ..server.migration_checks import UnexpectedUsers
from ..server.migration_summary import summary
from ..server.migrations import Migrations
from ..site import Site
from .assess import NO_BACKUP
from .phase import Phase, Step

INVALID = "migration validation fails"
CORRUPT = "user data corruption detected"
ROLLED_BACK = "transaction rollback occurs"


class Migrate(Phase):
    """Backs up, expands, and moves the rows now or leaves them for the switch.

    :param data: `auto`, `now` or `after-switch`; by default `migration.data`.
    :param resume: go on with the release of a run that was cut off.
    """

    name = "run-migration"
    script = "02-run-migration.sh"
    criteria = (
        "2 CUSTOMER users exist: as many as there were LEARNER users",
        "0 LEARNER users remain",
        "2 ADMIN users unchanged, as every other role",
        "user sessions intact",
    )
    triggers = (INVALID, CORRUPT, ROLLED_BACK, NO_BACKUP)

    def __init__(self, site: Site, data: str | None = None, *, resume: bool = False) -> None:
        super().__init__(site)
        self.resume = resume
        self.when = data or site.settings.migration.data
        self.migrations = Migrations(site)
        self.migrations.refuse_unsendable()  # before anything is contacted
        self.moved: list[Migration] = []  # whose rows this run moved

    def steps(self) -> Sequence[Step]:
        plan = MigratePlan(self)
        if not self.migrations.wanted:
            return (Step(self.migrations.none, self.check, plan=plan.check),)
        return (
            Step("check the database and what is expected of it", self.check, plan=plan.check),
            Step("create the migration log", self.migrations.prepare, plan=plan.prepare),
            Step(
                "back up before the migration",
                self.back_up,
                trigger=NO_BACKUP,
                plan=plan.back_up,
            ),
            Step(
                "expand: add what is new beside the old",
                self.expand,
                trigger=ROLLED_BACK,
                plan=plan.expand,
            ),
            Step(
                "data: move the rows, or keep them for the switch",
                self.move,
                self.rows_back,
                ROLLED_BACK,
                plan=plan.move,
            ),
            Step("validate users and sessions", self.validate, trigger=INVALID, plan=plan.validate),
        )

    def run(self) -> None:
        """Run the steps, then print the guide's expected output."""
        super().run()
        self.console.line()
        for line in self.summary():
            self.console.line(line, style="bold" if line.endswith(":") else None)

    def check(self) -> None:
        try:
            self.console.detail(f"users: {self.migrations.check()}")
        except UnexpectedUsers as error:
            error.trigger = CORRUPT
            raise
        for name, why in self.migrations.skipped.items() if self.migrations.wanted else ():
            self.console.fact(f"{name}: {why}")
        for name in self.migrations.orphans():
            self.console.warn(
                f"{name} was applied, and its folder is not here: no way back from it"
            )

    def back_up(self) -> None:
        backups = self.site.backups
        backup = backups.create("pre-migration", self.site.release, files=False)
        self.migrations.note_backup(backup.sha256)
        self.console.fact(f"{backup.link}, verified")
        self.console.detail(f"it is {backup.folder}")
        for gone in backups.prune({self.site.release}):
            self.console.detail(f"removed {gone.folder}")

    def expand(self) -> None:
        try:
            self._tell(self.migrations.expand().text)
        except DeployError as error:
            with contextlib.suppress(DeployError):
                if added := self.migrations.expanded_by(self.site.release):
                    stay = f"stays expanded, which only adds: {', '.join(added)}"
                    error.state = "; ".join(filter(None, [error.state, stay]))
            raise

    def move(self) -> None:
        """In their order: where one has to wait, those after it wait for it."""
        first = ""
        for migration in self.migrations.all:
            if not migration.data_is_due():
                self._close(migration, hindered=bool(first))
            elif first:
                self._defer(migration, f": {first} comes first")
            elif not self._move(migration):
                first = migration.name

    def _close(self, migration: Migration, *, hindered: bool) -> None:
        """An earlier run may have been kept from it."""
        if migration.contract_is_due() and not hindered and not migration.lacking():
            self._tell(migration.contract().text)
        elif "data" in migration.folder.stages:
            self._tell(migration.data().text)

    def _move(self, migration: Migration) -> bool:
        """:returns: False where the rows wait for the switch."""
        if why := self.waits_for(migration):
            self._defer(migration, f": {why}")
            return False
        if lacking := _names(migration.lacking()):
            self.console.warn(
                f"moving the rows now, though {migration.unread_by(lacking)}: every page that "
                "reads what is moved fails until the switch"
            )
        self.moved.append(migration)  # before the attempt: a lost answer may have been a success
        self._tell(migration.data().text)
        return True

    def waits_for(self, migration: Migration) -> str:
        """Why the rows wait for the switch; empty where they move now."""
        lacking = _names(migration.lacking())
        if self.when == "after-switch" or (self.when == "auto" and lacking):
            return migration.unread_by(lacking) if lacking else "as asked"
        return ""

    def _defer(self, migration: Migration, why: str) -> None:
        migration.defer_data()
        self.console.fact(f"{migration.name}: rows wait for the switch{why}")

    def rows_back(self) -> str:
        """Every row that this run moved."""
        # The run that is resumed may have moved them under this very release.
        if self.resume and not self.moved:
            return self.migrations.send_back_of(self.site.release)
        return "; ".join(filter(None, [one.send_back() for one in reversed(self.moved)]))

    def _tell(self, text: str) -> None:
        for line in text.splitlines():
            self.console.detail(line)

    def validate(self) -> None:
        faults = self.migrations.unsettled()
        if faults:
            raise DeployError(
                f"the migration does not validate: {faults[0]}",
                evidence="\n".join(faults),
                next_command="find out who wrote meanwhile, then: fab run-migration",
            )

    def summary(self) -> list[str]:
        """The guide's migration summary, as the database has it now."""
        return ["Migration Summary:", *summary(self.migrations)]


def _names(containers: Sequence[Container]) -> str:
    return ", ".join(container.name for container in containers)
