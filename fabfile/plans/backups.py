"""What a backup does, and what is removed after it."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence

from ..documents.plan import Deed
from ..server.backup import DUMP, PLAIN, Kind
from .deeds import deed
from .outlook import Outlook


def makes(seen: Outlook, kind: Kind, *, files: bool) -> list[Deed]:
    """A backup, as `Backups.create` makes it.

    :raises DeployError: there is no room for it, or no database to dump.
    """
    backups = seen.site.backups
    folder = f"{backups.parent}/{kind}-{seen.site.release}"
    container = seen.once("database container", lambda: seen.site.database.container)
    seen.once("room", backups.refuse_no_room)
    dump = f"{folder}/{DUMP}"
    plain = f", and as plain SQL into {folder}/{PLAIN}" if kind == "pre-migration" else ""
    link = backups.link_name(kind, seen.site.release)
    return [
        deed("server", f"mkdir -m 0700 {folder}"),
        deed(
            "database",
            "one snapshot, read only: counts every table, users per role, sessions",
            sql=["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"],
        ),
        deed("server", f"pg_dump in {container.name}, of that snapshot, into {dump} (0600)"),
        deed("server", f"pg_restore in {container.name} reads it to its end meanwhile{plain}"),
        *([_copies(seen, folder)] if files else []),
        deed("server", f"the sha256 of each file, into {folder}/manifest.json (0600)"),
        *([deed("server", f"{link} becomes a link to it")] if link else []),
    ]


def _copies(seen: Outlook, folder: str) -> Deed:
    settings = seen.settings
    compose, nginx = settings.compose, settings.nginx
    names = [
        *filter(None, (*compose.files, compose.env_file)),
        f"{nginx.config} and its folder",
        posixpath.basename(nginx.certificate),
        posixpath.basename(nginx.certificate_key),
        "the list of images",
    ]
    return deed("server", f"copies as they are, 0600, into {folder}: {', '.join(names)}")


def prunes(
    seen: Outlook, coming: Collection[Kind], protect: Collection[str] = ()
) -> Sequence[Deed]:
    """What is removed once it is made.

    :param coming: the kinds of which there will be a newer one by then.
    """
    gone = seen.site.backups.outlived(protect, coming)
    return [deed("server", f"rm -rf {backup.folder}: no longer kept") for backup in gone]
