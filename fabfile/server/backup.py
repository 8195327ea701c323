"""One backup, as its manifest describes it."""

from __future__ import annotations

import json
import posixpath
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["assessment", "pre-migration", "manual", "before-restore"]
DUMP, PLAIN = "database.dump", "database.sql"


@dataclass(frozen=True)
class BackupFile:
    """One file of a backup."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Backup:
    """One backup, as its manifest describes it.

    :param counts: rows of each table, in the dump's own snapshot.
    :param roles: users per role, in it too.
    :param activity: rows inserted, updated and deleted in each table, as counted until then.
    :param not_copied: files that could not be read or were not there.
    :param began: the dump's own moment, by the database's clock; empty in older manifests.
    :param oid: the database's number, which no other database gets; 0 in older manifests.
    :param restored_at: when it was last restored to try it; empty: never.
    """

    kind: Kind
    release: str
    folder: str
    link: str
    time: str
    who: str
    database: str
    version: str
    size: int
    lsn: str
    counts: dict[str, int]
    roles: dict[str, int]
    sessions: int
    activity: dict[str, dict[str, int]]
    files: tuple[BackupFile, ...]
    not_copied: tuple[str, ...] = field(default=())
    verified: bool = True
    began: str = ""
    oid: int = 0
    restored_at: str = ""

    @property
    def name(self) -> str:
        return posixpath.basename(self.folder)

    @property
    def dump(self) -> str:
        """The archive's path on the server."""
        return f"{self.folder}/{DUMP}"

    @property
    def sha256(self) -> str:
        """The archive's checksum."""
        return next(file.sha256 for file in self.files if file.name == DUMP)

    def to_json(self) -> str:
        """The manifest's text."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Backup:
        """:raises ValueError, TypeError, KeyError: this is not a manifest of this version."""
        entry: dict[str, Any] = json.loads(text)
        entry["files"] = tuple(BackupFile(**file) for file in entry["files"])
        entry["not_copied"] = tuple(entry["not_copied"])
        return cls(**entry)
