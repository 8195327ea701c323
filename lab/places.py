"""Where the lab keeps things, on this machine and on its server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from lab.flavours import TRIXIE, Flavour

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


def _port(variable: str, default: int) -> int:
    return int(os.environ.get(variable, default))


@dataclass(frozen=True)
class Server:
    """One lab server: its container, its flavour, and its ports on 127.0.0.1."""

    number: int = 1
    flavour: Flavour = TRIXIE
    ssh_port: int = field(default_factory=lambda: _port("LAB_SSH_PORT", 22022))
    http_port: int = field(default_factory=lambda: _port("LAB_HTTP_PORT", 22080))
    https_port: int = field(default_factory=lambda: _port("LAB_HTTPS_PORT", 22443))

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
