"""What each step of run-migration would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..documents.plan import Deed
from ..server.migration import Migration
from . import migrations as sql
from .backups import makes, prunes
from .deeds import deed
from .outlook import Outlook

if TYPE_CHECKING:
    from ..phases.migrate import Migrate


class MigratePlan:
    """By the steps' names."""

    def __init__(self, phase: Migrate) -> None:
        self.phase = phase

    def check(self, seen: Outlook) -> Sequence[Deed]:
        people = self.phase.migrations.check()
        looked = "users per role against what is expected, files against those that were applied"
        return [deed("database", f"reads {looked} (now {people})")]

    def prepare(self, seen: Outlook) -> Sequence[Deed]:
        return sql.prepares(seen)

    def back_up(self, seen: Outlook) -> Sequence[Deed]:
        seen.backup_sha256 = sql.BACKUP
        deeds = makes(seen, "pre-migration", files=False)
        return [*deeds, *prunes(seen, ["assessment", "pre-migration"])]

    def expand(self, seen: Outlook) -> Sequence[Deed]:
        every = self.phase.migrations.all
        return sql.of_those(
            [sql.does(seen, one, "expand") for one in every if sql.pending(seen, one, "expand")]
        )

    def move(self, seen: Outlook) -> Sequence[Deed]:
        return sql.of_those(self._each(seen))

    def _each(self, seen: Outlook) -> Iterator[Sequence[Deed]]:
        """As `Migrate.move`: where one has to wait, those after it wait for it."""
        first = ""
        for one in self.phase.migrations.all:
            if not sql.pending(seen, one, "data"):
                if sql.due(seen, one, "contract") and not first and not one.lacking():
                    yield sql.does(seen, one, "contract")
            elif first or (why := self.phase.waits_for(one)):
                yield [_deferred(one, f"{first} comes first" if first else why)]
                first = first or one.name
            else:
                yield sql.does(seen, one, "data")

    def validate(self, seen: Outlook) -> Sequence[Deed]:
        return [deed("database", "reads: nobody is where he was moved from, sessions are there")]


def _deferred(one: Migration, why: str) -> Deed:
    return deed(
        "database", f"{one.name}, data: DEFERRED into migration_log, until after the switch: {why}"
    )
