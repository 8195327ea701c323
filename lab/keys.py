"""The lab's ssh keys: one to log in with, and one that the server is known by."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab.places import HOST_KEY, KNOWN_HOSTS, LOGIN_KEY, STATE, Server
from lab.shell import run


def ensure_keys(server: Server) -> None:
    """Make what is missing; the host key stays, so that known_hosts stays true over resets."""
    STATE.mkdir(exist_ok=True)
    for path, comment in ((LOGIN_KEY, "1001stories-lab"), (HOST_KEY, "1001stories-lab-server")):
        if not path.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    _remember(server)


def public(path: Path) -> str:
    """The public half of a key."""
    return path.with_name(f"{path.name}.pub").read_text().strip()


def fingerprint() -> str:
    """Tells this working copy's keys from another's."""
    both = public(LOGIN_KEY) + public(HOST_KEY)
    return hashlib.sha256(both.encode()).hexdigest()[:16]


def ssh_command(server: Server, *command: str) -> list[str]:
    """How to reach the server with ssh, refusing any host but this one."""
    return [
        "ssh",
        "-F",
        "none",
        "-i",
        str(LOGIN_KEY),
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        f"UserKnownHostsFile={KNOWN_HOSTS}",
        "-o",
        "StrictHostKeyChecking=yes",
        "-p",
        str(server.ssh_port),
        "ubuntu@127.0.0.1",
        *command,
    ]


def _remember(server: Server) -> None:
    kind, key = public(HOST_KEY).split()[:2]
    line = f"[127.0.0.1]:{server.ssh_port} {kind} {key}"
    known = KNOWN_HOSTS.read_text().splitlines() if KNOWN_HOSTS.exists() else []
    name = line.split()[0]
    kept = [entry for entry in known if entry.split()[:1] != [name]]
    KNOWN_HOSTS.write_text("\n".join([*kept, line]) + "\n")
