"""One round of the monitor's checks: the site from outside, its containers, logs and server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..commands import docker
from ..errors import DeployError, Interrupted, ServerUnreachable
from ..probes import pages, resources, security
from ..probes.http import Answer, Visitor, healthy
from ..probes.tls import NoHandshake
from ..probes.witness import access_log
from ..report.checks import Check
from ..server.containers import Container
from ..server.machine import read_machine
from ..settings import COLOURS
from ..site import Site

PERFORMANCE = "Performance"
SESSION = "reachable by SSH"


class Rounds:
    """Looks at everything again and again; changes nothing.

    :param every: seconds between two rounds: as far back the first one reads the logs.
    """

    def __init__(self, site: Site, every: int) -> None:
        self.site = site
        self.settings = site.settings
        self.server = site.server
        self.visitor = Visitor(site.settings.public, user_agent="deploy-monitor")
        self.since = f"{every}s"
        self.time = ""  # of the round, the server's
        self.unseen: set[str] = set()  # groups that this round could not look at
        self._running: list[Container] = []
        self._started: dict[str, str] = {}  # of the round before, by id

    def look(self) -> list[Check]:
        """Make every check that the settings do not leave out.

        :raises Interrupted: a signal came.
        """
        self.time = self.server.now()
        parts: Sequence[tuple[str, Callable[[], list[Check]]]] = (
            (pages.GROUP, self._site),
            (security.GROUP, self._certificate),
            (resources.CONTAINERS, self._containers),
            (resources.LOGS, self._logs),
            (resources.SERVER, self._machine),
        )
        checks: list[Check] = []
        reason = ""
        self.unseen = set()
        for group, part in parts:
            try:
                checks += part()
            except Interrupted:
                raise
            except ServerUnreachable as error:
                reason = error.reason  # the site may be well: the rest from outside goes on
                self.unseen.add(group)
            except DeployError as error:
                checks.append(_of(group, "to be checked", False, "an answer", error.reason))
                self.unseen.add(group)
        checks.append(_of(resources.SERVER, SESSION, not reason, "an answer", reason or "yes"))
        if not reason:
            self.since = self.time
        left_out = set(self.settings.monitor.leave_out)
        return [
            check.weighed(self.settings.validation)
            for check in checks
            if not {check.group, f"{check.group}: {check.name}"} & left_out
        ]

    # -- from outside --------------------------------------------------------------------------

    def _site(self) -> list[Check]:
        """Health and pages; where nothing answers here, the server's own side is asked too."""
        app, public, limits = self.settings.app, self.settings.public, self.settings.limits
        health = pages.patiently(self.visitor, app.health_path)
        if not health.status and self._answers_inside():
            self.unseen.add(pages.GROUP)
            found = f"{health.error}; the site answers on its server"
            return [_of(pages.GROUP, "seen from this machine", False, "an answer", found)]
        problem = healthy(health, app)
        found = problem or f"{health.found} {' '.join(health.body.split())[:200]}"
        answers = {path: pages.patiently(self.visitor, path) for path in public.pages}
        slowest = max(map(_seconds, (health, *answers.values())))
        limit = limits.response_seconds
        return [
            _of(pages.GROUP, "health", not problem, "healthy", found, critical=True),
            *(
                pages.check_page(path, public.pages[path], one)
                for path, one in answers.items()
                if not one.limited  # no fault of the release
            ),
            _of(
                PERFORMANCE,
                "slowest answer",
                slowest < limit,
                f"under {limit:g} s",
                f"{slowest:.3f} s",
            ),
        ]

    def _answers_inside(self) -> bool:
        """The second witness; where it cannot be asked either, nobody speaks for the site."""
        try:
            return self.site.live.answers_inside()
        except Interrupted:
            raise
        except DeployError:
            return False

    def _certificate(self) -> list[Check]:
        if self.settings.public.scheme == "http":
            return []
        try:
            return security.check_certificate(self.settings.public)
        except NoHandshake as error:
            return [_of(security.GROUP, "HTTPS", False, "an answer", error.reason, critical=True)]

    # -- on the server -------------------------------------------------------------------------

    def _containers(self) -> list[Check]:
        compose = self.settings.compose
        found = self.site.containers.all()
        self._running = [one for one in found if one.running]
        needed = [self.site.containers.service(name) for name in (compose.nginx, compose.database)]
        ids = {container.id for container in needed}
        others = [one for one in self._running if one.id not in ids]
        apps = [one for one in others if self._is_app(one)]
        checks = [_state(one, needed=True) for one in needed]
        checks += [_state(one, needed=False) for one in others]
        running = f"{len(apps)} running"
        checks.append(
            _of(
                resources.CONTAINERS,
                "app",
                bool(apps),
                "one or two running",
                running,
                critical=True,
            )
        )
        use = resources.check_use(self.server, self._running, self.settings.limits)
        # A busy moment is none worth a line; answers that come late are.
        memory = [check for check in use if check.name.endswith(resources.MEMORY)]
        return [*checks, *self._restarts(), *memory]

    def _restarts(self) -> list[Check]:
        """Whoever ran in the round before and was started anew since; by hand too."""
        ids = [one.id for one in self._running]
        lines = self.server.run(docker.started(*ids), check=False).lines if ids else []
        started = dict(line.split(" ", 1) for line in lines)
        before, self._started = self._started, started
        checks = []
        for one in self._running:
            now = started.get(one.id, "")
            good = before.get(one.id, now) == now and not one.out_of_memory
            found = f"{one.restarts} in all"
            found = f"none ({found})" if good else f"started again at {now} ({found})"
            found += ", out of memory" * one.out_of_memory
            checks.append(_of(resources.CONTAINERS, f"{one.name} restarts", good, "none", found))
        return checks

    def _logs(self) -> list[Check]:
        nginx, limit = self.site.nginx.container, self.settings.limits.error_percent
        look = partial(resources.check_log, self.server)
        expect = self.settings.expect
        checks = [look(nginx, self.since, resources.NGINX_ERRORS, expect)]
        for one in filter(self._is_app, self._running):
            checks.append(look(one, self.since, resources.APP_ERRORS, expect))
        counts = access_log(self.server, nginx.name, self.since)
        every = sum(count.count for count in counts)
        bad = sum(count.count for count in counts if count.status >= 500)
        good = not bad or 100 * bad / every < limit
        wanted, found = f"under {limit:g} % of all visitors", f"{bad} of {every:,} requests"
        return [*checks, _of(resources.LOGS, "answered 5xx", good, wanted, found, critical=True)]

    def _machine(self) -> list[Check]:
        folders = self.settings.folders
        machine = read_machine(self.server, folders.project, folders.backups, "/var/lib/docker")
        return resources.check_machine(machine, self.settings.limits)

    def _is_app(self, container: Container) -> bool:
        names = map(self.settings.app.container_of, COLOURS)
        return container.name in names or container.service == self.settings.compose.app


def _state(container: Container, *, needed: bool) -> Check:
    """A new colour is `starting` for a while; nginx and the database have no reason to."""
    well = ("", "healthy") if needed else ("", "healthy", "starting")
    good = container.running and container.health in well
    wanted = "running and healthy"
    return _of(
        resources.CONTAINERS, container.name, good, wanted, container.status, critical=needed
    )


def _of(
    group: str, name: str, good: bool, expected: str, found: str, *, critical: bool = False
) -> Check:
    return Check.of(group, name, good, expected, found, critical=critical)


def _seconds(answer: Answer) -> float:
    return answer.seconds if answer.status else 0.0
