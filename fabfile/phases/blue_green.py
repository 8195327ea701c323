"""03-blue-green-deploy.sh: a new release as the idle colour, then the visitors to it."""

from __future__ import annotations

from collections.abc import Sequence

from ..commands import docker
from ..errors import CommandFailed, DeployError
from ..probes import resources
from ..probes.http import Answer, Visitor
from ..probes.timing import measure_patiently
from ..server.containers import FORMER_LABEL
from ..server.live import Live
from ..server.migrations import Migrations
from ..server.releases import Releases
from ..server.source import Delivery, Source
from ..site import Site
from .colours import ColourRun
from .phase import Phase, Step
from .traffic import Traffic


class BlueGreen(Phase):
    """Blue to green, or green to blue; the first run takes the plain app container as blue."""

    name = "blue-green-deploy"
    script = "03-blue-green-deploy.sh"
    criteria = (
        "the new colour's container is healthy",
        "its health endpoint responds",
        "its database queries succeed",
        "no memory or CPU issues",
        "the main site responds through the new colour",
        "API endpoints work",
        "authentication works",
        "response times are acceptable",
    )
    triggers = (
        "the new colour's container fails to start",
        "its health checks fail",
        "it cannot reach the database",
        "the public site is inaccessible after the switch",
        "API endpoints fail after the switch",
        "authentication is broken after the switch",
    )

    # Set by the steps, in their order.
    former: Live
    traffic: Traffic
    new: ColourRun
    health: Answer

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.source = Source(site.server, site.settings, site.release, self.console.detail)
        self.migrations = Migrations(site)
        self.releases = Releases(site.server, site.settings)
        self.delivery = Delivery("", "")
        self.sent_back = ""

    def steps(self) -> Sequence[Step]:
        release = self.site.release
        return (
            Step("see what is live", self.look),
            Step("get the code onto the server", self.deliver, self.remove_release),
            *([Step(f"build {self.source.image}", self.build)] if self.source.builds else []),
            Step("start the idle colour", self.start, self.remove_new),
            Step("wait until it is healthy", self.wait),
            Step("ask it directly: health, database, login", self.probe),
            Step("adopt the plain app container as blue", self.adopt, self.disown),
            Step("move back roles that it cannot read", self.make_readable, self.rows_forth),
            Step(f"switch visitors to {release}, and prove it", self.switch, self.switch_back),
            Step("let old nginx workers finish", self.drain),
            Step("watch the new release", self.watch),
            Step("its memory, CPU and response times", self.figures),
            Step("move the rows that waited for the switch", self.move_rows, self.rows_back),
            Step("stop the former colour", self.stop_former, self.start_former),
            Step("close the migration", self.contract, self.rows_back),
            Step("tag latest, prune images", self.tidy),
        )

    @property
    def switched(self) -> bool:
        return hasattr(self, "traffic") and bool(self.traffic.moved_at)

    # -- before the switch: the site is not touched --------------------------------------------

    def look(self) -> None:
        self.former = live = self.site.live.read()
        self.traffic = Traffic(self.site, live)
        self.new = ColourRun(self.site, live.idle, self.site.release)
        self.console.detail(
            f"live: {live.colour} {live.release} ({live.container.name}, "
            f"{live.container.status}); idle: {live.idle}"
        )
        self.traffic.settle()

    def deliver(self) -> None:
        self.delivery = self.source.deliver()

    def remove_release(self) -> None:
        self.releases.remove(self.site.release)

    def build(self) -> None:
        self.source.build(self.delivery)

    def start(self) -> None:
        self.new.render(self.source.image, commit=self.delivery.commit, former=self.former.release)
        self.new.up()
        self.console.detail(f"{self.new.name} on 127.0.0.1:{self.new.port}")

    def remove_new(self) -> None:
        """The idle colour goes; had it visitors, what they wait for is finished first."""
        if self.switched:
            self.traffic.drain()
            self.new.stop()
        self.new.remove()

    def wait(self) -> None:
        container = self.new.wait_until_healthy()
        self.console.detail(f"{container.name}: {container.status}")

    def probe(self) -> None:
        self.health = self.new.probe()

    def adopt(self) -> None:
        """Name and tag what runs, so that it is a release like any other; nothing restarts."""
        live = self.former
        if live.marked:
            return
        settings = self.settings.app
        image, name = f"{settings.image}:{live.release}", settings.container_of("blue")
        self.server.run(docker.tag(live.container.image_id, image))
        ColourRun(self.site, "blue", live.release).render(image, commit="", former="")
        if live.container.name != name:
            self.server.run(docker.rename(live.container.name, name))
            self.console.detail(f"{live.container.name} is now {name}, release {live.release}")

    def disown(self) -> None:
        """The plain container gets its own name back, and is no release of ours."""
        own, blue = self.former.container.name, self.settings.app.container_of("blue")
        if self.former.marked or own == blue:
            return
        if not self.site.containers.named(own):
            self.server.run(docker.rename(blue, own))
        self.releases.remove(self.former.release)

    def make_readable(self) -> None:
        """An older commit is a release too: it must not meet rows that it cannot read."""
        container = self.new.container
        if not self.migrations.says_that_it_cannot_read(container):
            return
        self.sent_back = self.migrations.make_readable_for(container)
        if self.sent_back:
            self.console.warn(f"{self.new.name} cannot read the new role: {self.sent_back}")

    def rows_forth(self) -> None:
        if self.sent_back and self.migrations.can_read(self.former.container):
            self.migrations.data()

    # -- the switch ----------------------------------------------------------------------------

    def switch(self) -> None:
        self.traffic.move(self.new.colour, self.new.release, self.new.name)

    def switch_back(self) -> None:
        self.traffic.take_back()

    def drain(self) -> None:
        if not self.traffic.drain():
            self.stop_former()  # nobody may be served by it once the rows have moved

    def watch(self) -> None:
        self.traffic.watch(self.settings.deploy.watch_seconds, self.settings.limits.error_percent)

    def figures(self) -> None:
        """Once it has had visitors; what is high only warns, what is broken or slow is not kept."""
        self.new.refuse_unwell()
        for check in resources.check_use(self.server, [self.new.container], self.settings.limits):
            say = self.console.detail if check.verdict == "pass" else self.console.warn
            say(check.line)
        visitor = Visitor(self.settings.public, user_agent="deploy-watch")
        paths = [self.settings.app.health_path, "/"]
        baseline = self.site.baseline or self.site.ledger.last_baseline()
        timing, verdict = measure_patiently(visitor, paths, baseline, self.settings.limits)
        if verdict.word == "slow":
            raise DeployError(f"the new release is slow: {verdict.reason}", evidence=str(timing))
        self.console.detail(f"response times: {verdict.word}, {verdict.reason}")

    # -- after it ------------------------------------------------------------------------------

    def move_rows(self) -> None:
        if not self.migrations.data_is_due():
            return
        if self.migrations.says_that_it_cannot_read(self.new.container):
            self.console.detail("they stay: the new release says that it cannot read them")
            return
        self.migrations.data()
        for line in self.migrations.summary():
            self.console.detail(line)

    def rows_back(self) -> None:
        """Before traffic goes back, every value is one that the former release can read."""
        self.migrations.make_readable_for(self.former.container)

    def stop_former(self) -> None:
        former = self.former_run
        if former.container.running:
            former.stop()

    def start_former(self) -> None:
        former = self.former_run
        if not former.container.running:
            former.start()
            former.wait_until_healthy()

    def contract(self) -> None:
        """A busy table is no reason to take a good release back: the next run closes it."""
        try:
            self.console.detail(self.migrations.contract().text)
        except DeployError as error:
            self.console.warn(f"not closed yet: {error.reason}; next: fab run-migration")

    def tidy(self) -> None:
        """Nor is an image that cannot be tagged or removed."""
        image = self.settings.app.image
        try:
            self.server.run(docker.tag(self.source.image, f"{image}:latest"))
            # The former's own former too: after a rollback it is what a second one goes to.
            before = self.former.container.labels.get(FORMER_LABEL, "")
            protected = {self.site.release, self.former.release, before}
            for release in self.releases.prune(protected):
                self.console.detail(f"removed {image}:{release}")
        except CommandFailed as error:
            self.console.warn(f"{error.reason}: {error.evidence}")

    # -- the end -------------------------------------------------------------------------------

    def summary(self) -> list[str]:
        """The guide's deployment summary; every line was seen in this run."""
        health = " ".join(self.health.body.split())
        return [
            "Deployment Summary:",
            f"• New version: {self.source.image}",
            f"• Environment: {self.new.colour.capitalize()} "
            f"(was {self.former.colour.capitalize()})",
            "• Traffic: 100% switched to new version",
            f"• Health status: {health}",
        ]

    @property
    def former_run(self) -> ColourRun:
        return ColourRun(self.site, self.former.colour, self.former.release)
