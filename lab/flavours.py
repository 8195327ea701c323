"""The kinds of server that the lab can be, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flavour:
    """A Debian release, and the Docker that comes with it.

    ``release`` is the code name that names the base image; ``packages`` are installed on the
    server beside what every flavour has; ``nginx`` is the Debian release that nginx comes from.
    """

    release: str
    docker: str
    compose: str
    nginx: str
    packages: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """The image that everything of this flavour starts from."""
        return f"1001stories-lab-base:{self.release}"

    @property
    def server_image(self) -> str:
        """The image of the server itself."""
        return f"1001stories-lab-server:{self.release}"


TRIXIE = Flavour(
    release="trixie",
    docker="26.1",
    compose="2.26",
    nginx="forky",
    packages=("docker.io", "docker-cli", "docker-compose"),
)
