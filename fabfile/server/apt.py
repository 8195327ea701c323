"""Packages of a Debian or Ubuntu server, as root."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from .. import interrupts
from ..commands import system
from ..errors import DeployError
from .connection import Server
from .root import Root

# What apt and dpkg say while another one is at work; apt itself waits for one of its locks only.
BUSY = re.compile(r"could not get lock|unable to lock|(?:is|was) locked by", re.IGNORECASE)
BUSY_LIMIT = 300.0  # seconds
SHOWN = 12  # lines of its output when it fails


class Apt:
    """What apt knows, and installing it.

    :param limit: seconds for one command.
    :param warn: takes a line that a person should read.
    """

    def __init__(
        self, server: Server, root: Root, *, limit: float, warn: Callable[[str], None]
    ) -> None:
        self.server = server
        self.root = root
        self.limit = limit
        self.warn = warn

    def refuse_none(self) -> None:
        """:raises DeployError: the server has no apt."""
        if not self.server.run(["sh", "-c", "command -v apt-get"], check=False).ok:
            raise DeployError(
                f"no apt-get on {self.server}: setup is for Debian and Ubuntu",
                next_command="install Docker and Compose by hand, then fab setup does the rest",
            )

    def update(self) -> str:
        """Finish what was cut off, and read the lists anew; answers the end of what it says.

        :raises DeployError: it failed. An archive that does not answer is no failure to apt.
        """
        self._run(system.finish_packages())
        return self._run(system.update_packages())

    def install(self, names: Sequence[str]) -> None:
        """:raises DeployError: it failed; its last lines are the evidence."""
        self._run(system.install_packages(names))

    def knows(self, package: str) -> bool:
        """Whether there is something to install by that name."""
        answer = self.server.run(system.package_candidate(package), check=False).stdout
        return "Candidate:" in answer and "Candidate: (none)" not in answer

    def first_known(self, packages: Sequence[str], updated: str) -> str:
        """The first of these that apt knows.

        :param updated: what `update` answered: why it may know none.
        :raises DeployError: it knows none.
        """
        for package in packages:
            if self.knows(package):
                return package
        raise DeployError(
            f"apt on {self.server} knows no {' and no '.join(packages)}",
            evidence=updated,
            state="what was done before it stays; no site was touched",
            next_command="look at its sources: /etc/apt/sources.list (Ubuntu: universe)",
        )

    def _run(self, argv: list[str]) -> str:
        """Not to be interrupted half way. Another one at work, as unattended upgrades on a new
        server, is waited for."""
        end, told = time.monotonic() + BUSY_LIMIT, False
        while True:
            done = self.root.run(argv, timeout=self.limit, check=False)
            said = "\n".join((done.stdout + done.stderr).splitlines()[-SHOWN:])
            if done.ok:
                return said
            if not BUSY.search(said) or time.monotonic() > end:
                raise self._failure(argv, done.exit_code, said)
            if not told:
                self.warn("another apt or dpkg is at work on the server: waiting")
                told = True
            interrupts.pause(2)

    def _failure(self, argv: Sequence[str], exit_code: int, said: str) -> DeployError:
        words = " ".join(word for word in argv if "=" not in word and word != "env")
        return DeployError(
            f"on the server, exit code {exit_code}: {words}",
            evidence=said,
            state="what was done before it stays; no site was touched",
            next_command="mend what apt says, then fab setup goes on from here",
        )
