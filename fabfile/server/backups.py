"""Backups on the server: made from one snapshot, read to their end, and only then named."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from .. import interrupts
from ..commands import postgres
from ..errors import DeployError
from ..report.words import seconds_between
from ..settings import Settings
from . import backup_files, snapshot
from .backup import DUMP, PLAIN, Backup, BackupFile, Kind
from .connection import Server
from .containers import FORMER_LABEL, RELEASE_LABEL, Containers
from .database import Database, account
from .dump import Dump
from .ledger import operator
from .machine import read_machine
from .shelf import KINDS, Shelf, parsed, read_shelf

__all__ = ["Backup", "Backups"]

MANIFEST = "manifest.json"
ROOM = 3  # times the database's size
DAY = 86_400.0  # seconds
# The guide's names, which its emergency lines use; the other kinds have none.
LINKS: Mapping[Kind, str] = {
    "assessment": "/tmp/{site}-backup-{release}",
    "pre-migration": "/tmp/pre-migration-backup-{release}.sql",
}

# The guide's emergency line names a glob that must match one file: former links go, and only they.
_ONE_LINK = """
find /tmp -maxdepth 1 -type l -name 'pre-migration-backup-*.sql' ! -name "${2##*/}" \
    -exec rm -f -- {} +
ln -sfn -- "$1" "$2"
"""
# Each file by itself: what others have in memory, such as the database, is not waited for.
_ON_DISK = 'find "$1" \\( -type f -o -type d \\) -exec sync -- {} + && sync -- "$2"'
_SUMS = 'cd "$1" && find . -type f ! -name manifest.json -exec sha256sum -z -- {} +'
_SIZES = 'cd "$1" && find . -type f ! -name manifest.json -printf "%s %P\\0"'
# $1 folder, $2 its parent: only what is inside it goes, and the links of /tmp that lead there.
# The manifest first: what is left of a removal that was cut off is no backup any more.
_REMOVE = """
case $1 in "$2"/*) ;; *) exit 3 ;; esac
find /tmp -maxdepth 1 -type l \\( -lname "$1" -o -lname "$1/*" \\) -exec rm -f -- {} +
rm -f -- "$1/manifest.json" && rm -rf -- "$1"
"""


class Backups:
    """The site's backups, in `folders.backups` on the server, at 0600."""

    def __init__(
        self, server: Server, settings: Settings, containers: Containers, database: Database
    ) -> None:
        self.server = server
        self.settings = settings
        self.containers = containers
        self.database = database
        self.parent = settings.folders.backups
        self.limit = settings.ssh.build_timeout  # seconds; a dump is as long as a build

    # -- making --------------------------------------------------------------------------------

    def create(self, kind: Kind, release: str, *, files: bool) -> Backup:
        """Dump the database, verify the dump, and describe it in a manifest.

        :param kind: `pre-migration` also has plain SQL for the guide's emergency line.
        :param files: also the compose file, nginx's configuration and certificates, the env file
            and the list of images.
        :raises DeployError: no room, or dump or verification failed; nothing is left behind.
        """
        folder = f"{self.parent}/{kind}-{release}"
        self.server.make_folders(self.parent, mode="0700")
        made = self._read(folder)
        if made:
            return made  # this very release has made and verified it
        self.refuse_no_room()
        self._remove(folder)  # of a run that was cut off before its manifest
        self.server.run(["mkdir", "-m", "0700", "--", folder])
        try:
            return self._fill(kind, release, folder, files)
        except BaseException:
            with interrupts.masked():
                self._remove(folder)
            raise

    def _fill(self, kind: Kind, release: str, folder: str, files: bool) -> Backup:
        container = self.database.container
        user, name = account(container.environment)
        plain = f"{folder}/{PLAIN}" if kind == "pre-migration" else ""
        with (
            ThreadPoolExecutor(1) as pool,  # its end is waited for, also where the dump fails
            snapshot.taken(self.database, release, idle_limit=self.limit) as taken,
        ):
            copying = pool.submit(self._copy, folder) if files else None
            command = postgres.dump(container.id, user=user, database=name, snapshot=taken.id)
            dump = Dump(self.server, container.id, command, limit=self.limit)
            dump.write(f"{folder}/{DUMP}", plain)
        not_copied = copying.result() if copying else []
        backup = Backup(
            kind=kind,
            release=release,
            folder=folder,
            link=self.link_name(kind, release),
            time=self.server.now(),
            who=operator(),
            database=name,
            version=taken.version,
            size=taken.size,
            lsn=taken.lsn,
            counts=taken.counts,
            roles=taken.roles,
            sessions=taken.sessions,
            activity=taken.activity,
            began=taken.began,
            oid=taken.oid,
            files=self._files(folder),
            not_copied=tuple(not_copied),
        )
        self._write_manifest(backup)
        self._link(backup)
        return backup

    def _copy(self, folder: str) -> list[str]:
        return backup_files.copy(self.server, self.settings, self.containers, folder)

    def room(self) -> tuple[int, str]:
        """Bytes that must be free for a backup, and of what they are the sum."""
        size, kept = self.database.size(), self.settings.limits.free_disk_gb
        why = f"{ROOM} × the database's {_gb(size)}, and limits.free_disk_gb ({kept:g})"
        return ROOM * size + int(kept * 10**9), why

    def refuse_no_room(self) -> None:
        """:raises DeployError: less room than a backup needs."""
        free = read_machine(self.server, self.parent).tightest.free
        needed, why = self.room()
        if free < needed:
            raise DeployError(
                f"no room for a backup: {_gb(free)} free, {_gb(needed)} needed",
                evidence=f"{why}, in {self.parent}",
                state="nothing was changed",
                next_command=f"on the server: du -sh {self.parent}/*; or move folders.backups",
            )

    def verify(self, backup: Backup) -> None:
        """Compare every file's sha256 with the manifest.

        The archive was read to its end before it had a manifest, and is the same still.

        :raises DeployError: a file is missing, changed or cut short.
        """
        found = {file.name: file.sha256 for file in self._files(backup.folder)}
        for file in backup.files:
            if found.get(file.name) != file.sha256:
                raise DeployError(
                    f"{backup.folder}/{file.name} is not what was backed up",
                    evidence=f"manifest: sha256 {file.sha256}\n"
                    f"now:      sha256 {found.get(file.name, '- (no such file)')}",
                    next_command=f"take another of {self.parent}, or make one: fab assess",
                )

    # -- having --------------------------------------------------------------------------------

    def look(self) -> Shelf:
        """All that lies in the backups' folder, in one round trip."""
        return read_shelf(self.server, self.parent)

    def list(self) -> list[Backup]:
        """Every backup whose manifest can be read, oldest first."""
        return [*self.look().backups]

    def find(self, name: str) -> Backup:
        """The backup that a person means, as `Shelf.find`."""
        return self.look().find(name)

    def note_restored(self, backup: Backup) -> Backup:
        """Write into a backup's manifest that it was restored just now.

        :returns: the backup as its manifest has it now.
        """
        restored = replace(backup, restored_at=self.server.now())
        self._write_manifest(restored)
        return restored

    def in_use(self) -> set[str]:
        """The releases that a container is made from or goes back to, by its labels."""
        labels = (RELEASE_LABEL, FORMER_LABEL)
        found = {c.labels.get(label, "") for c in self.containers.all() for label in labels}
        return found - {""}

    def write_into(self, backup: Backup, name: str, text: str) -> None:
        """Put a report beside a backup's files."""
        self.server.write(f"{backup.folder}/{name}", text, 0o600)

    def prune(self, protect: Iterable[str] = ()) -> Sequence[Backup]:
        """Remove what `deploy.keep_backups` and `deploy.keep_backup_days` no longer keep.

        The newest of each kind stays, and so do those of the releases in use.

        :param protect: more releases whose backups stay whatever their age.
        :returns: what was removed.
        """
        gone = self.outlived(protect)
        for backup in gone:
            self._remove(backup.folder)
        return gone

    def outlived(
        self, protect: Iterable[str] = (), coming: Collection[Kind] = ()
    ) -> Sequence[Backup]:
        """What `prune` removes.

        :param coming: the kinds of which there will be a newer one by then.
        """
        shelf = self.look()
        stay, now = {*protect, *self.in_use()}, self.server.now()
        return [
            backup
            for kind in KINDS
            for place, backup in enumerate(shelf.of_kind(kind), start=kind in coming)
            if self._outlived(backup, place, now) and backup.release not in stay
        ]

    def _outlived(self, backup: Backup, place: int, now: str) -> bool:
        """:param place: 0 for the newest of its kind."""
        deploy = self.settings.deploy
        too_old = seconds_between(backup.time, now) > deploy.keep_backup_days * DAY
        return place > 0 and (place >= deploy.keep_backups or too_old)

    def unfinished(self) -> Sequence[str]:
        """The names of folders without a manifest: of a run that was cut off, or is at work."""
        return self.look().unfinished

    def sweep_unfinished(self) -> Sequence[str]:
        """Remove what a run that was cut off has left. The caller holds the site's lock.

        :returns: the names of the folders that were removed.
        """
        names = self.unfinished()
        for name in names:
            self._remove(f"{self.parent}/{name}")
        return names

    def _write_manifest(self, backup: Backup) -> None:
        self.server.write(f"{backup.folder}/{MANIFEST}", backup.to_json(), 0o600)
        self.server.shell(_ON_DISK, backup.folder, self.parent, timeout=self.limit)

    def _read(self, folder: str) -> Backup | None:
        text = self.server.read(f"{folder}/{MANIFEST}")
        if text is None:
            return None
        try:
            return parsed(text, folder)
        except (ValueError, TypeError, KeyError) as error:
            raise DeployError(f"{folder}/{MANIFEST} cannot be read: {error}") from None

    def _files(self, folder: str) -> tuple[BackupFile, ...]:
        sizes = self.server.shell(_SIZES, folder).stdout
        sums = self.server.shell(_SUMS, folder, timeout=self.limit).stdout
        bytes_of = {}
        for line in sizes.rstrip("\0").split("\0"):
            size, _, name = line.partition(" ")
            bytes_of[name] = int(size)
        files = []
        for line in sums.rstrip("\0").split("\0"):
            sha256, _, name = line.partition("  ./")
            files.append(BackupFile(name, bytes_of[name], sha256))
        return tuple(sorted(files, key=lambda file: file.name))

    # -- the guide's names -----------------------------------------------------------------------

    def link_name(self, kind: Kind, release: str) -> str:
        site = posixpath.basename(self.settings.folders.project)
        return LINKS.get(kind, "").format(site=site, release=release)

    def _link(self, backup: Backup) -> None:
        if backup.kind == "pre-migration":
            self.server.shell(_ONE_LINK, f"{backup.folder}/{PLAIN}", backup.link)
        elif backup.link:
            self.server.run(["ln", "-sfn", "--", backup.folder, backup.link])

    def _remove(self, folder: str) -> None:
        self.server.shell(_REMOVE, folder, self.parent)


def _gb(size: int) -> str:
    return f"{size / 10**9:.2f} GB"
