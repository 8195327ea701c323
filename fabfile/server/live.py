"""What is live is read, not remembered: from the answer that nginx gives, then its file."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..commands import docker
from ..commands.compose import labels_of
from ..commands.nginx import parse_marker
from ..commands.nginx_sides import CANARY_HEADER, LIVE_HEADER, Canary, canary_in, canary_of
from ..errors import DeployError
from ..probes.http import Answer, Visitor, direct
from ..settings import COLOURS, Colour
from .connection import Server
from .containers import FORMER_LABEL, Container, Containers, gone
from .nginx import Nginx
from .releases import override_path

# Seconds; longer than nginx waits for a container that is gone (proxy_connect_timeout, 5 s in
# our template): its 504 names what is live, no answer at all does not.
PATIENCE = 10


@dataclass(frozen=True)
class Live:
    """What nginx sends visitors to.

    :param marked: nginx runs a configuration that we rendered; False for the site's own plain
        one, whose app container is taken as blue.
    :param canary: the idle release that some visitors are with already; the live one is still
        the one that they came from.
    """

    colour: Colour
    release: str
    container: Container
    marked: bool
    canary: Canary | None = None

    @property
    def idle(self) -> Colour:
        """The other colour."""
        return COLOURS[1 - COLOURS.index(self.colour)]

    @property
    def marker(self) -> tuple[str, str]:
        """Colour and release as nginx's answers name them; empty for a plain configuration."""
        return (self.colour, self.release) if self.marked else ("", "")


class NoFormerRelease(DeployError):
    """The live release is the first one."""


class LiveReader:
    """Reads which colour and release are live."""

    def __init__(self, server: Server, containers: Containers, nginx: Nginx) -> None:
        self.server = server
        self.settings = server.settings
        self.containers = containers
        self.nginx = nginx
        self.first: Live | None = None  # what a run found when it began

    def read(self) -> Live:
        """Ask nginx; where it does not answer, read its configuration.

        :raises DeployError: the live container is not there.
        """
        live = self._read()
        self.first = self.first or live
        return live

    def _read(self) -> Live:
        answer = self.ask()
        if answer.status:
            colour, release = self.marker_of(answer)
            canary = canary_of(answer.headers.get(CANARY_HEADER, ""))
        else:
            text = self.nginx.read()
            (colour, release), canary = parse_marker(text), canary_in(text)
        return self._marked(colour, release, canary) if colour else self._plain()

    def ask(self) -> Answer:
        """The public address from here; where that fails, nginx from the server's own side."""
        path = self.settings.app.health_path
        answer = Visitor(self.settings.public, timeout=PATIENCE).ask(path)
        if answer.status:
            return answer
        with contextlib.suppress(DeployError), self.inside() as visitor:
            return visitor.ask(path)
        return answer

    def marker_of(self, answer: Answer) -> tuple[str, str]:
        """Colour and release that nginx sends visitors to, as an answer or nginx itself says.

        In a configuration of the site's own, a header of ours is dropped where the site adds one
        of its own; there nginx is asked inside its container.

        :param answer: one that has just come from the public address.
        """
        if live := answer.headers.get(LIVE_HEADER, ""):  # whichever side has answered
            colour, _, release = live.partition(" ")
            return colour, release
        if answer.colour:
            return answer.colour, answer.release
        container = self.nginx.container
        if not container.running:
            return "", ""
        said = direct(self.server, container.address, self.settings.nginx.marker_port, "/")
        return said.colour, said.release

    def answers_inside(self) -> bool:
        """Whether the site answers on the server itself: the meter's second witness.

        :raises DeployError: the server cannot be asked; then nobody knows.
        """
        with self.inside() as visitor:
            return 0 < visitor.ask(self.settings.app.health_path).status < 500

    @contextlib.contextmanager
    def inside(self) -> Iterator[Visitor]:
        """A visitor whose connection starts on the server, next to nginx.

        :raises ForwardingRefused: the server forbids forwarding.
        """
        public = self.settings.public
        with self.server.forward(self.nginx.container.address, public.port) as port:
            here = f"127.0.0.1:{port}"
            there = public.model_copy(update={"connect": here, "connect_http": here})
            yield Visitor(there, timeout=PATIENCE)

    def release_of(self, container: Container) -> str:
        """The release that a container runs: its label, or its image's time for a plain one."""
        if container.release:
            return container.release
        image = json.loads(self.server.run(docker.inspect_image(container.image_id)).stdout)[0]
        digits = re.sub(r"\D", "", image["Created"])[:14]
        return f"{digits[:8]}-{digits[8:]}"

    def former_of(self, live: Live) -> Live:
        """What was live before, as the live container's label names it; gone or not.

        :raises DeployError: the live release has no former one.
        """
        release = live.container.labels.get(FORMER_LABEL, "")
        if not release:
            raise NoFormerRelease(
                f"{live.colour} {live.release} has no former release to go back to",
                state=f"{live.colour} {live.release} is live, as before",
                next_command="fab releases; or deploy another commit: --set source.revision=COMMIT",
            )
        name = self.settings.app.container_of(live.idle)
        container = self.containers.named(name)
        if container is None or self.release_of(container) != release:
            container = gone(name, self._kept_labels(live.idle, release))
        return Live(live.idle, release, container, marked=True)

    def _marked(self, colour: str, release: str, canary: Canary | None) -> Live:
        known: Colour = "blue" if colour == "blue" else "green"
        name = self.settings.app.container_of(known)
        container = self.containers.named(name) or gone(name, self._kept_labels(known, release))
        return Live(known, release, container, marked=True, canary=canary)

    def _kept_labels(self, colour: Colour, release: str) -> dict[str, str]:
        """The labels that a container had, from the override that is kept of its release."""
        return labels_of(self.server.read(override_path(self.settings, release, colour)) or "")

    def _plain(self) -> Live:
        container = self.containers.service(self.settings.compose.app)
        return Live("blue", self.release_of(container), container, marked=False)
