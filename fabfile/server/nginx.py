"""nginx on the server: its configuration is tested where it will run, kept, put in place, proved.

The order is the one in docs/design.md. `nginx -s reload` exits 0 before anything has happened, so
the proof is the answer that visitors get; that belongs to the caller.
"""

from __future__ import annotations

import hashlib
import posixpath
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .. import interrupts
from ..commands import docker
from ..commands.nginx import Version, parse_version
from ..errors import CommandFailed, DeployError
from ..settings import Settings
from .connection import Output, Server
from .containers import Container, Containers

LEAVING = "worker process is shutting down"

# $1 target, $2 candidate. A single-file mount holds the inode: it must be written in place.
_IN_PLACE = 'cat "$2" > "$1" && sync "$1"'
# One backup copy under the guide's name, so that its `cp …/nginx.conf.backup-* …` has one source.
# $1 config, $2 stamp.
_KEEP = """
for old in "$1".backup-*; do
  if [ -e "$old" ] && [ "$old" != "$1.backup-$2" ]; then rm -f -- "$old"; fi
done
cp -p -- "$1" "$1.backup-$2"
"""


@dataclass(frozen=True)
class ConfigFile:
    """Where the configuration lies on the server, and how the container sees it."""

    host_path: str
    single_file: bool


class Nginx:
    """The site's nginx container and its configuration."""

    def __init__(self, server: Server, settings: Settings, containers: Containers) -> None:
        self.server = server
        self.settings = settings
        self.containers = containers
        self._version: Version | None = None

    @property
    def container(self) -> Container:
        """The nginx container, read anew."""
        return self.containers.service(self.settings.compose.nginx)

    @property
    def version(self) -> Version:
        """Of the nginx in the container."""
        if self._version is None:
            output = self._inside(self.container, ["nginx", "-v"])
            self._version = parse_version(output.stdout + output.stderr)
        return self._version

    def config_file(self) -> ConfigFile:
        """Find the configuration's file on the server from the container's mounts.

        :raises DeployError: it is not mounted (it is part of the image).
        """
        inside = self.settings.nginx.config
        for mount in self.container.mounts:
            if mount.target == inside:
                return ConfigFile(mount.source, single_file=True)
        for mount in self.container.mounts:
            relative = posixpath.relpath(inside, mount.target)
            if not relative.startswith(".."):
                return ConfigFile(posixpath.join(mount.source, relative), single_file=False)
        raise DeployError(
            f"{inside} is not mounted into {self.container.name}: it is part of its image",
            state="nothing was touched",
            next_command=f"mount it in {self.settings.compose.file}: "
            f"volumes: [./nginx/nginx.conf:{inside}:ro]",
        )

    def read(self) -> str:
        """The configuration that lies in place.

        :raises DeployError: it is missing or unreadable.
        """
        path = self.config_file().host_path
        text = self.server.read(path)
        if text is None:
            raise DeployError(f"nginx's configuration is missing on the server: {path}")
        return text

    def dump(self) -> str:
        """The whole configuration that lies in place, with all that it includes, tested.

        :raises DeployError: it is not valid; with nginx's own words.
        """
        try:
            return self._inside(self.container, ["nginx", "-T"]).stdout
        except CommandFailed as error:
            raise _refusal(error) from None

    def test_candidate(self, text: str) -> str:
        """Test a configuration inside the container, beside the one in use.

        Beside it, because relative includes start from the configuration's own folder.

        :returns: path of the candidate on the server.
        :raises DeployError: with nginx's own words.
        """
        folder = f"{self.settings.folders.state}/nginx"
        self.server.make_folders(folder, mode="0700")
        candidate, inside = f"{folder}/candidate.conf", f"{self.settings.nginx.config}.candidate"
        self.server.write(candidate, text)
        container = self.container
        if not container.running:
            self._test(container, "-c", inside, mounts={candidate: inside})
            return candidate
        self.server.run(docker.copy_into(candidate, container.name, inside))
        try:
            self._test(container, "-c", inside)
        finally:
            self.server.run(docker.execute(container.name, ["rm", "-f", inside]), check=False)
        return candidate

    def put_in_place(self, text: str, keep_as: str = "") -> None:
        """Test a configuration, keep the old one, put the new one in place, and test again.

        Nothing is reloaded. When the second test fails, the old one is put back.

        :param keep_as: stamp of the kept copy, `nginx.conf.backup-<stamp>`; empty: the copy that
            is there stays, because the old one is not worth going back to.
        :raises DeployError: the configuration is not valid; the old one is in place.
        """
        candidate = self.test_candidate(text)
        old = self.read()
        file = self.config_file()
        if keep_as:
            self.server.shell(_KEEP, file.host_path, keep_as)
        try:
            self._place(file, candidate, text)
            self._refuse_unseen(file, text)
            self._test(self.container)
        except DeployError:
            with interrupts.masked():
                self.server.write(candidate, old)
                self._place(file, candidate, old)
            raise

    def reload(self) -> None:
        """Ask the master to take the configuration; it says nothing of whether it did.

        A container that does not run, or restarts again and again, is started on it.
        """
        container = self.container
        if container.running:
            self.server.run(docker.execute(container.name, ["nginx", "-s", "reload"]))
        else:
            self.server.run(docker.restart(container.name))

    def leaving_workers(self) -> int:
        """How many old workers still finish what they have."""
        container = self.container
        if not container.running:
            return 0
        lines = self.server.run(docker.processes(container.name)).lines
        return sum(LEAVING in line for line in lines)

    def wait_until_drained(self, seconds: float) -> bool:
        """Wait until every old worker has left; False when some have not in time."""
        end = time.monotonic() + seconds
        while self.leaving_workers():
            if time.monotonic() > end:
                return False
            interrupts.pause(0.2)
        return True

    def errors_since(self, since: str) -> str:
        """nginx's own error lines since a time, the last few."""
        output = self.server.run(docker.logs(self.container.name, since=since), check=False)
        words = ("[emerg]", "[alert]", "[crit]", "[error]")
        lines = [line for line in output.stderr.splitlines() if any(w in line for w in words)]
        return "\n".join(lines[-10:])

    def _place(self, file: ConfigFile, candidate: str, text: str) -> None:
        if file.single_file:
            self.server.shell(_IN_PLACE, file.host_path, candidate)
        else:
            self.server.write(file.host_path, text)

    def _refuse_unseen(self, file: ConfigFile, text: str) -> None:
        wanted = hashlib.sha256(text.encode()).hexdigest()
        digest = ["sha256sum", self.settings.nginx.config]
        seen = self._inside(self.container, digest).text.split()[0]
        if seen != wanted:
            raise DeployError(
                f"{file.host_path} was written, but {self.container.name} still sees another file",
                evidence="a single-file mount whose file was replaced shows the old one until "
                "the container is recreated",
                next_command=f"write the file in place, or recreate {self.container.name} once",
            )

    def _test(
        self, container: Container, *options: str, mounts: Mapping[str, str] | None = None
    ) -> None:
        try:
            self._inside(container, ["nginx", "-t", *options], mounts or {})
        except CommandFailed as error:
            raise _refusal(error) from None

    def _inside(
        self, container: Container, argv: list[str], mounts: Mapping[str, str] | None = None
    ) -> Output:
        """Run a program in nginx's container; where that does not run, in one just like it.

        :param container: nginx's, read once, so that one that comes and goes is one or the other.
        :param mounts: files of the server by their path inside, for the one just like it.
        """
        if container.running:
            return self.server.run(docker.execute(container.name, argv))
        return self.server.run(
            docker.run_like(
                container.name,
                image=container.image_id,
                network=next(iter(container.addresses), "none"),
                argv=argv,
                mounts=mounts or {},
            )
        )


def _refusal(error: CommandFailed) -> DeployError:
    if "nginx:" not in error.output:
        return error  # it is not nginx who refuses
    return DeployError("nginx refuses the configuration", evidence=error.output)
