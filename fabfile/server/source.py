"""How a new release's image comes to be on the server."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..commands import docker
from ..errors import DeployError, WrongSetting
from ..report.words import size
from ..settings import Settings
from .archive import Archive, local, pack
from .connection import Server
from .containers import COMMIT_LABEL, RELEASE_LABEL

# $1 archive, $2 folder. Unpacked beside and renamed, so that a folder there is a whole one.
_UNPACK = """
rm -rf -- "$2.new" && mkdir -p -- "$2.new" &&
tar -x -z -f "$1" -C "$2.new" && rm -f -- "$1" && rm -rf -- "$2" && mv -- "$2.new" "$2"
"""

_ALLOWED = {
    "folder": "a working copy of git",
    "revision": "a branch, tag or commit of {place}",
    "dockerfile": "a file of {place}, as the revision has it",
    "image": "an image of {place}",
}


@dataclass(frozen=True)
class Delivery:
    """What was brought to the server.

    :param context: folder to build in; empty where an image came instead.
    :param commit: the commit that it was made of; empty where that is not known.
    """

    context: str
    commit: str


class Source:
    """Brings one release's code or image to the server.

    :param say: takes progress lines.
    :param packed: an archive that may be what is to be sent; it was packed for several servers.
    """

    def __init__(
        self,
        server: Server,
        settings: Settings,
        release: str,
        say: Callable[[str], None],
        packed: Archive | None = None,
    ) -> None:
        self.server = server
        self.settings = settings
        self.release = release
        self.say = say
        self.packed = packed
        self.image = f"{settings.app.image}:{release}"
        self.folder = f"{settings.folders.state}/releases/{release}"

    @property
    def builds(self) -> bool:
        """Whether code comes, and not an image."""
        return self.settings.source.kind in ("git", "server")

    def check(self) -> None:
        """See that this machine has what is to be delivered, before anything is contacted.

        :raises BadSettings: no such folder, revision, Dockerfile or image here.
        """
        source = self.settings.source
        if source.kind == "stream":
            self._refuse_missing("image", ["docker", "inspect", "--type", "image", source.image])
        if source.kind == "git":
            if not Path(source.folder).is_dir():
                allowed = "a folder of this machine"
                raise WrongSetting("source.folder", source.folder, allowed, found="no such folder")
            revision = f"{source.revision}^{{commit}}"
            here = ["git", "-C", source.folder]
            self._refuse_missing("folder", [*here, "rev-parse", "--git-dir"])
            self._refuse_missing("revision", [*here, "rev-parse", "--verify", revision])
            # ./ : relative to the folder, which may be a part of the working copy.
            dockerfile = f"{source.revision}:./{source.dockerfile}"
            self._refuse_missing("dockerfile", [*here, "cat-file", "-e", dockerfile])

    def deliver(self) -> Delivery:
        """Get the code, or the image, onto the server.

        :raises DeployError: it could not be packed, sent or pulled.
        """
        self.server.make_folders(self.folder, mode="0700")
        deliver = {
            "git": self._from_git,
            "server": self._from_server,
            "registry": self._from_registry,
            "stream": self._from_engine,
        }
        return deliver[self.settings.source.kind]()

    def build(self, delivery: Delivery) -> None:
        """Build the image where code was delivered; its output is said as it comes.

        :raises CommandFailed: the build failed; the end of its output is the evidence.
        """
        command = self.command(delivery.context, delivery.commit)
        with self.server.console.building() as take:
            limit = self.settings.ssh.build_timeout
            self.server.run(command, timeout=limit, on_text=_by_line(take))

    @property
    def context(self) -> str:
        """The folder on the server that code is built in."""
        here = self.settings.source.kind == "server"
        return self.settings.folders.project if here else f"{self.folder}/source"

    def command(self, context: str, commit: str) -> list[str]:
        """What builds the image."""
        source = self.settings.source
        values = {"release": self.release, "commit": commit}
        return docker.build(
            context,
            tag=self.image,
            dockerfile=source.dockerfile,
            arguments={
                name: value.replace("{release}", values["release"]).replace(
                    "{commit}", values["commit"]
                )
                for name, value in source.build_args.items()
            },
            labels={RELEASE_LABEL: self.release, COMMIT_LABEL: commit},
            builder=source.builder,
        )

    @property
    def _place(self) -> str:
        source = self.settings.source
        if source.kind == "stream":
            return "this machine's Docker engine"
        return f"the working copy {Path(source.folder).resolve()}"

    def _refuse_missing(self, setting: str, command: list[str]) -> None:
        try:
            local(command)
        except DeployError as error:
            raise WrongSetting(
                f"source.{setting}",
                getattr(self.settings.source, setting),
                _ALLOWED[setting].format(place=self._place),
                evidence=error.evidence or error.reason,
            ) from None

    def commit(self) -> str:
        """git: the commit that would be sent.

        :raises DeployError: there is none.
        """
        revision = f"{self.settings.source.revision}^{{commit}}"
        return local(["git", "rev-parse", "--verify", revision], cwd=self._copy)

    def uncommitted(self) -> list[str]:
        """git: what differs from the commit in the working copy, a line of `git status` each."""
        return local(["git", "status", "--porcelain", "--", "."], cwd=self._copy).splitlines()

    @property
    def _copy(self) -> Path:
        return Path(self.settings.source.folder)

    def _from_git(self) -> Delivery:
        folder = self._copy
        commit = self.commit()
        if self.uncommitted():
            words = f"uncommitted changes in {folder} stay behind: commit {commit[:10]} is sent"
            self.server.console.warn(words)
        with tempfile.TemporaryDirectory() as temporary:
            given = self.packed if self.packed and self.packed.holds(folder, commit) else None
            packed = given or pack(folder, commit, Path(temporary) / "source.tar.gz")
            archive = Path(packed.path)
            self.say(f"sending commit {commit[:10]}, {size(archive.stat().st_size)}")
            self.server.upload(archive, f"{self.folder}/source.tar.gz")
        self.server.shell(_UNPACK, f"{self.folder}/source.tar.gz", self.context)
        return Delivery(self.context, commit)

    def _from_server(self) -> Delivery:
        here = ["git", "-C", self.context, "rev-parse", "HEAD"]
        commit = self.server.run(here, check=False)
        return Delivery(self.context, commit.text if commit.ok else "")

    def _from_registry(self) -> Delivery:
        image = self.settings.source.image
        with self.server.console.building() as take:
            limit = self.settings.ssh.build_timeout
            self.server.run(docker.pull(image), timeout=limit, on_text=_by_line(take))
        self.server.run(docker.tag(image, self.image))
        return Delivery("", "")

    def _from_engine(self) -> Delivery:
        image = self.settings.source.image
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                ["docker", "save", image], stdout=subprocess.PIPE, stderr=errors
            )
            assert process.stdout
            try:
                with self.server.console.transfer(f"sent {image}") as seen:
                    loaded = self.server.feed(docker.load(), process.stdout, on_bytes=seen)
            finally:
                process.stdout.close()
                code = process.wait(timeout=30)
            if code:
                errors.seek(0)
                raise DeployError(
                    f"on this machine: docker save {image} failed",
                    evidence=errors.read().decode(errors="replace"),
                )
        self.say(loaded.text)
        self.server.run(docker.tag(image, self.image))
        return Delivery("", "")


def _by_line(say: Callable[[str], None]) -> Callable[[str], None]:
    rest = ""

    def take(text: str) -> None:
        nonlocal rest
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            if line.strip():
                say(line.rstrip("\r"))

    return take
