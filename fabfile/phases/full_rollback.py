"""04-rollback.sh --full: the database as its backup has it, then the application."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import DeployError
from ..plans.restore import FullRollbackPlan
from ..server.backup import Backup
from ..server.containers import FORMER_LABEL, Container
from ..server.kept import kept_by_any
from ..server.ledger import CutOff
from ..server.live import Live, NoFormerRelease
from ..site import Site
from .phase import Step
from .restore import DatabaseRestore
from .rollback import ROLES_STAY, Rollback


class FullRollback(DatabaseRestore):
    """Everything that takes time happens beside the site; then swap, and switch, at once.

    :param to: the release to go to; empty: the one that was live before.
    :param dead: the run that was cut off; if it was a full rollback, what it has done is not
        done again.
    :param arrived: it had taken the visitors back already.
    """

    name = "rollback --full"
    script = "04-rollback.sh"
    criteria = (*DatabaseRestore.criteria, *Rollback.criteria)
    triggers = (*DatabaseRestore.triggers, *Rollback.triggers)

    def __init__(
        self,
        site: Site,
        to: str = "",
        *,
        yes: bool = False,
        keep_new_rows: bool = False,
        dead: CutOff | None = None,
        arrived: bool = False,
    ) -> None:
        self.dead = dead if dead and dead.task == self.name else None
        began, going = (
            self.dead.last(e) if self.dead else None for e in ("restoring", "going-back")
        )
        rows = keep_new_rows or bool(began and began.detail["keep_new_rows"])
        super().__init__(site, yes=yes, keep_new_rows=rows)
        if self.dead and going and kept_by_any(site.database, self.dead.releases):
            to = to or going.detail["to"]  # the database is the one from before it
        self.app = Rollback(site, to, finish=arrived)
        self.plan: FullRollbackPlan = FullRollbackPlan(self)

    def steps(self) -> Sequence[Step]:
        app, plan = self.app, self.plan
        if self.dead and kept_by_any(self.site.database, self.dead.releases):
            _, *after_the_swap = self.swapping
            title = "take it up after the swap"
            take_up = Step(title, self.take_up, self.swap_back, plan=plan.take_up)
            return (take_up, *after_the_swap, *app.steps())
        return (
            Step("see what is live, and what was before it", self.look, plan=app.plan.look),
            Step("choose the backup, and verify it", self.choose, plan=plan.choose),
            Step("what would be lost", self.show_losses, plan=plan.show_losses),
            *app.before,
            *self.beside,
            *self.swapping,
            Step("move the roles back", app.rows_back, trigger=ROLES_STAY, plan=plan.rows_back),
            app.move,
            *app.after,
        )

    @property
    def state(self) -> str:
        return self.app.state

    def look(self) -> None:
        """:raises DeployError: there is nothing to go back to; the database alone can."""
        try:
            self.app.look()
        except NoFormerRelease as error:
            error.next_command = "for the database alone: fab backups, then fab restore NAME"
            raise

    def choose(self) -> None:
        """The backup from before the release that came right after the one to go to.

        :raises DeployError: there is none, or nobody knows which.
        """
        self.backup_name = self.target(self.app.live, self.app.former.release).name
        super().choose()

    def target(self, live: Live, to: str) -> Backup:
        """The backup that belongs to a release to go to.

        :raises DeployError: there is none, or nobody knows which.
        """
        release, shelf = self._release_after(live, to), self.site.backups.look()
        is_live = release == live.release
        target = shelf.rollback_target(release) if is_live else shelf.before(release)
        if target is None:
            raise DeployError(
                f"there is no backup from before release {release}",
                state=self.state,
                next_command="fab backups, then fab restore NAME",
            )
        return target

    def _release_after(self, live: Live, to: str) -> str:
        release, former = live.release, live.container.labels.get(FORMER_LABEL, "")
        while former != to:
            kept = self.app.releases.startable(former, live.colour) if former else None
            if kept is None:
                raise DeployError(
                    f"which release came right after {to} is not known, nor so its backup",
                    state=self.state,
                    next_command=f"fab backups; fab restore NAME; then fab rollback --to {to}",
                )
            release, former = kept.release, kept.former
        return release

    def readers(self) -> list[Container]:
        """The release that visitors are leaving writes until they have left."""
        return [self.app.live.container, self.app.former.container]

    def take_up(self) -> None:
        """The databases are swapped; the log and the application are left to do."""
        assert self.dead
        self.kept = kept_by_any(self.site.database, self.dead.releases)
        began = self.dead.last("restoring")
        assert began, "whoever swapped had written down what it restores"
        self.backup = self.site.backups.find(began.detail["backup"])
        self.console.fact(f"{self.backup.name} is live already; kept: {self.kept}")

    def summary(self) -> list[str]:
        """Both summaries; every line was seen in this run."""
        return [*super().summary(), "", *self.app.summary()]
