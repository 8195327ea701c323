"""Where a site is read: on its server, or in a folder of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..probes.answer import Answer
from .services import Service
from .tables import Table


@dataclass(frozen=True)
class Project:
    """One compose project.

    :param folder: where its compose files lie.
    :param files: the compose files, from that folder, in Compose's order.
    :param files_from: where that was found.
    :param name: the project's name; empty where only its server knows.
    :param name_from: where the name was found.
    :param profiles: that must be named, as nothing else turns them on.
    """

    folder: str
    files: tuple[str, ...]
    files_from: str
    name: str
    name_from: str
    services: Sequence[Service] = ()
    profiles: tuple[str, ...] = ()

    @property
    def file_names(self) -> str:
        """The compose files, for people."""
        return " + ".join(self.files)


class Place(Protocol):
    """What can be asked of a site; what a place cannot know is None or empty."""

    project: Project

    def has(self, path: str) -> bool:
        """Whether there is such a file in the project's folder."""

    def read(self, path: str) -> str | None:
        """A file of the project's folder."""

    def nginx_files(self, nginx: Service) -> Mapping[str, str]:
        """nginx's configuration by path inside its container, the main file first."""

    def tables(self, database: Service) -> Sequence[Table] | None:
        """The database's tables."""

    def ask(self, app: Service, port: int, path: str) -> Answer | None:
        """Ask the app itself for a page."""

    def free_ports(self, wanted: Sequence[int]) -> list[int]:
        """For each wanted port of the server itself, or the next one that nobody has."""

    def folders(self) -> Mapping[str, str]:
        """The settings' folders on the server, as far as they are known."""
