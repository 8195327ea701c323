"""Who listens on a port of the server's loopback."""

from __future__ import annotations

from .connection import Server

_READ = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true"
_LISTENS = "0A"
# Addresses as the kernel prints them, in its own byte order, that a listener on 127.0.0.1 meets:
# 127.0.0.1, 0.0.0.0, ::, and 127.0.0.1 as an IPv6 address.
_MET = {
    "0100007F",
    "00000000",
    "0" * 32,
    "0000000000000000FFFF00000100007F",
}


def listening(server: Server) -> set[int]:
    """The ports that cannot be listened on at 127.0.0.1, because somebody does."""
    return taken(server.shell(_READ).stdout)


def taken(table: str) -> set[int]:
    """The same of the kernel's table, as /proc/net/tcp has it."""
    ports = set()
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTENS:
            address, _, port = fields[1].partition(":")
            if address in _MET:
                ports.add(int(port, 16))
    return ports
