"""The site's part of setup: its files, sent once and over nothing, and its first start."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from ... import interrupts
from ...commands import compose, docker
from ...errors import BadSettings, DeployError
from ...report.words import size
from ...server.compose import find_compose
from ...server.containers import COLOUR_LABEL, Container
from ...server.files import Comparison, compare, send
from ...settings import COLOURS, Settings
from ...site import Site
from .step import SetupStep

NAMED = 5  # files that are named before `and … more`
POLL = 0.5  # seconds


class SiteSetup:
    """What makes a ready server run this site.

    :param folder: of this machine, with the site's files; None: what is on the server counts.
    """

    def __init__(self, site: Site, folder: Path | None) -> None:
        self.site = site
        self.settings = site.settings
        self.server = site.server
        self.folder = folder
        self.names = ", ".join(self.settings.compose.files)

    @staticmethod
    def local_folder(settings: Settings, source: str) -> Path | None:
        """The folder that `--from` names.

        :raises BadSettings: there is no such folder, or no compose file in it.
        """
        if not source:
            return None
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise BadSettings(f"--from is {source!r}; allowed: a folder of this machine")
        files = settings.compose.files
        if missing := [file for file in files if not (folder / file).is_file()]:
            raise BadSettings(
                f"--from is {source!r}; allowed: a folder with the site's compose files, "
                f"{', '.join(missing)} among them (compose.files)"
            )
        return folder

    @property
    def has_files(self) -> bool:
        """Whether there is a site to start, here or on the server."""
        return self.folder is not None or self._has_compose_files()

    def steps(self) -> Sequence[SetupStep]:
        if not self.has_files:
            return ()
        return (
            SetupStep("the site's files", self._files_there, self._would_send, self._send),
            SetupStep("the site runs", self._runs, self._would_start, self._start),
        )

    # -- files ---------------------------------------------------------------------------------

    def _files_there(self) -> str:
        if not self._has_compose_files():
            return ""
        if self.folder is None:
            return f"there: {self.names}"
        found = self._compared(self.folder)
        if set(self.settings.compose.files) & set(found.different):
            return ""
        others = _counted([*found.different, *found.missing])
        return f"there: {self.names}" + (
            f"; not sent, as the site has its own: {others}" * bool(others)
        )

    def _would_send(self) -> str:
        assert self.folder
        found = self._compared(self.folder)
        if found.different:
            return f"refuse: on the server, and different: {_counted(found.different)}"
        bytes_ = sum((self.folder / name).stat().st_size for name in found.missing)
        return f"send {_counted(found.missing)}, {size(bytes_)}"

    def _send(self) -> None:
        """:raises DeployError: a file is there already, and is another one."""
        assert self.folder
        project, found = self.settings.folders.project, self._compared(self.folder)
        if found.different:
            raise DeployError(
                f"{project} on the server has other files than {self.folder}: "
                f"{_counted(found.different)}",
                state="no file was written over; what was done before it stays",
                next_command="move them away on the server, or leave --from out to use what is "
                "there",
            )
        options = self.settings.compose
        # The compose files last: where they are, the others are too.
        names = sorted(found.missing, key=lambda name: name in options.files)
        send(self.server, self.folder, project, names, private=(options.env_file,))
        self.site.console.detail(f"sent {_counted(names)}")

    def _compared(self, folder: Path) -> Comparison:
        return compare(self.server, folder, self.settings.folders.project)

    def _has_compose_files(self) -> bool:
        paths = self.settings.compose_paths
        return all(self.server.run(["test", "-e", path], check=False).ok for path in paths)

    # -- the first start -----------------------------------------------------------------------

    def _runs(self) -> str:
        needed = self._needed()
        if not needed or not all(map(_well, needed)):
            return ""
        return ", ".join(sorted(c.name for c in needed))

    def _begins(self) -> bool:
        """Whether all that it needs runs, and some of it has not said yet that it is healthy."""
        needed = self._needed()
        return bool(needed) and all(c.running and c.health != "unhealthy" for c in needed)

    def _would_start(self) -> str:
        if self._deployed():
            if self._begins():
                return "wait until it is healthy"
            return "refuse: it was deployed before, so that is the work of rollback"
        return f"start what does not run of {self.names}, and wait until healthy"

    def _start(self) -> None:
        """:raises DeployError: it cannot be started, or is not healthy in time."""
        deployed = self._deployed()
        if deployed and self._begins():
            self._wait_until_well()
            return
        if deployed:
            raise DeployError(
                "the site was deployed before and does not run whole: setup is for plain ones",
                evidence="\n".join(f"{c.name}: {c.status}" for c in self._all()),
                state="nothing of the site was touched",
                next_command="fab status; fab rollback starts it",
            )
        command = find_compose(self.server).of(self.settings)
        started = self.server.run(
            compose.up_all(command),
            timeout=self.settings.ssh.build_timeout,
            check=False,
        )
        if not started.ok:
            said = [line.strip() for line in (started.stdout + started.stderr).splitlines()]
            absent = self._absent_images(command)
            want = f" for want of {', '.join(absent)}" if absent else ""
            raise DeployError(
                f"the site cannot be started{want}: {said[-1] if said else 'no word why'}",
                evidence="\n".join(said[-8:-1]),
                state="the server is ready; the site does not run yet",
                next_command="mend what the line says (an image: log in to its registry, or "
                "docker load it), then fab setup goes on from here",
            )
        self._wait_until_well()

    def _absent_images(self, command: Sequence[str]) -> list[str]:
        """The images that the compose files name, do not build, and the server has not."""
        plain = self.server.run(compose.resolved(command), check=False)
        names = compose.images_of(plain.stdout) if plain.ok else []
        return [n for n in names if not self.server.run(docker.inspect_image(n), check=False).ok]

    def _wait_until_well(self) -> None:
        checks = [c.check.deadline for c in self._needed() if c.check]
        limit = max([self.settings.app.health_timeout, *checks])
        end = time.monotonic() + limit
        while not self._runs():
            needed = self._needed()
            ended = [c for c in needed if c.state in ("exited", "dead")]
            if not needed or ended or time.monotonic() > end:
                raise self._unwell(limit)
            interrupts.pause(POLL)

    def _unwell(self, limit: float) -> DeployError:
        needed = self._needed()
        unwell = [c for c in needed if not _well(c)]
        words = ", ".join(f"{c.name} is {c.status}" for c in unwell)
        services = {c.service for c in needed}
        absent = [name for name in self._services() if name not in services]
        words = words or f"no container of {', '.join(absent)} (compose.app, .nginx, .database)"
        logs = [f"--- {c.name}\n{self.site.containers.last_logs(c.name, 10)}" for c in unwell]
        return DeployError(
            f"the site was started, and is not healthy after up to {limit:.0f} s: {words}",
            evidence="\n".join(logs),
            state="the server is ready; the site does not run whole",
            next_command="mend what its log says, then fab setup goes on from here",
        )

    def _all(self) -> list[Container]:
        """The site's containers; none where there is no engine, or we may not use it yet."""
        with contextlib.suppress(DeployError):
            return self.site.containers.all()
        return []

    def _services(self) -> tuple[str, ...]:
        options = self.settings.compose
        return (options.app, options.nginx, options.database)

    def _needed(self) -> list[Container]:
        """What the site cannot do without; of a deployed one the colour that runs. Empty where
        one of them is not there at all."""
        app, nginx, database = self._services()
        wanted = ({app, *(f"{app}-{colour}" for colour in COLOURS)}, {nginx}, {database})
        found = []
        for names in wanted:
            there = [c for c in self._all() if c.service in names]
            if not there:
                return []
            found.append(min(there, key=lambda c: not c.running))
        return found

    def _deployed(self) -> bool:
        colours = {self.settings.app.container_of(colour) for colour in COLOURS}
        return any(c.name in colours or c.labels.get(COLOUR_LABEL) for c in self._all())


def _well(container: Container) -> bool:
    return container.running and container.health in ("", "healthy")


def _counted(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
