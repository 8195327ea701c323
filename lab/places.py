"""Where the lab keeps things, on this machine and on its server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.flavours import FLAVOURS, Flavour
from lab.shell import LabError

DOMAIN = "1001stories.seedsofempowerment.org"
PROJECT = "1001-stories"
PROJECT_FOLDER = f"/home/ubuntu/{PROJECT}"
PRODUCTION_IMAGE = "1001stories:production"

LAB = Path(__file__).resolve().parent
SITE = LAB / "site"
STATE = LAB.parent / ".lab"

LOGIN_KEY = STATE / "id_ed25519"
HOST_KEY = STATE / "ssh_host_ed25519_key"
KNOWN_HOSTS = STATE / "known_hosts"
CERTIFICATE_AUTHORITY = STATE / "ca.pem"


MOST_SERVERS = 11  # their ports stay below those that the kernel gives out


def _number() -> int:
    text = os.environ.get("LAB_SERVER", "1")
    if not text.isdigit() or not 1 <= int(text) <= MOST_SERVERS:
        raise LabError(f"LAB_SERVER is {text!r}; allowed: 1 to {MOST_SERVERS}")
    return int(text)


def several(count: str) -> list[Server]:
    """As many servers, from this one on.

    :raises LabError: that is no number, or more than there are ports for.
    """
    first = Server()
    most = MOST_SERVERS + 1 - first.number
    if not count.isdecimal() or not 1 <= int(count) <= most:
        raise LabError(f"--servers is {count!r}; allowed: 1 to {most}")
    return [replace(first, number=first.number + n) for n in range(int(count))]


def _flavour() -> Flavour:
    name = os.environ.get("LAB_FLAVOUR", "trixie")
    if name not in FLAVOURS:
        raise LabError(f"LAB_FLAVOUR is {name!r}; allowed: {', '.join(FLAVOURS)}")
    return FLAVOURS[name]


@dataclass(frozen=True)
class Server:
    """One lab server: its container, its flavour, and its ports on 127.0.0.1.

    The environment says which: LAB_SERVER is its number, LAB_FLAVOUR its Debian release.
    """

    number: int = field(default_factory=_number)
    flavour: Flavour = field(default_factory=_flavour)

    @property
    def ssh_port(self) -> int:
        return self._ports_from + 22

    @property
    def http_port(self) -> int:
        return self._ports_from + 80

    @property
    def https_port(self) -> int:
        return self._ports_from + 443

    @property
    def _ports_from(self) -> int:
        return 21_000 + 1_000 * self.number

    @property
    def environment(self) -> dict[str, str]:
        """What leads the tool, with lab/settings.yaml, to this server and no other."""
        return {
            "LAB_SERVER": str(self.number),
            "DEPLOY_SSH__HOST": self.host,
            "DEPLOY_PUBLIC__CONNECT": f"127.0.0.1:{self.https_port}",
            "DEPLOY_PUBLIC__CONNECT_HTTP": f"127.0.0.1:{self.http_port}",
        }

    @property
    def alias(self) -> str:
        """Its name in lab/settings.yaml."""
        return f"lab{self.number}"

    @property
    def host(self) -> str:
        """What `fab -H` takes."""
        return f"ubuntu@127.0.0.1:{self.ssh_port}"

    @property
    def name(self) -> str:
        """The container's name on this machine's engine."""
        return f"1001stories-lab-server-{self.number}"

    @property
    def volume(self) -> str:
        """The volume that holds the inner engine's images and containers."""
        return f"{self.name}-docker"

    @property
    def ports(self) -> dict[int, int]:
        """Ports on 127.0.0.1, each with the server's port behind it."""
        return {self.ssh_port: 22, self.http_port: 80, self.https_port: 443}
