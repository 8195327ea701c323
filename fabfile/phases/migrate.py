"""02-run-migration.sh: the new role, and the rows as soon as every release can read them."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import DeployError
from ..server.migration_checks import UnexpectedUsers, told
from ..server.migrations import Migrations, MovedBack
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
        self.moved = False  # by this run

    def steps(self) -> Sequence[Step]:
        if not self.migrations.wanted:
            return (Step("no migration: migration.folder is empty", self.check),)
        return (
            Step("check the database and what is expected of it", self.check),
            Step("create the migration log", self.migrations.prepare),
            Step("back up before the migration", self.back_up, trigger=NO_BACKUP),
            Step("expand: add the new role beside the old", self.expand, trigger=ROLLED_BACK),
            Step(
                "data: move the rows, or leave them for the switch",
                self.move,
                self.rows_back,
                ROLLED_BACK,
            ),
            Step("validate users and sessions", self.validate, trigger=INVALID),
        )

    def run(self) -> None:
        """Run the steps, then print the guide's expected output."""
        super().run()
        self.console.line()
        for line in self.summary():
            self.console.line(line, style="bold" if line.endswith(":") else None)

    def check(self) -> None:
        try:
            self.console.detail(f"users: {told(self.migrations.check())}")
        except UnexpectedUsers as error:
            error.trigger = CORRUPT
            raise

    def back_up(self) -> None:
        backups = self.site.backups
        backup = backups.create("pre-migration", self.site.release, files=False)
        self.migrations.backup_sha256 = backup.sha256
        self.console.detail(f"{backup.link} → {backup.folder}, verified")
        for gone in backups.prune({self.site.release}):
            self.console.detail(f"removed {gone.folder}")

    def expand(self) -> None:
        self.console.detail(self.migrations.expand().text)

    def move(self) -> None:
        lacking = [container.name for container in self.migrations.readers_lacking_new_role()]
        role = self.settings.migration.new_role
        if not self.migrations.data_is_due():
            self.console.detail(self.migrations.data().text)
            if self.migrations.contract_is_due() and not lacking:
                self.console.detail(self.migrations.contract().text)  # an earlier run was hindered
            return
        if self.when == "after-switch" or (self.when == "auto" and lacking):
            self.migrations.defer_data()
            why = f": {', '.join(lacking)} cannot read {role}" if lacking else ", as asked"
            self.console.detail(f"data: deferred until after the switch{why}")
            return
        if lacking:
            self.console.warn(
                f"moving the rows now, though {', '.join(lacking)} cannot read {role}: every "
                f"page that reads a {role} fails until the switch"
            )
        self.moved = True  # before the attempt: a lost answer may have been a success
        self.console.detail(self.migrations.data().text)

    def rows_back(self) -> str:
        """Every row that this run moved."""
        # The run that is resumed may have moved them under this very release.
        mine = self.moved or (self.resume and self.migrations.moved_by(self.site.release))
        moved = self.migrations.move_back() if mine else MovedBack()
        return f"roles: {moved}" if moved != MovedBack() else ""

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
        return ["Migration Summary:", *self.migrations.summary()]
