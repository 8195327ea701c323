"""What lies in the backups' folder, read at once, and what a person or a rollback means by it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from ..errors import DeployError
from ..report.words import seconds_between
from .backup import Backup, Kind
from .connection import Server

KINDS: tuple[Kind, ...] = get_args(Kind)
_OURS = tuple(f"{kind}-" for kind in KINDS)  # how the name of every folder of ours begins

# Each folder's name, then its manifest, each ended by a NUL: a torn manifest may hold some.
_ALL = """
[ -e "$1" ] || exit 0
cd -- "$1" || exit 1
for folder in */; do
  [ -d "$folder" ] || continue
  printf '%s\\0' "${folder%/}"
  if [ -e "$folder/manifest.json" ]; then printf 'm'; tr -d '\\000' < "$folder/manifest.json"; fi
  printf '\\0'
done
"""


@dataclass(frozen=True)
class Shelf:
    """What lies in the backups' folder.

    :param folder: where that is on the server.
    :param backups: those with a manifest, oldest first.
    :param unreadable: why a manifest cannot be read, by the folder's name.
    :param unfinished: names of folders without one: a run that was cut off, or is at work.
    """

    folder: str
    backups: tuple[Backup, ...]
    unreadable: Mapping[str, str]
    unfinished: tuple[str, ...]

    def of_kind(self, kind: Kind) -> list[Backup]:
        """The backups of one kind, newest first."""
        return [backup for backup in reversed(self.backups) if backup.kind == kind]

    def before(self, release: str) -> Backup | None:
        """What a release's own deploy began with: before its migration, else its assessment."""
        kinds: tuple[Kind, ...] = ("pre-migration", "assessment")
        own = (b for kind in kinds for b in self.of_kind(kind) if b.release == release)
        return next(own, None)

    def rollback_target(self, release: str) -> Backup | None:
        """What a full rollback from this release goes to: the backup that its own deploy began
        with, else the newest of a migration; None where there is none."""
        return self.before(release) or next(iter(self.of_kind("pre-migration")), None)

    def find(self, name: str) -> Backup:
        """The backup that a person means.

        :param name: its folder's name, its release where only one has it, or `latest`.
        :raises DeployError: there is none, or more than one; says which there are.
        """
        names = [backup.name for backup in reversed(self.backups)]
        if name in self.unreadable:
            raise DeployError(
                f"the manifest of {name} cannot be read", evidence=self.unreadable[name]
            )
        if not names:
            raise DeployError(f"there is no backup in {self.folder}", next_command="fab backup")
        wanted = names[0] if name == "latest" else name.rstrip("/")
        found = [b for b in self.backups if wanted in (b.name, b.folder, b.release)]
        if len(found) == 1:
            return found[0]
        if found:
            several = " or ".join(backup.name for backup in found)
            raise DeployError(
                f"{len(found)} backups are of release {name}: {several}",
                next_command="again, with one of these names",
            )
        known = [*names, *(backup.release for backup in self.backups), "latest"]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
        raise DeployError(
            f"there is no backup {name!r}" + (f"; did you mean {near[0]}?" if near else ""),
            evidence="\n".join(["there are, newest first:", *names]),
            next_command="fab backups",
        )


def read_shelf(server: Server, folder: str) -> Shelf:
    """All that lies in the backups' folder, in one round trip."""
    parts = server.shell(_ALL, folder).stdout.split("\0")
    backups, unreadable, unfinished = [], {}, []
    for name, manifest in zip(parts[::2], parts[1::2], strict=False):
        if manifest:
            try:
                backups.append(parsed(manifest[1:], f"{folder}/{name}"))
            except (ValueError, TypeError, KeyError) as error:
                unreadable[name] = str(error) or repr(error)
        elif name.startswith(_OURS):
            unfinished.append(name)
    backups.sort(key=lambda backup: (backup.time, backup.release))
    return Shelf(folder, tuple(backups), unreadable, tuple(unfinished))


def parsed(manifest: str, folder: str) -> Backup:
    """A manifest, as a backup where it lies now.

    :raises ValueError, TypeError, KeyError: it cannot be read.
    """
    backup = Backup.from_json(manifest)
    seconds_between(backup.time, backup.time)  # its age can be told
    return replace(backup, folder=folder)  # where it lies now: folders are moved and copied
