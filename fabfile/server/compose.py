"""Which Docker Compose the server has: the engine's plugin, or a program of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ..commands import compose
from ..errors import DeployError
from ..settings import Settings
from .connection import Server

_COMMANDS = (("docker", "compose"), ("docker-compose",))


@dataclass(frozen=True)
class Compose:
    """How Compose is called on the server, and its version, as `2.26.1`."""

    command: tuple[str, ...]
    version: str

    def of(self, settings: Settings, project: str = "") -> list[str]:
        """Compose on the site's whole project.

        :param project: the project's name; empty: the settings'.
        """
        return compose.whole(
            self.command,
            folder=settings.folders.project,
            files=settings.compose_paths,
            profiles=settings.compose.profiles,
            project=project or settings.compose.project,
        )


def project_of(server: Server, settings: Settings, project: str) -> str:
    """The site's own compose file as Compose resolves it.

    :param project: the project's name.
    :raises DeployError: Compose cannot read it, or is not there.
    """
    command = compose.resolved(find_compose(server).of(settings, project))
    plain = server.run(command, check=False)
    if not plain.ok:
        files = ", ".join(settings.compose_paths)
        raise DeployError(f"Compose cannot read {files} on the server", evidence=plain.stderr)
    return plain.stdout


@cache  # it stays what it is while a run lasts; that there is none is asked again
def find_compose(server: Server) -> Compose:
    """The newer one where both are there.

    :raises DeployError: there is neither.
    """
    for command in _COMMANDS:
        answer = server.run([*command, "version", "--short"], check=False)
        if answer.ok:
            return Compose(command, answer.text.lstrip("v"))
    raise DeployError(
        f"Docker Compose is missing on {server}", next_command="fab setup installs it"
    )
