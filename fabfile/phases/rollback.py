"""04-rollback.sh --app-only: visitors back to the former release; rows first where they moved."""

from __future__ import annotations

from collections.abc import Sequence

from ..commands import docker
from ..errors import DeployError
from ..probes.http import Answer
from ..server.containers import FORMER_LABEL
from ..server.live import Live
from ..server.migrations import Migrations
from ..site import Site
from .colours import ColourRun
from .phase import Phase, Step
from .traffic import Traffic


class Rollback(Phase):
    """Green to blue, or blue to green: to the release that was live before this one."""

    name = "rollback"
    script = "04-rollback.sh"
    criteria = (
        "the former release's container is healthy",
        "no role is left that the former release cannot read",
        "the public site responds through the former release",
    )
    triggers = (
        "the former release does not become healthy",
        "the roles cannot be moved back",
        "the public site does not answer as the former release",
    )

    # Set by the steps, in their order.
    live: Live
    traffic: Traffic
    former: ColourRun
    health: Answer

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.migrations = Migrations(site)
        self.started = False

    def steps(self) -> Sequence[Step]:
        return (
            Step("see what is live, and what was before it", self.look),
            Step("start the former release", self.start, self.stop_again),
            Step("wait until it is healthy", self.wait),
            Step("ask it directly: health, database, login", self.probe),
            Step("move the roles back", self.rows_back),
            Step("switch visitors back, and prove it", self.switch, self.switch_back),
            Step("let old nginx workers finish", self.drain),
            Step("sweep roles written meanwhile", self.rows_back),
            Step("stop the release that was left", self.stop_left),
            Step("tag latest", self.tag),
        )

    @property
    def switched(self) -> bool:
        return hasattr(self, "traffic") and bool(self.traffic.moved_at)

    def look(self) -> None:
        self.live = live = self.site.live.read()
        release = live.container.labels.get(FORMER_LABEL, "")
        if not release:
            raise DeployError(
                f"{live.colour} {live.release} has no former release to go back to",
                state=f"{live.colour} {live.release} is live, as before",
                next_command="fab status; deploy another commit: --set source.revision=COMMIT",
            )
        self.traffic = Traffic(self.site, live)
        self.former = ColourRun(self.site, live.idle, release)
        self.console.detail(f"live: {live.colour} {live.release}; going to {live.idle} {release}")
        self.traffic.settle()

    def start(self) -> None:
        found = self.site.containers.named(self.former.name)
        if found and self.site.live.release_of(found) != self.former.release:
            self.former.remove()  # a leftover of another release
            found = None
        if not found and self.server.read(self.former.override) is None:
            raise DeployError(
                f"release {self.former.release} is gone: no container {self.former.name}, and no "
                f"{self.former.override}",
                state=f"{self.live.colour} {self.live.release} is live, as before",
                next_command="deploy its commit again: --set source.revision=COMMIT",
            )
        if not found or not found.running:
            self.started = True
            self.former.start()

    def stop_again(self) -> None:
        if self.started:
            self.former.stop()

    def wait(self) -> None:
        container = self.former.wait_until_healthy()
        self.console.detail(f"{container.name}: {container.status}")

    def probe(self) -> None:
        self.health = self.former.probe()

    def rows_back(self) -> None:
        moved = self.migrations.make_readable_for(self.former.container)
        if moved:
            self.console.detail(moved)

    def switch(self) -> None:
        self.traffic.move(self.former.colour, self.former.release, self.former.name)

    def switch_back(self) -> None:
        self.traffic.take_back()

    def drain(self) -> None:
        self.traffic.drain()

    def stop_left(self) -> None:
        ColourRun(self.site, self.live.colour, self.live.release).stop()

    def tag(self) -> None:
        image = self.settings.app.image
        tagged = self.server.run(
            docker.tag(f"{image}:{self.former.release}", f"{image}:latest"), check=False
        )
        if not tagged.ok:
            self.console.warn(tagged.stderr.strip())

    def summary(self) -> list[str]:
        """What was gone back to; every line was seen in this run."""
        former, was = self.former, self.live
        return [
            "Rollback Summary:",
            f"• Version: {self.settings.app.image}:{former.release} (was {was.release})",
            f"• Environment: {former.colour.capitalize()} (was {was.colour.capitalize()})",
            "• Traffic: 100% switched back",
            f"• Health status: {' '.join(self.health.body.split())}",
        ]
