"""One SSH session: how it is prepared, and what its failures mean."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import paramiko
from fabric import Connection
from fabric.config import Config

from ..errors import BadSettings, HostKeyRefused, ServerUnreachable, SignInRefused, WrongSetting
from ..settings import Ssh
from .host_keys import check_host_keys
from .keys import refuse_unusable_keys
from .runner import QuickRunner

Opened = TypeVar("Opened")

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # we say it in our own words


class Session(Connection):  # type: ignore[misc]  # fabric has no types
    """Fabric's connection for several threads: while one signs in, the others wait for it.

    Two that sign in at once do it over each other: one of them then speaks on a session that the
    server has not let in yet, which ends it.

    :param ensure_open: signs in where there is no session, or none any more.
    """

    def __init__(self, *arguments: Any, ensure_open: Callable[[], None], **options: Any) -> None:
        # Fabric's own way round its settings by attribute
        self._set(turn=threading.RLock(), ensure_open=ensure_open)
        super().__init__(*arguments, **options)

    def open(self) -> Any:
        with self.turn:
            return super().open()

    def create_session(self) -> paramiko.Channel:
        """A channel for one command; Fabric's runner asks for it."""
        ask = super().create_session  # which speaks to whatever session there is
        return self.begin(lambda _: cast("paramiko.Channel", ask()))

    def begin(self, opened: Callable[[paramiko.Transport], Opened]) -> Opened:
        """Open something on the session, and on a new one where it turns out to be gone.

        A router that has forgotten a connection tells neither end of it. Until a channel is open
        nothing has been sent, so nothing can happen twice.

        :raises paramiko.ChannelException: the server refuses the channel.
        :raises ServerUnreachable: there is no new session either.
        """
        self.ensure_open()
        transport = self.transport
        try:
            return opened(transport)
        except paramiko.ChannelException:
            raise
        except (paramiko.SSHException, EOFError, OSError):
            self.close_if_still(transport)
            self.ensure_open()
            return opened(self.transport)

    def close_if_still(self, transport: paramiko.Transport | None) -> None:
        """End the session, unless another thread has opened a new one since."""
        with self.turn:
            if self.transport is transport:
                self.close()


def prepared(ssh: Ssh, given: Connection | None, ensure_open: Callable[[], None]) -> Session:
    """A connection of our own, not opened yet.

    :param given: Fabric's, from `-H`; without it `ssh.host` is used.
    :param ensure_open: as in `Session`.
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
    connection = Session(
        ensure_open=ensure_open,
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
    refuse_unusable_keys(
        ssh, connection.connect_kwargs, connection.ssh_config.get("identityfile", [])
    )
    return connection


def refuse_unknown_name(connection: Connection, ssh: Ssh, *, given: bool) -> None:
    """See that the name of the server, or of the first hop to it, resolves.

    :param given: the name came from `-H`.
    :raises BadSettings: it does not.
    """
    hop: Any = connection
    while isinstance(hop.gateway, Connection):
        hop = hop.gateway
    if hop.gateway:
        return  # a ProxyCommand finds the server in its own way
    try:
        socket.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        found = f"{hop.host} does not resolve ({getattr(error, 'strerror', 'no name of a host')})"
        allowed = "user@host:port of a server that this machine can find"
        state = "nothing was contacted; the site is as it was"
        if given:
            name = connection.original_host
            raise BadSettings(f"-H is {name!r}: {found}; allowed: {allowed}", state=state) from None
        raise WrongSetting("ssh.host", ssh.host, allowed, found=found, state=state) from None


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
        raise ServerUnreachable(
            f"cannot connect to {host}: {_instead_of_a_greeting(connection, error) or error}",
            state=state,
        ) from None
    transport = connection.transport
    transport.set_keepalive(15)
    with contextlib.suppress(OSError, AttributeError):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _instead_of_a_greeting(connection: Connection, error: Exception) -> str:
    """What a server says where its SSH greeting should stand: paramiko does not tell.

    An sshd from 9.8 on bans an address for a while after some failed or broken sign-ins.
    """
    if connection.gateway or "protocol banner" not in str(error):
        return ""
    try:
        with socket.create_connection((connection.host, connection.port), 1) as server:
            server.settimeout(1)
            said = server.recv(80).decode(errors="replace").strip()
    except OSError:
        return ""
    return "" if not said or said.startswith("SSH-") else f"it only says {said!r}; try again later"
