"""The kinds of server that the lab can be, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Flavour:
    """A Debian release, and the Docker that comes with it.

    ``release`` is the code name that names the base image; ``packages`` are installed on the
    server beside what every flavour has; ``nginx`` is the Debian release that nginx comes from.
    ``docker`` and ``compose`` of a bare one are those that its archive has.
    """

    release: str
    docker: str
    compose: str
    nginx: str
    packages: tuple[str, ...] = ()
    keeps_idle_connections: bool = True  # nginx knows keepalive_min_timeout, since 1.27.4
    has_start_interval: bool = True  # for health checks, since Docker 25
    bare: bool = False  # no Docker and no site yet: what `setup` starts from

    @property
    def name(self) -> str:
        """What LAB_FLAVOUR calls it."""
        return f"bare-{self.release}" if self.bare else self.release

    @property
    def base(self) -> str:
        """The image that everything of this flavour starts from."""
        return f"1001stories-lab-base:{self.release}"

    @property
    def server_image(self) -> str:
        """The image of the server itself."""
        return f"1001stories-lab-server:{self.name}"


# Production is an Ubuntu 22.04 with the old docker-compose: this is what it is like.
BOOKWORM = Flavour(
    release="bookworm",
    docker="20.10",
    compose="1.29",
    nginx="bookworm",
    packages=("docker.io", "docker-compose"),
    keeps_idle_connections=False,
    has_start_interval=False,
)
TRIXIE = Flavour(
    release="trixie",
    docker="26.1",
    compose="2.26",
    nginx="forky",
    packages=("docker.io", "docker-cli", "docker-compose", "docker-buildx"),
)

BARE_TRIXIE = replace(TRIXIE, packages=(), bare=True)
BARE_BOOKWORM = replace(BOOKWORM, packages=(), bare=True)

FLAVOURS = {flavour.name: flavour for flavour in (TRIXIE, BOOKWORM, BARE_TRIXIE, BARE_BOOKWORM)}
