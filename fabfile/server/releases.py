"""The releases that are kept on the server: an image each, and the folder it was made from."""

from __future__ import annotations

import re

from ..commands import docker
from ..settings import Settings
from .connection import Server

STAMP = re.compile(r"\d{8}-\d{6}")


class Releases:
    """The images `<app.image>:<stamp>` and the folders `releases/<stamp>`."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self.server = server
        self.settings = settings

    def kept(self) -> list[str]:
        """Stamps of the releases whose image is there, newest first."""
        lines = self.server.run(docker.list_images(self.settings.app.image)).lines
        tags = (line.split("\t")[0] for line in lines)
        return sorted((tag for tag in tags if STAMP.fullmatch(tag)), reverse=True)

    def remove(self, release: str) -> None:
        """Take a release's tag and folder away; an image that a container uses stays."""
        self.server.run(docker.remove_image(f"{self.settings.app.image}:{release}"), check=False)
        self.server.run(["rm", "-rf", "--", f"{self.settings.folders.state}/releases/{release}"])

    def prune(self, protected: set[str]) -> list[str]:
        """Keep the newest releases, and the protected ones whatever their age.

        :param protected: the live release and the one that a rollback goes to.
        :returns: the releases that were removed.
        """
        kept = self.kept()
        newest = set(kept[: self.settings.deploy.keep_releases])
        removed = [release for release in kept if release not in newest | protected]
        for release in removed:
            self.remove(release)
        return removed
