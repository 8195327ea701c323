"""The releases that are kept on the server: an image each, and the folder it was made from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..commands import docker
from ..commands.compose import labels_of
from ..settings import COLOURS, Colour, Settings
from .connection import Server
from .containers import COMMIT_LABEL, FORMER_LABEL

STAMP = re.compile(r"\d{8}-\d{6}")


def override_path(settings: Settings, release: str, colour: Colour) -> str:
    """Where a release's compose override for a colour is kept."""
    folder = f"{settings.folders.state}/releases/{release}"
    return f"{folder}/docker-compose.{colour}.yml"


@dataclass(frozen=True)
class KeptRelease:
    """A release that can be started again: its image is there, and an override of its own.

    :param colour: the colour whose override it is.
    :param override: the override's text.
    :param former: the release that was live before it, as far as its labels say.
    """

    release: str
    colour: Colour
    override: str
    commit: str
    former: str


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

    def startable(self, release: str, prefer: Colour) -> KeptRelease | None:
        """A release with its image and a kept override; None where one of them is gone.

        :param prefer: the colour whose override is taken if both are there.
        """
        if release not in self.kept():
            return None
        for colour in sorted(COLOURS, key=lambda colour: colour != prefer):
            text = self.server.read(override_path(self.settings, release, colour))
            if text:
                labels = labels_of(text)
                commit, former = labels.get(COMMIT_LABEL, ""), labels.get(FORMER_LABEL, "")
                return KeptRelease(release, colour, text, commit, former)
        return None

    def remove(self, release: str) -> None:
        """Take a release's tag and folder away; an image that a container uses stays."""
        self.server.run(docker.remove_image(f"{self.settings.app.image}:{release}"), check=False)
        self.server.run(["rm", "-rf", "--", f"{self.settings.folders.state}/releases/{release}"])

    def prune(self, protected: set[str]) -> list[str]:
        """Keep the newest releases, and the protected ones whatever their age.

        :param protected: the live release and the one that a rollback goes to.
        :returns: the releases that were removed.
        """
        removed = self.outlived(protected)
        for release in removed:
            self.remove(release)
        return removed

    def outlived(self, protected: set[str], coming: int = 0) -> list[str]:
        """What `prune` removes.

        :param coming: how many newer ones there will be by then.
        """
        kept = self.kept()
        newest = set(kept[: max(0, self.settings.deploy.keep_releases - coming)])
        return [release for release in kept if release not in newest | protected]
