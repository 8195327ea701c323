"""Host keys are checked: Fabric itself accepts any, even a changed one (fabric#2071)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import paramiko

from ..errors import HostKeyRefused, ServerUnreachable
from ..settings import Ssh


def check_host_keys(client: paramiko.SSHClient, ssh: Ssh) -> None:
    """Make a client refuse unknown host keys, or add them where the settings say so.

    :raises ServerUnreachable: ssh.known_hosts names no file.
    """
    client.load_system_host_keys()
    if ssh.known_hosts:
        path = Path(ssh.known_hosts).expanduser()
        if not path.is_file():
            raise ServerUnreachable(f"ssh.known_hosts: no such file: {path}")
        client.load_host_keys(str(path))
    elif ssh.accept_new_host_key:
        path = Path("~/.ssh/known_hosts").expanduser()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        client.load_host_keys(str(path))
    client.set_missing_host_key_policy(
        _AddUnknown() if ssh.accept_new_host_key else _RefuseUnknown()
    )


class _RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """Fabric itself accepts any host key (fabric#2071); we refuse, and say how to trust it."""

    def missing_host_key(self, client: Any, hostname: str, key: paramiko.PKey) -> None:
        digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
        host, _, port = hostname.strip("[]").partition("]:")
        option = f"-p {port} " if port else ""
        raise HostKeyRefused(
            f"unknown host key of {hostname}: {key.get_name()} SHA256:{digest}",
            state="nothing was sent; the site is as it was",
            next_command="compare the fingerprint with your provider's, then: "
            f"ssh-keyscan {option}{host} >> ~/.ssh/known_hosts",
        )


class _AddUnknown(paramiko.AutoAddPolicy):
    """`ssh.accept_new_host_key`: an unknown key is kept; a changed one is still refused."""
