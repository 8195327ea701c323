"""One colour's container: start it, wait for its health, ask it directly, stop it."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from .. import interrupts
from ..commands import compose, docker
from ..errors import DeployError
from ..probes.answer import database_in
from ..probes.http import Answer, direct, healthy
from ..server.compose import find_compose
from ..server.containers import (
    COLOUR_LABEL,
    COMMIT_LABEL,
    FORMER_LABEL,
    READS_LABEL,
    RELEASE_LABEL,
    Container,
)
from ..server.releases import override_path
from ..settings import Colour
from ..site import Site

POLL = 0.05  # seconds between two looks; each takes the engine half of that


class ColourRun:
    """One release as one colour, on the site's server."""

    def __init__(self, site: Site, colour: Colour, release: str) -> None:
        self.site = site
        self.settings = site.settings
        self.server = site.server
        self.colour = colour
        self.release = release
        self.name = site.settings.app.container_of(colour)
        self.port = site.settings.app.port_of(colour)

    @property
    def override(self) -> str:
        """The rendered compose override, kept per release: a rollback can start it again."""
        return override_path(self.settings, self.release, self.colour)

    @property
    def container(self) -> Container:
        """:raises DeployError: it is not there."""
        found = self.site.containers.named(self.name)
        if found is None:
            raise DeployError(f"container {self.name} is not there")
        return found

    def render(
        self, image: str, *, commit: str, former: str, ran_with: Container | None = None
    ) -> None:
        """Render the compose override and keep it on the server.

        :param former: the release that a rollback from this one goes to; empty for none.
        :param ran_with: the container that runs this release already; its environment is kept.
        :raises DeployError: the site's compose file is missing or has no such service.
        """
        labels = self.site.containers.image_labels(image)
        reads = {name: value for name, value in labels.items() if name.startswith(READS_LABEL)}
        self._keep(
            self.rendered(image, commit=commit, former=former, reads=reads, ran_with=ran_with)
        )

    def rendered(
        self,
        image: str,
        *,
        commit: str,
        former: str,
        reads: Mapping[str, str],
        ran_with: Container | None = None,
    ) -> str:
        """The compose override as `render` keeps it; nothing is written.

        :param reads: the image's labels that say what the release can read.
        :raises DeployError: as `render`.
        """
        options = self.settings.compose
        return compose.override(
            self.site.composed,
            options.app,
            project=self.site.containers.project,
            file_names=options.files,
            colour=self.colour,
            release=self.release,
            container=self.name,
            image=image,
            host_port=self.port,
            port=self.settings.app.port,
            labels={
                RELEASE_LABEL: self.release,
                COLOUR_LABEL: self.colour,
                COMMIT_LABEL: commit,
                FORMER_LABEL: former,
                **reads,
            },
            environment=ran_with.environment if ran_with else None,
        )

    def repaint(self, kept: str) -> None:
        """Keep the override for this colour too, where the release ran as the other one.

        :param kept: text of the other colour's override.
        """
        self._keep(self.repainted(kept))

    def repainted(self, kept: str) -> str:
        """The override as `repaint` keeps it; nothing is written."""
        return compose.repainted(
            kept,
            self.settings.compose.app,
            colour=self.colour,
            colour_label=COLOUR_LABEL,
            container=self.name,
            host_port=self.port,
            port=self.settings.app.port,
        )

    def _keep(self, text: str) -> None:
        # 0600: the service's environment may hold secrets.
        self.server.make_folders(posixpath.dirname(self.override), mode="0700")
        self.server.write(self.override, text, mode=0o600)

    def up(self) -> None:
        """Create the container anew from its kept override, and from nothing else.

        :raises CommandFailed: Compose's own words are the evidence.
        """
        self.remove()
        self.server.run(self.up_command(), timeout=120)

    def up_command(self) -> list[str]:
        """What `up` runs."""
        return compose.up_one(
            find_compose(self.server).command,
            project=self.site.containers.project,
            folder=self.settings.folders.project,
            file=self.override,
            service=f"{self.settings.compose.app}-{self.colour}",
        )

    def remove(self) -> bool:
        """Take the container away; the image stays. False where there was none."""
        if not self.site.containers.named(self.name):
            return False
        self.server.run(docker.remove(self.name))
        return True

    def start(self) -> None:
        """Start the container that is there, or create it from its kept override."""
        if self.site.containers.named(self.name):
            self.server.run(docker.start(self.name))
        else:
            self.up()

    def stop(self) -> None:
        """SIGTERM, and time to finish; the container stays for a rollback. One that is gone is
        stopped already."""
        found = self.site.containers.named(self.name)
        if found is None:
            return
        grace = found.stop_timeout or self.settings.app.stop_grace
        self.server.run(docker.stop(self.name, grace), timeout=grace + 30)

    def wait_until_healthy(self, meanwhile: Callable[[], object] | None = None) -> Container:
        """Wait until the engine calls it healthy, as long as its own health check may take.

        :param meanwhile: done first, while it starts.
        :returns: the container, read when it was healthy.
        :raises DeployError: it ended, restarts, or is not healthy in time.
        """
        container = self.container
        limit = container.check.deadline if container.check else self.settings.app.health_timeout
        before, end = container.restarts, time.monotonic() + limit
        if meanwhile:
            meanwhile()
            container = self.container
        while True:
            if container.state not in ("running", "created") or container.restarts > before:
                raise self._unwell(f"{self.name} does not stay up: {container.status}", container)
            if container.health == "healthy":
                return container
            if not container.check and not self._unhealthy(container):
                return container
            if time.monotonic() > end:
                raise self._unwell(f"{self.name} is not healthy after {limit:.0f} s", container)
            interrupts.pause(POLL)
            container = self.container

    def refuse_unwell(self) -> None:
        """:raises DeployError: it has stopped, restarted, or its health check fails."""
        container = self.container
        if not container.running or container.restarts or container.health == "unhealthy":
            raise self._unwell(f"{self.name} is not well: {container.status}", container)

    def probe(self, container: Container | None = None) -> Answer:
        """Ask the colour directly, before any visitor does: health, database, login and pages.

        Of a page only a failure of the server's counts: without nginx in front of it another
        answer may be right.

        :param container: as it was read a moment ago; by default it is read now.
        :returns: the health answer.
        :raises DeployError: what was expected and what came.
        """
        app, container = self.settings.app, container or self.container
        health = self._ask(app.health_path, container)
        if problem := healthy(health, app):
            raise self._unwell(f"{self.name} {app.health_path}: {problem}", self.container)
        login = self._ask(app.login_path, container) if app.login_path else None
        if login and not login.ok:
            self._refuse(login)
        for path, page in self.settings.public.pages.items():
            answer = self._ask(path, container) if page.critical else None
            if answer and answer.status not in page.status and not 0 < answer.status < 500:
                self._refuse(answer)
        return health

    def lacks_database(self) -> bool:
        """Whether its health answer says that it cannot reach the database."""
        app = self.settings.app
        found = database_in(self._ask(app.health_path, self.container))
        return bool(app.health_database and found) and found != app.health_database

    def last_logs(self) -> str:
        """Its last lines."""
        return self.site.containers.last_logs(self.name)

    def _ask(self, path: str, container: Container) -> Answer:
        published = f"{self.settings.app.port}/tcp" in container.published
        if published:
            return direct(self.server, "127.0.0.1", self.port, path)
        return direct(self.server, container.address, self.settings.app.port, path)

    def _unhealthy(self, container: Container) -> str:
        return healthy(self._ask(self.settings.app.health_path, container), self.settings.app)

    def _refuse(self, answer: Answer) -> NoReturn:
        found = f"{self.name} {answer.path}: {answer.status or answer.error}"
        raise self._unwell(found, self.container)

    def _unwell(self, reason: str, container: Container) -> DeployError:
        memory = "\nkilled for want of memory" if container.out_of_memory else ""
        health = f"last health check: {container.health_log}\n" if container.health_log else ""
        return DeployError(reason, evidence=f"{health}{self.last_logs()}{memory}")
