"""04-rollback.sh --app-only: visitors back to a former release; rows first where they moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import interrupts
from ..beside import Beside
from ..commands import docker
from ..errors import DeployError
from ..plans.rollback import RollbackPlan
from ..probes.http import Answer
from ..server import wrong_migrations
from ..server.compose import Compose, find_compose
from ..server.containers import GONE, Container
from ..server.live import Live
from ..server.migration_summary import staying
from ..server.migrations import Migrations
from ..server.releases import KeptRelease, Releases
from ..server.sql_session import DatabaseError
from ..site import Site
from .colours import ColourRun
from .phase import Phase, Step
from .record import note_people
from .traffic import Traffic

NOT_HEALTHY = "the former release does not become healthy"
ROLES_STAY = "the roles cannot be moved back"
NOT_PUBLIC = "the public site does not answer as the former release"


class Rollback(Phase):
    """Green to blue, or blue to green: to the release before this one, or to any that is kept.

    :param to: the release to go to; empty: the one that was live before.
    :param finish: visitors are there already, and the run that took them was cut off.
    :param by_itself: it takes back a release that failed, and nobody asked for it.
    """

    name = "rollback"
    script = "04-rollback.sh"
    criteria = (
        "the former release's container is healthy",
        "no role is left that the former release cannot read",
        "the public site responds through the former release",
    )
    triggers = (NOT_HEALTHY, ROLES_STAY, NOT_PUBLIC)

    # Set by the steps, in their order.
    live: Live
    traffic: Traffic
    former: ColourRun
    health: Answer
    kept: KeptRelease | None  # from which the container is made anew; None: it is there

    def __init__(
        self, site: Site, to: str = "", *, finish: bool = False, by_itself: bool = False
    ) -> None:
        super().__init__(site)
        self.by_itself = by_itself
        self.to = to
        self.finish = finish
        self.migrations = Migrations(site)
        self.releases = Releases(site.server, site.settings)
        self.started = self.sent_back = self.counted = False
        self.compose: Beside[Compose] | None = None
        self.well: Container | None = None  # the former release's container, once it is healthy
        self.arrived = finish  # visitors are on the former release, and stay there
        self.plan = RollbackPlan(self)

    def steps(self) -> Sequence[Step]:
        plan = self.plan
        if self.finish:
            look = Step("see what is live, and what was left", self.look_back, plan=plan.look_back)
            return (look, *self.after)
        return (
            Step("see what is live, and what was before it", self.look, plan=plan.look),
            *self.before,
            Step(
                "move the roles back",
                self.rows_back,
                self.rows_forth,
                ROLES_STAY,
                plan=plan.rows_back,
            ),
            self.move,
            *self.after,
        )

    @property
    def before(self) -> tuple[Step, ...]:
        """What visitors do not notice."""
        plan = self.plan
        return (
            Step(
                "start the former release",
                self.start,
                self.stop_again,
                NOT_HEALTHY,
                plan=plan.start,
            ),
            Step("wait until it is healthy", self.wait, trigger=NOT_HEALTHY, plan=plan.wait),
            Step(
                "ask it directly: health, database, pages",
                self.probe,
                trigger=NOT_HEALTHY,
                plan=plan.probe,
            ),
        )

    @property
    def move(self) -> Step:
        """The switch itself."""
        title = "switch visitors back, and prove it"
        return Step(title, self.switch, self.switch_back, NOT_PUBLIC, plan=self.plan.switch)

    @property
    def after(self) -> tuple[Step, ...]:
        """What is cleared away once they are back."""
        plan = self.plan
        return (
            Step("let old nginx workers finish", self.drain, plan=plan.drain),
            Step(
                "sweep roles written meanwhile",
                self.rows_back,
                trigger=ROLES_STAY,
                plan=plan.sweep,
            ),
            Step("stop the release that was left", self.stop_left, plan=plan.stop_left),
            Step("tag latest", self.tag, plan=plan.tag),
        )

    @property
    def state(self) -> str:
        if not hasattr(self, "live"):
            return super().state
        if self.arrived:
            return f"{self.former.colour} {self.former.release} is live; run rollback again"
        return f"{self.live.colour} {self.live.release} is live, as before"

    def look(self) -> None:
        self.live = live = self.site.live.read()
        self.traffic = Traffic(self.site, live)
        self.former = self.choose(live)
        release = self.former.release
        if self.kept:
            self.compose = Beside(lambda: find_compose(self.server))
        wrong_migrations.warn(self.site)
        self.site.log("going-back", to=release)
        self.console.detail(f"live: {live.colour} {live.release}; going to {live.idle} {release}")
        self.traffic.settle()

    def choose(self, live: Live) -> ColourRun:
        """What it goes back to, as the idle colour.

        :raises DeployError: there is nothing, or it is not there any more.
        """
        before = None if self.to else self.site.live.former_of(live)
        release = before.release if before else self.to
        if release == live.release:
            raise DeployError(f"release {release} is live already: {live.container.name}")
        chosen = ColourRun(self.site, live.idle, release)
        there = before.container.state != GONE if before else bool(self.container_of(chosen))
        self.kept = None if there else self._kept(chosen)
        wrong_migrations.refuse_needed(self.site, release)
        return chosen

    def look_back(self) -> None:
        """Visitors have been taken back; what they left is the idle colour."""
        back = self.site.live.read()
        name = self.settings.app.container_of(back.idle)
        left = self.site.containers.named(name)
        release = self.site.live.release_of(left) if left else "nothing"
        self.live = Live(back.idle, release, left or back.container, marked=True)
        self.former = ColourRun(self.site, back.colour, back.release)
        self.traffic = Traffic(self.site, back)
        self.site.log("going-back", to=back.release)
        self.traffic.settle()
        self.health = self.former.probe()
        self.console.detail(f"visitors are on {back.colour} {back.release}; left: {release}")

    def start(self) -> None:
        found = self.container_of(self.former)
        if found and found.running:
            return
        self.started = True
        if found:
            self.server.run(docker.start(found.name))
            return
        kept = self.kept or self._kept(self.former)
        if self.compose:
            self.compose.result()
        if kept.colour != self.former.colour:
            self.former.repaint(kept.override)
        self.former.up()  # in place of a leftover of another release
        self.console.fact(f"{self.former.name} made again, as release {kept.release} was run")

    def stop_again(self) -> str:
        if not self.started or self.arrived:
            return ""
        self.former.stop()
        return f"{self.former.name} stopped again"

    def container_of(self, run: ColourRun) -> Container | None:
        """The container that is this very release already, running or not."""
        found = self.site.containers.named(run.name)
        same = found and self.site.live.release_of(found) == run.release
        return found if same else None

    def _kept(self, run: ColourRun) -> KeptRelease:
        """:raises DeployError: its image or its kept override is not there any more."""
        release = run.release
        if kept := self.releases.startable(release, run.colour):
            return kept
        there = ", ".join(self.releases.kept()) or "none"
        raise DeployError(
            f"release {release} is not there any more: no container {run.name}, and no "
            "image with its kept settings",
            evidence=f"releases whose image is kept: {there}",
            state=self.state,
            next_command="fab releases; or deploy its commit: --set source.revision=COMMIT",
        )

    def wait(self) -> None:
        self.well = container = self.former.wait_until_healthy(self._prepare)
        self.console.detail(f"{container.name}: {container.status}")

    def _prepare(self) -> None:
        """What touches nothing, and would else come between its health and the visitors."""
        former = self.former
        self.traffic.prepare(former.colour, former.release, former.name)
        self._count()

    def probe(self) -> None:
        self.health = self.former.probe(self.well)

    def _count(self) -> None:
        """Once: a database that does not answer would cost visitors its time limit each time."""
        if not self.counted:
            note_people(self.site)
        self.counted = True

    def rows_back(self) -> None:
        self._count()
        moved = self.migrations.make_readable_for(self.well or self.former.container)
        if moved:
            self.sent_back = True
            self.console.fact(moved)

    def rows_forth(self) -> str:
        if not self.sent_back or self.arrived:
            return ""
        forth = self.migrations.forth_again({self.site.release}, self.live.container)
        return "the rows moved forth again" if forth else ""

    def switch(self) -> None:
        self.traffic.move(self.former.colour, self.former.release, self.former.name)

    def switch_back(self) -> str:
        """Nobody is sent back to a release that does not run: visitors stay where they are."""
        left = self.site.containers.named(self.live.container.name)
        well = left is not None and left.running and left.health in ("", "healthy")
        if self.traffic.moved_at and not well:
            self.arrived = True
            self.console.warn(f"{self.live.container.name} is not well: visitors stay off it")
            return ""
        if not self.traffic.take_back():
            return ""
        self.traffic.drain()
        return f"visitors again on {self.live.colour} {self.live.release}"

    def drain(self) -> None:
        self.traffic.drain()

    def stop_left(self) -> None:
        """What comes after the visitors is no reason to send them back to where they came from."""
        self._tidy(lambda: ColourRun(self.site, self.live.colour, self.live.release).stop())

    def tag(self) -> None:
        image = self.settings.app.image
        tag = docker.tag(f"{image}:{self.former.release}", f"{image}:latest")
        self._tidy(lambda: self.server.run(tag))

    def _tidy(self, act: Callable[[], object]) -> None:
        with interrupts.masked():
            try:
                act()
            except DeployError as error:
                self.console.warn(f"{error.reason}: {error.evidence}")
            interrupts.settled()  # a signal came too late: visitors are back, and this finishes it

    def summary(self) -> list[str]:
        """What was gone back to; every line was seen in this run."""
        former, was = self.former, self.live
        return [
            "Rollback Summary:",
            f"• Version: {self.settings.app.image}:{former.release} (was {was.release})",
            f"• Environment: {former.colour.capitalize()} (was {was.colour.capitalize()})",
            "• Traffic: 100% switched back",
            f"• Health status: {' '.join(self.health.body.split())}",
            *self.schema(),
        ]

    def schema(self) -> list[str]:
        """What of the migrations stays; a database that is away keeps nobody from the rest."""
        try:
            return staying(self.migrations, self.former.container)
        except DatabaseError as error:
            return [f"• Schema: not known: {error.reason}"]
