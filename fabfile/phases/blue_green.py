"""03-blue-green-deploy.sh: a new release as the idle colour, then the visitors to it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial

from ..commands import docker
from ..errors import CommandFailed, DeployError
from ..plans.blue_green import BlueGreenPlan
from ..probes import resources
from ..probes.http import Answer, Visitor
from ..probes.timing import measure_patiently
from ..server.containers import COMMIT_LABEL, FORMER_LABEL
from ..server.live import Live
from ..server.migrations import Migrations
from ..server.releases import Releases
from ..server.source import Delivery, Source
from ..server.sql_session import DatabaseError
from ..site import Site
from . import canary
from .adoption import adopt, disown
from .colours import ColourRun
from .figures import Figures
from .migrate import ROLLED_BACK
from .phase import Phase, Step
from .record import note_people
from .traffic import Traffic
from .watch import PageFailed

NOT_STARTED = "the new colour's container fails to start"
UNHEALTHY = "its health checks fail"
NO_DATABASE = "it cannot reach the database"
TOO_LARGE = "it outgrows its memory limit"
NGINX_REFUSES = "nginx refuses the configuration for it"
NOT_PUBLIC = "the public site is inaccessible after the switch"
API_FAILS = "API endpoints fail after the switch"
SIGN_IN_FAILS = "authentication is broken after the switch"
TOO_SLOW = "response times are above limits.slower_than_baseline times the baseline"
READING = 3.0  # seconds that the engine takes at most to say what a container uses


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
        NOT_STARTED,
        UNHEALTHY,
        NO_DATABASE,
        TOO_LARGE,
        NGINX_REFUSES,
        NOT_PUBLIC,
        API_FAILS,
        SIGN_IN_FAILS,
        TOO_SLOW,
        ROLLED_BACK,
        *canary.TRIGGERS,
    )

    # Set by the steps, in their order.
    former: Live
    traffic: Traffic
    new: ColourRun
    health: Answer
    use: Figures | None = None  # of the new release, once it has visitors

    def __init__(self, site: Site, *, resume: bool = False, shares: Sequence[int] = ()) -> None:
        """:param shares: percentages of the visitors that come before all of them."""
        super().__init__(site)
        self.source = Source(
            site.server, site.settings, site.release, self.console.detail, site.packed
        )
        self.migrations = Migrations(site)
        self.canary = canary.CanaryRun(site, shares, self.migrations)
        self.releases = Releases(site.server, site.settings)
        self.delivery = Delivery("", "")
        self.sent_back = ""
        self.moved = False  # whether something is done that the former release cannot live with
        self.resume = resume
        self.plan = BlueGreenPlan(self)

    def steps(self) -> Sequence[Step]:
        release, plan = self.site.release, self.plan
        if self.resume and self._is_live:
            return (
                Step(
                    "see what is live, and what was before it",
                    self.look_again,
                    self.remove_new,
                    plan=plan.look_again,
                ),
                Step(
                    "take it up after the switch",
                    self.take_up,
                    self.switch_back,
                    plan=plan.take_up,
                ),
                *self._after,
            )
        build = Step(f"build {self.source.image}", self.build, trigger=NOT_STARTED, plan=plan.build)
        return (
            Step("see what is live", self.look, plan=plan.look),
            self._delivery_step,
            *([build] if self.source.builds and not self._is_built else []),
            Step(
                "start the idle colour", self.start, self.remove_new, NOT_STARTED, plan=plan.start
            ),
            Step("wait until it is healthy", self.wait, trigger=UNHEALTHY, plan=plan.wait),
            Step(
                "ask it directly: health, database, pages",
                self.probe,
                trigger=UNHEALTHY,
                plan=plan.probe,
            ),
            Step("adopt the plain app container as blue", self.adopt, self.disown, plan=plan.adopt),
            Step(
                "move back roles that it cannot read",
                self.make_readable,
                self.rows_forth,
                plan=plan.make_readable,
            ),
            *self.canary.steps(self.switch_back),
            Step(
                f"switch visitors to {release}, and prove it",
                self.switch,
                self.switch_back,
                plan=plan.switch,
            ),
            *self._after,
        )

    @property
    def _delivery_step(self) -> Step:
        act, plan = self.deliver, self.plan.deliver
        title = "get the code onto the server"
        if self._is_built:
            title, act, plan = "take the image that is built", self.take_image, self.plan.take_image
        return Step(title, act, self.remove_release, plan=plan)

    @property
    def _after(self) -> tuple[Step, ...]:
        plan = self.plan
        return (
            Step("let old nginx workers finish", self.drain, plan=plan.drain),
            Step("watch the new release", self.watch, trigger=NOT_PUBLIC, plan=plan.watch),
            Step(
                "its memory, CPU and response times",
                self.figures,
                trigger=TOO_SLOW,
                plan=plan.figures,
            ),
            Step(
                "move the rows that waited for the switch",
                self.move_rows,
                self.rows_back,
                ROLLED_BACK,
                plan=plan.move_rows,
            ),
            Step(
                "stop the former colour", self.stop_former, self.start_former, plan=plan.stop_former
            ),
            Step("close the migration", self.contract, self.rows_back, plan=plan.contract),
            Step("tag latest, prune images", self.tidy, plan=plan.tidy),
        )

    @property
    def switched(self) -> bool:
        """Whether visitors may have met the new release."""
        return hasattr(self, "traffic") and bool(self.traffic.moved_at)

    @property
    def state(self) -> str:
        if not hasattr(self, "former"):
            return super().state
        where = "are back on" if self.switched else "never left"
        return f"visitors {where} {self.former.colour} {self.former.release}"

    # -- a run that was cut off ----------------------------------------------------------------

    @cached_property
    def _is_live(self) -> bool:
        return self.site.live.read().release == self.site.release

    @cached_property
    def _is_built(self) -> bool:
        return self.resume and self.site.release in self.releases.kept()

    def look_again(self) -> None:
        """Visitors are with the new release already; what is left comes after the switch."""
        live = self.site.live.read()
        former = self.site.live.former_of(live)
        self.moved = True  # who knows how far it came
        self.traffic, self.former = Traffic(self.site, former), former
        self.new = ColourRun(self.site, live.colour, live.release)
        self.traffic.take_up(live.marker)
        self.former = self.traffic.former
        self.console.detail(
            f"live: {live.colour} {live.release}; before it: {former.colour} "
            f"{former.release} ({former.container.status})"
        )

    def take_up(self) -> None:
        self.probe()

    def take_image(self) -> None:
        labels = self.site.containers.image_labels(self.source.image)
        self.delivery = Delivery("", labels.get(COMMIT_LABEL, ""))

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
        self.former = self.traffic.former
        self.canary.begin(self.traffic, self.new)
        self.site.nginx.refuse_unswitchable()
        self.traffic.refuse_unprovable()
        self.migrations.refuse_changed()
        note_people(self.site)
        self.site.ask_composed()  # needed once the image is built

    def deliver(self) -> None:
        self.delivery = self.source.deliver()

    def remove_release(self) -> str:
        self.releases.remove(self.site.release)
        return ""  # nobody has seen it

    def build(self) -> None:
        self.source.build(self.delivery)

    def start(self) -> None:
        self.new.render(self.source.image, commit=self.delivery.commit, former=self.former.release)
        self.new.up()
        self.console.detail(f"{self.new.name} on 127.0.0.1:{self.new.port}")

    def remove_new(self) -> str:
        """The idle colour goes; had it visitors, what they wait for is finished first."""
        found = self.site.containers.named(self.new.name) if hasattr(self, "new") else None
        if found is None or found.release != self.site.release:
            return ""
        if self.switched:
            self.traffic.drain()
            self.rows_back_if_reachable()  # who signed up through it until the last moment
            self.new.stop()
        self.new.remove()
        return f"{self.new.name} removed"

    def wait(self) -> None:
        new = self.new
        prepare = partial(self.traffic.prepare, new.colour, new.release, new.name)
        try:
            container = new.wait_until_healthy(prepare)
        except DeployError as error:
            error.trigger = self._what_ails_it()
            raise
        self.console.detail(f"{container.name}: {container.status}")

    def probe(self) -> None:
        try:
            self.health = self.new.probe()
        except DeployError as error:
            error.trigger = self._what_ails_it()
            raise

    def _what_ails_it(self) -> str:
        """Which of the triggers its state is."""
        container = self.new.container
        if container.out_of_memory:
            return TOO_LARGE
        if not container.running or container.restarts:
            return NOT_STARTED
        return NO_DATABASE if self.new.lacks_database() else UNHEALTHY

    def adopt(self) -> None:
        adopt(self.site, self.former)

    def disown(self) -> str:
        disown(self.site, self.former)
        return ""  # nobody has noticed

    def make_readable(self) -> None:
        """An older commit is a release too: it must not meet rows that it cannot read."""
        self.sent_back = self.migrations.obey(self.new.container)
        if self.sent_back:
            self.console.warn(f"{self.new.name} cannot read the new role: {self.sent_back}")

    def rows_forth(self) -> str:
        if not self.sent_back:
            return ""
        mine = {self.site.release}
        forth = self.migrations.forth_again(mine, self.former.container)
        return "the roles moved forth again" if forth else ""

    # -- the switch ----------------------------------------------------------------------------

    def switch(self) -> None:
        self.moved = self.migrations.keeps_from(self.former.container)
        try:
            self.traffic.move(self.new.colour, self.new.release, self.new.name)
        except DeployError as error:
            error.trigger = NOT_PUBLIC if self.switched else NGINX_REFUSES
            raise

    def switch_back(self) -> str:
        """No visitor goes back to a release before every value is one that it can read; once
        they are back, it does nothing."""
        if self.switched:
            self.rows_back_if_reachable()
            self.start_former()
        if not hasattr(self, "traffic") or not self.traffic.take_back():
            return ""
        self.traffic.drain()  # whoever is served by the new release still may read the new role
        return f"visitors back on {self.former.colour} {self.former.release}"

    def rows_back_if_reachable(self) -> None:
        """A database that is away keeps nobody on a bad release, where no row had moved yet."""
        try:
            self.rows_back()
        except DatabaseError as error:
            if self.moved:
                raise
            self.console.warn(f"roles not checked, and none had been moved: {error.reason}")

    def drain(self) -> None:
        if not self.traffic.drain():
            self.stop_former()  # nobody may be served by it once the rows have moved

    def watch(self) -> None:
        seconds, errors = self.settings.deploy.watch_seconds, self.settings.limits.error_percent
        before = max(0.0, seconds - READING)
        try:
            if before:
                self.traffic.watch(before, errors)
            self.use = Figures(self.site, lambda: self.new.container)
            self.traffic.watch(seconds - before, errors)
        except PageFailed as error:
            error.trigger = self._trigger_of(error.path)
            raise

    def _trigger_of(self, path: str) -> str:
        app = self.settings.app
        if path == app.login_path or "/auth" in path:
            return SIGN_IN_FAILS
        return API_FAILS if path.startswith("/api") else NOT_PUBLIC

    def figures(self) -> None:
        """Once it has had visitors: broken, too large or too slow is not kept."""
        try:
            self.new.refuse_unwell()
        except DeployError as error:
            error.trigger = self._what_ails_it()
            raise
        assert self.use
        ours = [one for one in self.use.result().use if one.name == self.new.name]
        for check in resources.judge_use(self.server, ours, self.settings.limits):
            if check.verdict != "pass" and check.name.endswith(resources.MEMORY):
                reason = f"the new release outgrows its memory: {check.line}"
                raise DeployError(reason, trigger=TOO_LARGE, evidence=self.new.last_logs())
            say = self.console.detail if check.verdict == "pass" else self.console.warn
            say(check.line)
        visitor = Visitor(self.settings.public, user_agent="deploy-watch")
        paths = self.settings.timed_paths
        baseline = self.site.baseline or self.site.ledger.last_baseline()
        timing, verdict = measure_patiently(visitor, paths, baseline, self.settings.limits)
        if verdict.word == "slow":
            raise DeployError(f"the new release is slow: {verdict.reason}", evidence=str(timing))
        self.console.detail(f"response times: {verdict.word}, {verdict.reason}")

    # -- after it ------------------------------------------------------------------------------

    def move_rows(self) -> None:
        for migration in self.migrations.all:
            if not migration.data_is_due():
                continue
            if migration.says_that_it_cannot_read(self.new.container):
                self.console.fact("they stay: the new release says that it cannot read them")
                return
            self.moved = True  # before the attempt: a lost answer may have been a success
            self.console.detail(migration.data().text)

    def rows_back(self) -> str:
        """Before traffic goes back, every value is one that the former release can read."""
        return self.migrations.make_readable_for(self.former.container)

    def stop_former(self) -> None:
        self.former_run.stop()

    def start_former(self) -> str:
        former = self.former_run
        found = self.site.containers.named(former.name)
        if found and found.running:
            return ""
        former.start()
        former.wait_until_healthy()
        return f"{former.name} started again"

    def contract(self) -> None:
        """A busy table is no reason to take a good release back: the next run closes it."""
        try:
            self.moved = self.moved or self.migrations.contract_is_due()
            for line in self.migrations.contract().text.splitlines():
                self.console.detail(line)
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
            *self.canary.summary(),
        ]

    @property
    def former_run(self) -> ColourRun:
        return ColourRun(self.site, self.former.colour, self.former.release)
