"""nginx on the server: its configuration is tested where it will run, kept, put in place, proved.

The order is the one in docs/design.md. `nginx -s reload` exits 0 before anything has happened, so
the proof is the answer that visitors get; that belongs to the caller.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from .. import interrupts
from ..commands import docker, nginx_files
from ..commands.nginx import Version, names_of_the_app, parse_version
from ..commands.nginx_upstream import NoUpstream, hosts_in, join, refuse_strange, split
from ..errors import CommandFailed, DeployError
from ..settings import Settings
from .connection import Output, Server
from .containers import Container, Containers

LEAVING = "worker process is shutting down"

# Tests a configuration that is not the main file: in a copy of the whole folder beside it.
# $1 the main file, $2 the file that is to be replaced, $3 the candidate; all inside.
_IN_A_COPY = """
set -eu
umask 077
folder=$(dirname "$1")
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -rL "$folder/." "$copy/" || true  # a link that leads nowhere
cat "$3" > "$copy/${2#"$folder/"}"
include='^\\([[:space:]]*include[[:space:]][[:space:]]*\\)'
find "$copy" -type f -name '*.conf' -exec sed -i "s#$include$folder/#\\1$copy/#" {} +
nginx -t -c "$copy/$(basename "$1")"
"""


@dataclass(frozen=True)
class ConfigFile:
    """Where the configuration lies on the server, and how the container sees it."""

    host_path: str
    inside: str
    single_file: bool

    @property
    def block(self) -> ConfigFile:
        """Our block as a file of its own; the dot keeps it out of an `include` of the folder."""
        folders = map(posixpath.dirname, (self.host_path, self.inside))
        host_path, inside = (posixpath.join(folder, ".deploy-upstream") for folder in folders)
        return ConfigFile(host_path, inside, single_file=False)


class Nginx:
    """The site's nginx container and its configuration."""

    def __init__(self, server: Server, settings: Settings, containers: Containers) -> None:
        self.server = server
        self.settings = settings
        self.containers = containers
        self._tested = ""  # what was found valid last, and has not been put in place since

    @property
    def container(self) -> Container:
        """The nginx container, read anew."""
        return self.containers.service(self.settings.compose.nginx)

    @cached_property
    def _build(self) -> str:
        """Version and configure arguments, as nginx says them."""
        said = self._inside(self.container, ["nginx", "-V"])
        return said.stdout + said.stderr

    @property
    def version(self) -> Version:
        """Of the nginx in the container."""
        return parse_version(self._build)

    @property
    def main_file(self) -> str:
        """The file that nginx itself starts from, inside the container."""
        found = re.search(r"--conf-path=(\S+)", self._build)
        return found[1] if found else "/etc/nginx/nginx.conf"

    def config_file(self) -> ConfigFile:
        """Find the configuration's file on the server from the container's mounts.

        :raises DeployError: it is not mounted (it is part of the image).
        """
        inside = self.settings.nginx.config
        for mount in self.container.mounts:
            if mount.target == inside:
                return ConfigFile(mount.source, inside, single_file=True)
        for mount in self.container.mounts:
            relative = posixpath.relpath(inside, mount.target)
            if not relative.startswith(".."):
                path = posixpath.join(mount.source, relative)
                return ConfigFile(path, inside, single_file=False)
        name, service = self.container.name, self.settings.compose.nginx
        copy = f"nginx/{posixpath.basename(inside)}"
        raise DeployError(
            f"{inside} is not mounted into {name}: it is part of its image",
            evidence=f"two lines to add to service {service} in {self.settings.compose.files[0]}:\n"
            f"    volumes:\n      - ./{copy}:{inside}:ro",
            state="nothing was touched",
            next_command=f"on the server, in {self.settings.folders.project}: mkdir -p nginx; "
            f"docker cp {name}:{inside} {copy}; add the two lines; docker compose up -d {service}",
        )

    def read(self) -> str:
        """The configuration that lies in place, with our block in it where that is another file.

        :raises DeployError: it is missing or unreadable.
        """
        file = self.config_file()
        text = self.server.read(file.host_path)
        if text is None:
            raise DeployError(f"nginx's configuration is missing on the server: {file.host_path}")
        if file.single_file:
            return text
        return join(text, self.server.read(file.block.host_path) or "", file.block.inside)

    def refuse_unswitchable(self) -> None:
        """See, before anything is touched, that visitors can be sent elsewhere.

        :raises DeployError: no right to write the configuration, or nothing in it names the app.
        """
        file = self.config_file()
        folder = [] if file.single_file else [posixpath.dirname(file.host_path)]
        for path in [file.host_path, *folder]:
            if not self.server.run(["test", "-w", path], check=False).ok:
                raise DeployError(
                    f"no right to write {path} as {self.server}",
                    state="nothing was touched",
                    next_command=f"on the server: sudo chown $USER {path}",
                )
        if self.settings.nginx.manage == "whole":
            return
        text, app = self.read(), names_of_the_app(self.settings)
        if text.startswith("# deploy: "):
            raise DeployError(
                f"{file.inside} is all ours, and nginx.manage is upstream",
                state="nothing was touched",
                next_command="put your own configuration in its place, and reload nginx; or set "
                "nginx.manage to whole",
            )
        try:
            refuse_strange(text, app)
        except NoUpstream:
            self._refuse_unnamed(file, app)

    def _refuse_unnamed(self, file: ConfigFile, app: Collection[str]) -> None:
        others = self.files_naming_the_app()
        raise DeployError(
            f"nothing in {file.inside} sends visitors to {self.settings.compose.app}: no upstream "
            "and no proxy_pass names it",
            evidence=f"looked for {', '.join(sorted(app))}",
            state="nothing was touched",
            next_command=f"set nginx.config to the file that does: {', '.join(others)}"
            if others
            else "name the app's service in compose.app; or set nginx.manage to whole, for a "
            "configuration from our template",
        )

    def files_naming_the_app(self) -> list[str]:
        """Of all files that nginx reads, those that send visitors to the app; paths inside."""
        parts = re.split(r"^# configuration file (\S+):$", self.dump(), flags=re.MULTILINE)
        app = names_of_the_app(self.settings)
        return [
            path
            for path, text in zip(parts[1::2], parts[2::2], strict=True)
            if hosts_in(text) & app
        ]

    def dump(self) -> str:
        """The whole configuration that lies in place, with all that it includes, tested.

        :raises DeployError: it is not valid; with nginx's own words.
        """
        try:
            return self._inside(self.container, ["nginx", "-T"]).stdout
        except CommandFailed as error:
            raise _refusal(error) from None

    def test_candidate(self, text: str) -> None:
        """Test a configuration inside the container, beside the one in use.

        Beside it, because relative includes start from the configuration's own folder.
        `put_in_place` of the very same text need not do it again.

        :param text: whole, with our block in it.
        :raises DeployError: with nginx's own words.
        """
        self._tested = ""
        self.server.make_folders(posixpath.dirname(self._candidate), mode="0700")
        main = self.main_file
        inside = f"{main}.candidate"
        self.server.write(self._candidate, text)
        config = self.settings.nginx.config
        test = ["nginx", "-t", "-c", inside]
        if config != main:
            test = ["sh", "-c", _IN_A_COPY, "sh", main, config, inside]
        try:
            self._inside(self.container, test, self._candidate, inside)
        except CommandFailed as error:
            raise _refusal(error) from None
        self._tested = text

    @property
    def _candidate(self) -> str:
        return f"{self.settings.folders.state}/nginx/candidate.conf"

    def put_in_place(self, text: str, keep_as: str = "") -> None:
        """Test a configuration, keep the old one, put the new one in place, and test again.

        Nothing is reloaded. When the second test fails, the old one is put back. It is no repeat
        of the first: certificates, includes and names may have changed since, and it reads the
        bytes that nginx will.

        :param keep_as: stamp of the kept copy, `nginx.conf.backup-<stamp>`; empty: the copy that
            is there stays, because the old one is not worth going back to.
        :raises DeployError: the configuration is not valid; the old one is in place.
        """
        if text != self._tested:
            self.test_candidate(text)
        self._tested = ""
        old = self.read()
        file = self.config_file()
        if keep_as:
            self._keep(file, old, keep_as)
        try:
            self._place(file, text)
            self._confirm(file, text)
        except DeployError:
            with interrupts.masked():
                if file.single_file:
                    self.server.write(self._candidate, old)
                self._place(file, old)
            raise

    def reload(self) -> None:
        """Ask the master to take the configuration; it says nothing of whether it did.

        A container that does not run, or restarts again and again, is started on it.
        """
        container = self.container
        if container.running:
            try:
                self.server.run(docker.execute(container.name, ["nginx", "-s", "reload"]))
                return
            except CommandFailed:
                if not self._has_ended(container):
                    raise
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

    def _keep(self, file: ConfigFile, text: str, stamp: str) -> None:
        """Keep a copy, and only this one, under the guide's name."""
        copy = f"{file.host_path}.backup-{stamp}"
        if file.single_file:
            self.server.run(nginx_files.keep(file.host_path, copy))
            return
        self.server.write(copy, text)
        self.server.run(nginx_files.keep_only(file.host_path, copy))

    def _place(self, file: ConfigFile, text: str) -> None:
        """:param text: the candidate's."""
        if file.single_file:
            self.server.run(nginx_files.write_in_place(file.host_path, self._candidate))
            return
        for piece, content in self.pieces(file, text):
            if self.server.read(piece.host_path) != content:
                self.server.write(piece.host_path, content)

    def pieces(self, file: ConfigFile, text: str) -> list[tuple[ConfigFile, str]]:
        """The files that a configuration is written to, in their order: our block first."""
        if file.single_file or self.settings.nginx.manage == "whole":
            return [(file, text)]
        site, block = split(text, file.block.inside)
        return [*([(file.block, block)] if block else []), (file, site)]

    def _confirm(self, file: ConfigFile, text: str) -> None:
        """See that nginx sees what was written, and finds it valid; both in one command.

        :raises DeployError: it sees another file, or refuses this one.
        """
        container = self.container
        sums = {
            piece.inside: hashlib.sha256(content.encode()).hexdigest()
            for piece, content in self.pieces(file, text)
        }
        try:
            self._inside(container, nginx_files.seen_and_tested(sums))
        except CommandFailed as error:
            if error.exit_code_seen != nginx_files.UNSEEN:
                raise _refusal(error) from None
            raise DeployError(
                f"{file.host_path} was written, but {container.name} still sees another file",
                evidence="a single-file mount whose file was replaced shows the old one until "
                "the container is recreated",
                next_command=f"write the file in place, or recreate {container.name} once",
            ) from None

    def _inside(
        self, container: Container, argv: list[str], file: str = "", inside: str = ""
    ) -> Output:
        """Run a program in nginx's container; where that does not run, in one just like it.

        :param container: nginx's, as it was read last.
        :param file: a file of the server that the program reads; empty: none.
        :param inside: its path inside.
        """
        name, execute = container.name, docker.execute(container.name, argv)
        if file:
            execute = docker.execute_with(file, name, inside, argv)
        if container.running:
            try:
                return self.server.run(execute)
            except CommandFailed:
                if not self._has_ended(container):
                    raise
        return self.server.run(
            docker.run_like(
                name,
                image=container.image_id,
                network=next(iter(container.addresses), "none"),
                argv=argv,
                mounts={file: inside} if file else {},
            )
        )

    def _has_ended(self, was: Container) -> bool:
        """Whether nginx ended under a command of ours, as one that crashes at each start does.

        Asked for a while where it was restarted before: the engine takes a moment to notice.
        """
        for _ in range(10 if was.restarts else 1):
            self.containers.forget()
            now = self.container
            if not now.running or (now.id, now.restarts) != (was.id, was.restarts):
                return True
            interrupts.pause(0.2)
        return False


def _refusal(error: CommandFailed) -> DeployError:
    if "nginx:" not in error.output:
        return error  # it is not nginx who refuses
    return DeployError("nginx refuses the configuration", evidence=error.output)
