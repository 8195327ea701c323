"""Commands as root: signed in as root, or by a sudo that asks for no password."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import IO, Any

from ..errors import DeployError
from .connection import Output, Server


class Root:
    """The server's root, as far as we may be it."""

    def __init__(self, server: Server) -> None:
        self.server = server

    @cached_property
    def way(self) -> str:
        """`root`, `sudo -n`, or nothing where there is no way."""
        if self.server.run(["id", "-u"]).text == "0":
            return "root"
        return "sudo -n" if self.server.run(["sudo", "-n", "true"], check=False).ok else ""

    def refuse_none(self) -> None:
        """:raises DeployError: neither."""
        if self.way:
            return
        raise DeployError(
            f"no way to be root on {self.server}: sudo asks for a password, and the sign-in is "
            "not root's",
            state="nothing was changed",
            next_command="fab -H root@HOST setup; or, on the server as root: "
            f"echo '{self.server.connection.user} ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/deploy",
        )

    def run(self, argv: Sequence[str], **options: Any) -> Output:
        """As `Server.run`.

        :raises DeployError: there is no way to be root.
        """
        return self.server.run(self._prefixed(argv), **options)

    def shell(self, script: str, *arguments: str, **options: Any) -> Output:
        """As `Server.shell`: values are arguments."""
        return self.run(["sh", "-c", script, "sh", *arguments], **options)

    def feed(self, argv: Sequence[str], data: IO[bytes]) -> Output:
        """As `Server.feed`."""
        return self.server.feed(self._prefixed(argv), data)

    def _prefixed(self, argv: Sequence[str]) -> list[str]:
        self.refuse_none()
        return [*argv] if self.way == "root" else ["sudo", "-n", *argv]
