"""The server's part of setup: folders, log rotation, Docker and Compose, the user's group."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Sequence
from functools import partial

from ... import interrupts
from ...commands import docker, system
from ...commands.daemon import FILE, rotates, with_rotation
from ...errors import DeployError
from ...plans.deeds import writes
from ...server.apt import Apt
from ...server.compose import find_compose
from ...server.folders import read_folder
from ...server.root import Root
from ...site import Site
from .step import SetupStep

GROUP = "docker"
# apt's names, the better one first: Ubuntu has both, Debian only the second.
COMPOSE_PACKAGES = ("docker-compose-v2", "docker-compose")
ENGINE_STARTS = 60.0  # seconds
# $1 file, $2 copy of the one that is there; the new content is on standard input.
_REPLACE = """
umask 022
mkdir -p -- "$(dirname -- "$1")" && cat > "$1.new" || exit 1
if [ -e "$1" ]; then chmod --reference="$1" -- "$1.new" && cp -p -- "$1" "$2" || exit 1; fi
mv -- "$1.new" "$1"
"""
# The client, and an engine that it reaches or that could be started.
_INSTALLED = """
docker --version || exit 1
docker version > /dev/null 2>&1 || command -v dockerd > /dev/null || test -x /usr/sbin/dockerd
"""
_START = "if [ -d /run/systemd/system ]; then systemctl enable --now docker; fi"
# Where it is safe: no container is there that a restart would stop.
_RESTART = """
[ -z "$(docker ps --all --quiet)" ] && [ -d /run/systemd/system ] && systemctl restart docker
"""


class ServerSetup:
    """What any server needs before a site can be on it."""

    def __init__(self, site: Site, root: Root) -> None:
        self.site = site
        self.server = site.server
        self.root = root
        limit = site.settings.ssh.build_timeout
        self.apt = Apt(site.server, root, limit=limit, warn=site.console.warn)

    def steps(self) -> Sequence[SetupStep]:
        return (*self.folder_steps(), *self.engine_steps())

    def folder_steps(self) -> Sequence[SetupStep]:
        """The site's three folders; the lock lies in one of them."""
        folders = self.site.settings.folders
        wanted = (
            ("project folder", folders.project, ""),
            ("state folder", folders.state, "700"),
            ("backup folder", folders.backups, "700"),
        )
        return [
            SetupStep(
                name,
                already=partial(self._has_folder, path, mode),
                would=partial(self._would_make, path, mode),
                act=partial(self._make_folder, path, mode),
                root=not read_folder(self.server, path).usable,
            )
            for name, path, mode in wanted
        ]

    def engine_steps(self) -> Sequence[SetupStep]:
        """The engine's settings come before the engine, which then starts with them."""
        user = self.server.run(["id", "-un"]).text
        return (
            SetupStep(
                "log rotation for containers",
                self._rotates,
                self._would_rotate,
                self._rotate,
                root=True,
                diff=self._rotation,
            ),
            SetupStep(
                "Docker and Compose", self._has_docker, self._would_install, self._install, True
            ),
            SetupStep("the engine answers", self._answers, lambda: "start it", self._start, True),
            SetupStep(
                f"{user} in the {GROUP} group",
                already=partial(self._in_group, user),
                would=lambda: f"add {user} to the group {GROUP}",
                act=partial(self._join_group, user),
                root=True,
            ),
        )

    # -- folders -------------------------------------------------------------------------------

    def _has_folder(self, path: str, mode: str) -> str:
        found = read_folder(self.server, path)
        if not (found.exists and found.writable) or (mode and found.mode != mode):
            return ""
        return f"{path}, {found.mode}, of {found.owner}"

    def _would_make(self, path: str, mode: str) -> str:
        found = read_folder(self.server, path)
        verb = f"give the rights {mode or 755} to" if found.exists else f"make, at {mode or 755},"
        return f"{verb} {path}"

    def _make_folder(self, path: str, mode: str) -> None:
        found = read_folder(self.server, path)
        if found.usable:
            self.server.make_folders(path, mode=f"0{mode or 755}")
            self.server.run(["chmod", f"0{mode or 755}", "--", path], check=False)
        if not self._has_folder(path, mode):
            user, group = self.server.shell("id -un; id -gn").lines
            self.root.run(system.make_folder(path, mode=f"0{mode or 755}", owner=user, group=group))

    # -- the engine's settings -----------------------------------------------------------------

    def _daemon_file(self) -> str:
        """What stands in it; empty where there is none."""
        found = self.server.run(["cat", "--", FILE], check=False)
        if found.ok:
            return found.stdout
        if not self.server.run(["test", "-e", FILE], check=False).ok:
            return ""
        return self.root.run(["cat", "--", FILE]).stdout

    def _rotates(self) -> str:
        with contextlib.suppress(DeployError):
            return rotates(self._daemon_file())
        return ""

    def _would_rotate(self) -> str:
        try:
            former = self._daemon_file()
            with_rotation(former)
        except DeployError as error:
            return f"refuse: {error.reason}"
        return f"merge log-opts into {FILE}" + (" and keep a copy of it" if former else "")

    def _rotation(self) -> str:
        try:
            former = self._daemon_file()
            return writes(FILE, with_rotation(former), before=former or None).diff
        except DeployError:
            return ""  # it would be refused

    def _rotate(self) -> None:
        former = self._daemon_file()
        running = bool(self._answers())
        text = with_rotation(former)
        copy = f"{FILE}.backup-{self.site.release}"
        self.root.feed(["sh", "-c", _REPLACE, "sh", FILE, copy], io.BytesIO(text.encode()))
        if former:
            self.site.console.fact(f"the former one is kept: {copy}")
        if running and not self.root.shell(_RESTART, timeout=120, check=False).ok:
            self.site.console.warn(
                "the engine runs and was not restarted: this takes effect for containers made "
                "after its next restart (sudo systemctl restart docker)"
            )

    # -- Docker and Compose --------------------------------------------------------------------

    def _has_docker(self) -> str:
        engine = self.server.shell(_INSTALLED, check=False)
        with contextlib.suppress(DeployError):
            if engine.ok:
                return f"{engine.text}; Compose {find_compose(self.server).version}"
        return ""

    def _would_install(self) -> str:
        either = " or ".join(COMPOSE_PACKAGES)
        return f"apt-get update, then apt-get install what is missing of docker.io and {either}"

    def _install(self) -> None:
        """:raises DeployError: no apt here, apt knows no such package, or it failed."""
        self.apt.refuse_none()
        updated = self.apt.update()
        names = self._missing_packages(updated)
        if names:  # none where what a cut-off run had begun has just been finished
            self.site.console.detail(f"installing {', '.join(names)}")
            self.apt.install(names)

    def _missing_packages(self, updated: str) -> list[str]:
        """:param updated: the end of what `apt-get update` said, which fails without an error."""
        names = []
        if not self.server.shell(_INSTALLED, check=False).ok:
            # Newer releases have the engine's client in a package of its own.
            client = ["docker-cli"] if self.apt.knows("docker-cli") else []
            names += [self.apt.first_known(("docker.io",), updated), *client]
        try:
            find_compose(self.server)
        except DeployError:
            names.append(self.apt.first_known(COMPOSE_PACKAGES, updated))
        return names

    # -- the engine ----------------------------------------------------------------------------

    def _answers(self) -> str:
        argv = docker.engine_version()
        answer = self.server.run(argv, check=False)
        if not answer.ok and self.root.way:
            answer = self.root.run(argv, check=False)
        return f"version {answer.text}" if answer.ok else ""

    def _start(self) -> None:
        started = self.root.shell(_START, check=False)
        end = time.monotonic() + ENGINE_STARTS
        while not self._answers():
            if time.monotonic() > end:
                raise DeployError(
                    f"the engine does not answer {ENGINE_STARTS:.0f} s after its start",
                    evidence=started.stderr,
                    next_command="on the server: sudo journalctl -u docker -n 30",
                )
            interrupts.pause(0.5)

    def _in_group(self, user: str) -> str:
        if user == "root":
            return "root needs no group"
        groups = self.server.run(system.groups_of(user)).text.split()
        return f"{user}: {' '.join(groups)}" if GROUP in groups else ""

    def _join_group(self, user: str) -> None:
        self.root.run(system.add_to_group(user, GROUP))
