"""One SSH session: how it is prepared, and what its failures mean."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

import paramiko
from fabric import Connection
from fabric.config import Config

from ..errors import HostKeyRefused, ServerUnreachable, SignInRefused
from ..settings import Ssh
from .host_keys import check_host_keys
from .runner import QuickRunner


def prepared(ssh: Ssh, given: Connection | None) -> Connection:
    """A connection of our own, not opened yet.

    :param given: Fabric's, from `-H`; without it `ssh.host` is used.
    """
    config = Config()  # a config of its own: connections that share one leak keys
    config.runners.remote = QuickRunner
    kwargs: dict[str, Any] = dict(given.connect_kwargs) if given is not None else {}
    if ssh.key_file and not kwargs.get("key_filename"):
        kwargs["key_filename"] = str(Path(ssh.key_file).expanduser())
        kwargs["look_for_keys"] = False
    kwargs.setdefault("banner_timeout", ssh.connect_timeout)
    kwargs.setdefault("auth_timeout", ssh.connect_timeout)
    kwargs.setdefault("channel_timeout", ssh.connect_timeout)  # paramiko's own is an hour
    connection = Connection(
        host=given.original_host if given is not None else ssh.host,
        user=given.user if given is not None else None,
        port=given.port if given is not None else None,
        gateway=given.gateway if given is not None else None,
        config=config,
        connect_timeout=int(ssh.connect_timeout),
        connect_kwargs=kwargs,
    )
    hop: Any = connection
    while isinstance(hop, Connection):
        check_host_keys(hop.client, ssh)
        hop = hop.gateway
    return connection


def sign_in(connection: Connection, host: str) -> None:
    """Open the connection.

    :param host: the server's name in messages.
    :raises ServerUnreachable: one line that says which of name, network, key or sign-in.
    """
    state = "nothing was sent; the site is as it was"
    try:
        connection.open()
    except ServerUnreachable:
        raise
    except paramiko.BadHostKeyException as error:
        raise HostKeyRefused(
            f"the host key of {host} has CHANGED: {error.key.get_name()}",
            evidence=str(error),
            state=state,
            next_command="find out why (a new server? someone in between?), then: "
            f"ssh-keygen -R '[{connection.host}]:{connection.port}'",
        ) from None
    except paramiko.PasswordRequiredException:
        raise SignInRefused(
            f"the key for {host} needs its passphrase",
            state=state,
            next_command="ssh-add the key, or: fab --prompt-for-passphrase …",
        ) from None
    except paramiko.AuthenticationException as error:
        raise SignInRefused(
            f"{host} refused the sign-in: {error}",
            state=state,
            next_command="set ssh.key_file, or: fab -i ~/.ssh/KEY -H … ; ssh-add -l lists keys",
        ) from None
    except FileNotFoundError as error:
        raise SignInRefused(
            f"no such key file: {error.filename}",
            state=state,
            next_command="set ssh.key_file, or: fab -i ~/.ssh/KEY -H …",
        ) from None
    except socket.gaierror as error:
        raise ServerUnreachable(
            f"the name of {host} does not resolve: {error.strerror}", state=state
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise ServerUnreachable(f"cannot connect to {host}: {error}", state=state) from None
    transport = connection.transport
    transport.set_keepalive(15)
    with contextlib.suppress(OSError, AttributeError):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
