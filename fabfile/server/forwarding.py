"""Ports on this machine that lead to the server's side of the connection.

Not Fabric's forward_local: it selects on the channel's pipe, and a channel that is closed just as
data arrives then ends the whole SSH session with "Bad file descriptor" (paramiko#2271, open);
here after some fifty connections. Threads that simply read have no such pipe.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import paramiko

from ..errors import DeployError

CHUNK = 64 * 1024  # bytes
OPEN_LIMIT = 10  # seconds


class ForwardingRefused(DeployError):
    """The server forbids forwarding, or nothing listens at the other end."""


@contextlib.contextmanager
def forwarded(transport: paramiko.Transport, host: str, port: int) -> Iterator[int]:
    """A loopback port that leads to `host:port` as the server sees it.

    :returns: the local port; any number of connections may use it.
    :raises ForwardingRefused: the server forbids it, or nothing listens there.
    """
    try:  # once before anybody waits for it: a refusal comes at once
        _open(transport, (host, port), ("127.0.0.1", 0)).close()
    except paramiko.ChannelException as error:
        raise ForwardingRefused(f"the server opens no way to {host}:{port}: {error.text}") from None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = (listener, transport, (host, port))
        threading.Thread(target=_accept, args=arguments, daemon=True, name="forward").start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept


def _open(
    transport: paramiko.Transport, there: tuple[str, int], here: tuple[str, int]
) -> paramiko.Channel:
    return transport.open_channel("direct-tcpip", there, here, timeout=OPEN_LIMIT)


def _accept(listener: socket.socket, transport: paramiko.Transport, there: tuple[str, int]) -> None:
    while True:
        try:
            client, address = listener.accept()
        except OSError:
            return  # the listener is closed: nobody needs the port any more
        try:
            channel = _open(transport, there, address)
        except (paramiko.SSHException, EOFError, OSError):
            client.close()  # whoever connected meets a reset, and explains it
            continue
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_carry, args=(client, channel), daemon=True).start()


def _carry(client: socket.socket, channel: paramiko.Channel) -> None:
    """Both directions of one connection, until both have ended."""
    outward = threading.Thread(target=_outward, args=(client, channel), daemon=True)
    outward.start()
    with contextlib.suppress(OSError, EOFError):
        while data := channel.recv(CHUNK):
            client.sendall(data)
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)  # the server's side is done; wakes the other thread
    outward.join()
    client.close()
    with contextlib.suppress(OSError, EOFError):  # the session may have gone
        channel.close()


def _outward(client: socket.socket, channel: paramiko.Channel) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := client.recv(CHUNK):
            channel.sendall(data)
    with contextlib.suppress(OSError, EOFError):
        channel.shutdown_write()
