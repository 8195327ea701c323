"""The other end of one SSH session: run, stream, write, read, forward.

Fabric's own connection, with host keys checked, small commands without Nagle's delay, and a time
limit for every command on both ends.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, TypeVar

import paramiko
from fabric import Connection
from invoke.exceptions import CommandTimedOut

from .. import interrupts, quick_start
from ..commands.docker import may_change_containers
from ..errors import (
    CommandFailed,
    ConnectionLost,
    DeployError,
    HostKeyRefused,
    Interrupted,
    ServerUnreachable,
    SignInRefused,
)
from ..report.console import Console
from ..report.words import size
from ..settings import Settings
from .forwarding import forwarded
from .runner import Listener
from .session import prepared, refuse_unknown_name, sign_in
from .transcript import Entry

# What the engine says when `docker exec` did not come to start the program at all.
NOT_BEGUN = "OCI runtime exec failed"
Done = TypeVar("Done")
AGAIN = (1.0, 3.0)  # seconds between the tries to sign in again, once there was a session


@dataclass(frozen=True)
class Output:
    """What a command on the server printed, and its exit code."""

    stdout: str
    stderr: str
    exit_code: int

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def text(self) -> str:
        """Standard output without its last newline."""
        return self.stdout.rstrip("\n")

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


class Server:
    """One server over one SSH session.

    :param settings: the site's settings.
    :param connection: Fabric's connection from `-H`; without it `ssh.host` is used.
    :param console: whose full log has all that is sent, and what came of it.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection | None = None,
        console: Console | None = None,
    ) -> None:
        self.settings = settings
        self.console = console or Console()
        self.connection = prepared(settings.ssh, connection, self.open)
        self._given = connection is not None
        self._guard = threading.Lock()
        self._was_open = False
        self._sftp: paramiko.SFTPClient | None = None
        self._ahead: float | None = None  # seconds that the server's clock is ahead of ours
        self.changes = 0  # how many commands were sent that may have changed a container

    def __str__(self) -> str:
        c = self.connection
        return f"{c.user}@{c.host}" + ("" if c.port == 22 else f":{c.port}")

    # -- the session ---------------------------------------------------------------------------

    def look_up(self) -> None:
        """See that the server's name resolves, before anything is contacted.

        :raises BadSettings: it does not.
        """
        refuse_unknown_name(self.connection, self.settings.ssh, given=self._given)

    def open(self) -> None:
        """Connect and sign in, if that has not happened yet; after a loss, patiently.

        :raises ServerUnreachable: one line that says which of name, network, key or sign-in.
        """
        with self.connection.turn:
            if not self.connection.is_connected:
                self._sign_in()

    def _sign_in(self) -> None:
        quick_start.end()
        self.console.note(f"      connecting to {self}", begins=True)
        for pause in AGAIN if self._was_open else ():
            try:
                sign_in(self.connection, str(self))
                return
            except (HostKeyRefused, SignInRefused):
                raise
            except ServerUnreachable:  # a network that goes once may go twice
                self.close()
                interrupts.pause(pause)
        self._was_open = False  # the tries after this one do not wait again
        sign_in(self.connection, str(self))
        self._was_open = True

    def close(self) -> None:
        """End the session; safe to call twice."""
        self._sftp = None
        with contextlib.suppress(Exception):
            self.connection.close()

    @contextlib.contextmanager
    def _explaining(self, what: str) -> Iterator[None]:
        self.open()
        transport = self.connection.transport
        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            if self._refused(error):
                raise DeployError(f"{what} failed on {self}", evidence=str(error)) from None
            self.connection.close_if_still(transport)  # else whoever is next would go on with it
            raise ConnectionLost(
                f"the connection to {self} was lost during: {what}",
                evidence=f"{type(error).__name__}: {error}",
                state="unknown from here; the site goes on by itself",
                next_command="once the network is back: fab status",
            ) from None

    def _refused(self, error: Exception) -> bool:
        """Whether the session lives and the server refused, for instance for want of disk."""
        gone = isinstance(error, TimeoutError) or "closed" in str(error)
        return isinstance(error, OSError) and self.connection.is_connected and not gone

    # -- commands ------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float | None = None,
        check: bool = True,
        on_text: Callable[[str], None] | None = None,
        tries: int = 3,
    ) -> Output:
        """Run one command and wait for it.

        :param argv: the command, an argument a string; quoted here and nowhere else.
        :param timeout: seconds; the server ends the command itself. Default: ssh.command_timeout.
        :param check: raise when the exit code is not 0.
        :param on_text: called with each piece of output as it comes (both streams). For the long
            commands: Ctrl-C ends them; any other is finished first.
        :param tries: how often a command is sent that the engine could not even begin.
        :raises CommandFailed: the exit code was not 0, and `check`.
        :raises ServerUnreachable: the connection is gone.
        """
        limit = timeout or self.settings.ssh.command_timeout
        command = shlex.join(argv)
        # </dev/null: a remote command that reads standard input would wait for ever.
        line = shlex.join(["timeout", "-k", "5", f"{limit:g}", *argv]) + " </dev/null"
        interrupts.check()
        self.open()
        options = {"hide": True, "warn": True, "in_stream": False, "encoding": "utf-8"}
        changes = may_change_containers(argv)
        self.changes += changes
        with Entry(self.console, argv) as entry, self._explaining(command):
            try:
                if on_text:
                    result = self._listen(line, Listener(entry.hear, on_text), options)
                else:
                    result = self.connection.run(line, timeout=int(limit) + 15, **options)
            except CommandTimedOut:
                raise CommandFailed(command, 124, "no answer from the server") from None
            output = Output(result.stdout, result.stderr, ended(result.exited))
            entry.ended(output)
        self.changes += changes  # again: who has read it meanwhile, has read too early
        interrupts.check()
        if output.exit_code == 126 and NOT_BEGUN in output.stdout + output.stderr and tries > 1:
            time.sleep(0.5)
            return self.run(argv, timeout=timeout, check=check, on_text=on_text, tries=tries - 1)
        if check and not output.ok:
            raise CommandFailed(command, output.exit_code, output.stdout + output.stderr)
        return output

    def _listen(self, line: str, listener: Listener, options: dict[str, Any]) -> Any:
        """Run a command that shows its output; its channel is closed when a signal comes."""
        promise = self.connection.run(
            line, asynchronous=True, out_stream=listener, err_stream=listener, **options
        )
        try:
            while not promise.runner.process_is_finished:
                interrupts.pause(0.05)
        except Interrupted:
            promise.runner.kill()  # what prints to a closed channel ends
            raise
        return promise.join()

    def now(self) -> str:
        """The server's time in UTC, to the second, as ISO 8601: its logs are read by it."""
        there = datetime.fromtimestamp(time.time() + self.clock_ahead(), timezone.utc)
        return there.strftime("%Y-%m-%dT%H:%M:%SZ")

    def clock_ahead(self) -> float:
        """Seconds that the server's clock is ahead of this machine's; read once."""
        if self._ahead is None:
            self.open()
            before = time.time()
            there = float(self.run(["date", "+%s.%N"]).text)
            self._ahead = there - (before + time.time()) / 2
        return self._ahead

    def shell(self, script: str, *arguments: str, **options: Any) -> Output:
        """Run a fixed `sh` script; values are its arguments `$1`, `$2`, never part of its text."""
        return self.run(["sh", "-c", script, "sh", *arguments], **options)

    def channel(
        self, argv: Sequence[str], *, terminal: tuple[int, int] | None = None
    ) -> paramiko.Channel:
        """Start a command on a raw channel, for bulk data or a dialogue; the caller closes it.

        :param terminal: columns and lines of a pty, for a person: what runs there is ended when
            the channel is closed; None: no pty.
        """
        self.console.note(f"      $ {shlex.join(argv)} (a dialogue)", begins=True)
        return self._begun(argv, terminal)

    def _begun(
        self, argv: Sequence[str], terminal: tuple[int, int] | None = None
    ) -> paramiko.Channel:
        self.open()
        with self._explaining(shlex.join(argv)):
            channel = self.connection.create_session()
            if terminal:
                width, height = terminal
                channel.get_pty(os.environ.get("TERM") or "xterm", width, height)
            channel.exec_command(shlex.join(argv))
        return channel

    def feed(
        self,
        argv: Sequence[str],
        data: IO[bytes],
        *,
        on_bytes: Callable[[int], None] | None = None,
    ) -> Output:
        """Run a command with `data` on its standard input, at the network's speed.

        :param on_bytes: called with the number of bytes sent so far.
        :raises CommandFailed: the exit code was not 0.
        """
        sent = 0
        with (
            Entry(self.console, argv) as entry,
            self._explaining(shlex.join(argv)),
            self._begun(argv) as channel,
        ):
            try:
                while chunk := data.read(256 * 1024):
                    channel.sendall(chunk)
                    sent += len(chunk)
                    if on_bytes:
                        on_bytes(sent)
                    interrupts.check()
            except OSError:
                if not channel.exit_status_ready():
                    raise
            channel.shutdown_write()
            stdout = channel.makefile("rb").read()
            stderr = channel.makefile_stderr("rb").read()
            exit_code = ended(channel.recv_exit_status())
            output = Output(
                stdout.decode(errors="replace"), stderr.decode(errors="replace"), exit_code
            )
            entry.ended(output, sent=sent)
        if not output.ok:
            raise CommandFailed(shlex.join(argv), exit_code, output.stdout + output.stderr)
        return output

    # -- files ---------------------------------------------------------------------------------

    @property
    def sftp(self) -> paramiko.SFTPClient:
        """The session's SFTP client."""
        self.open()
        channel = self._sftp.get_channel() if self._sftp else None
        if channel is None or channel.closed:  # closed: the connection was lost and is new
            with self._explaining("opening SFTP"):
                self._sftp = self.connection.begin(paramiko.Transport.open_sftp_client)
        assert self._sftp is not None
        return self._sftp

    def _files(self, what: str, act: Callable[[paramiko.SFTPClient], Done]) -> Done:
        """Do something with files that may be done twice: so it is, where the session was gone."""
        with self._guard:
            try:
                with self._explaining(what):
                    return act(self.sftp)
            except ConnectionLost:
                with self._explaining(what):
                    return act(self.sftp)

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file whole or not at all: beside, then renamed over.

        :param mode: the file's permission bits.
        """
        data = content.encode() if isinstance(content, str) else content
        beside = f"{path}.{os.getpid()}.new"
        self.console.note(f"      write {path}: {size(len(data))}, mode {mode:04o}", begins=True)

        def write(sftp: paramiko.SFTPClient) -> None:
            try:
                with contextlib.suppress(FileNotFoundError):
                    sftp.remove(beside)
                with sftp.open(beside, "wx") as handle:
                    sftp.chmod(beside, mode)
                    handle.write(data)
                sftp.posix_rename(beside, path)
            except PermissionError:
                raise DeployError(f"no right to write {path} on {self}") from None
            except FileNotFoundError:
                raise DeployError(f"no such folder on {self}: {posixpath.dirname(path)}") from None

        self._files(f"writing {path}", write)

    def upload(self, local: Path, path: str) -> None:
        """Send a file whole or not at all; the console shows how far it has come."""
        beside, total = f"{path}.{os.getpid()}.new", local.stat().st_size
        self.console.note(f"      upload {path}: {size(total)}", begins=True)

        def upload(sftp: paramiko.SFTPClient) -> None:
            with self.console.transfer(f"sent {local.name}", total) as seen:
                sftp.put(str(local), beside, callback=lambda done, _: seen(done))
            sftp.posix_rename(beside, path)

        self._files(f"uploading {local.name}", upload)

    def read(self, path: str) -> str | None:
        """A text file's content; None where there is none."""
        self.console.note(f"      read {path}", begins=True)

        def read(sftp: paramiko.SFTPClient) -> str | None:
            try:
                with sftp.open(path, "r") as handle:
                    handle.prefetch()
                    return handle.read().decode(errors="replace")
            except FileNotFoundError:
                return None
            except PermissionError:
                raise DeployError(f"no right to read {path} on {self}") from None

        return self._files(f"reading {path}", read)

    def make_folders(self, *paths: str, mode: str = "0755") -> None:
        """`mkdir -p`, with the permission bits for the last part."""
        self.run(["mkdir", "-p", "-m", mode, "--", *paths])

    # -- forwarding ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def forward(self, host: str, port: int) -> Iterator[int]:
        """A loopback port on this machine that leads to `host:port` as the server sees it.

        :returns: the local port.
        :raises ForwardingRefused: the server forbids it, or nothing listens there.
        """
        self.open()
        with contextlib.ExitStack() as stack:
            with self._explaining(f"forwarding to {host}:{port}"):
                local = self.connection.begin(
                    lambda transport: stack.enter_context(forwarded(transport, host, port))
                )
            yield local


def ended(exit_code: int) -> int:
    """A command's exit code; paramiko gives -1 where the channel was closed before there was one.

    :raises EOFError: so it was. What has come of its output is no answer: an empty list of
        containers would be read as a site without any.
    """
    if exit_code < 0:
        raise EOFError("it was cut off before its end")
    return exit_code
