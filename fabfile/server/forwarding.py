"""Ports on this machine that lead to the server's side."""

from __future__ import annotations

import contextlib
import socket
import time

from ..errors import DeployError, ServerUnreachable


class ForwardingRefused(DeployError):
    """The server forbids forwarding, or nothing listens at the other end."""


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_listener(port: int) -> None:
    """Fabric's forward_local returns before it listens.

    :raises ServerUnreachable: it does not open.
    """
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise ServerUnreachable(f"the forwarded port {port} did not open on this machine")
