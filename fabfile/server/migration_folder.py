"""The migrations as they lie in `migration.folder`: a folder each, in the order of their numbers.

Nothing is contacted here.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadSettings, WrongSetting
from ..settings import Settings
from .migration_settings import OWN_SETTINGS, Roles, own_settings
from .sql_text import PROJECT, checksum

STAGES = ("expand", "data", "contract")
CHECKS = "checks.sql"
STAGE_FILES: Mapping[str, tuple[str, ...]] = {
    "expand": ("expand.sql",),
    "data": ("data-batch.sql", "data.sql"),
    "contract": ("contract.sql",),
}
REVERSES: Mapping[str, str] = {stage: f"reverse-{stage}.sql" for stage in STAGES}
KNOWN = (*(name for names in STAGE_FILES.values() for name in names), *REVERSES.values(), CHECKS)
ROLE_FILES = (
    "expand.sql",
    "data.sql",
    "reverse-data.sql",
)  # what a move of roles cannot do without
NAME = re.compile(r"\d{2,}-[a-z0-9]+(-[a-z0-9]+)*")
NAME_RULE = "NN-name: two digits or more, then small letters, digits and single hyphens"
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}", re.DOTALL)
LONGEST = 60  # characters of a name
WHOLE = ""  # instead of a folder's name: `migration.folder` itself


@dataclass(frozen=True)
class MigrationFolder:
    """One migration's files.

    :param roles: what is moved, where roles are; None for a plain schema migration.
    """

    path: Path
    title: str = ""
    roles: Roles | None = None

    @property
    def name(self) -> str:
        """The folder's name, which is the migration's in the log."""
        return self.path.name

    @property
    def number(self) -> int:
        return int(self.name.partition("-")[0])

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that it has, in their order."""
        return tuple(s for s in STAGES if any(map(self.has, STAGE_FILES[s])))

    def has(self, file: str) -> bool:
        """Whether a file is there and says anything: a skeleton's comments are no stage yet."""
        path = self.path / file
        if not path.is_file():
            return False
        text = path.read_text(errors="replace")
        return bool((COMMENT.sub("", text) if path.suffix == ".sql" else text).strip("; \n\t"))

    def checksums(self, stage: str) -> dict[str, str]:
        """The sha256 of each file that a stage is made of, by its name."""
        names = (*STAGE_FILES[stage], CHECKS, OWN_SETTINGS)
        return {name: checksum(self.path / name) for name in names if self.has(name)}


def parent_of(settings: Settings) -> Path:
    """`migration.folder`: as given, or beside this package.

    :raises BadSettings: there is no such folder, or it is one migration's own.
    """
    given = Path(settings.migration.folder).expanduser()
    parent = next((folder for folder in (given, PROJECT / given) if folder.is_dir()), None)
    if parent is not None and any((parent / file).is_file() for file in KNOWN):
        raise WrongSetting(
            "migration.folder",
            settings.migration.folder,
            "the folder above",
            found="it holds a migration's own files",
        )
    if parent is not None:
        return parent.resolve()
    raise WrongSetting(
        "migration.folder",
        settings.migration.folder,
        "a folder that holds one for each migration, or nothing for none",
        found="no such folder",
    )


@dataclass(frozen=True)
class Folders:
    """What lies in `migration.folder`.

    :param readable: the migrations, in the order of their numbers.
    :param wrong: why each of the rest is none, by its folder's name; under `WHOLE`: why nothing
        can be read at all.
    """

    readable: tuple[MigrationFolder, ...] = ()
    wrong: Mapping[str, BadSettings] = field(default_factory=dict)

    def refuse_wrong(self) -> None:
        """:raises BadSettings: one line that names the folder or file and what is allowed."""
        for error in self.wrong.values():
            raise error

    def fault_of(self, name: str) -> BadSettings | None:
        """Why a migration cannot be read; None where it can, or is not here."""
        return self.wrong.get(name) or self.wrong.get(WHOLE)


def look_through(settings: Settings) -> Folders:
    """Every migration, and what cannot be one; nothing where `migration.folder` is empty."""
    if not settings.migration.folder:
        return Folders()
    try:
        parent = parent_of(settings)
        entries = [*_entries(parent)]
    except BadSettings as error:
        return Folders(wrong={WHOLE: error})
    found, wrong = [], {}
    for entry in entries:
        try:
            found.append(_read(entry))
        except BadSettings as error:
            wrong[entry.name] = error
    found.sort(key=lambda folder: folder.number)
    for one, next_one in itertools.pairwise(found):
        if one.number == next_one.number:
            both = f"{one.name} and {next_one.name}"
            wrong[both] = BadSettings(
                f"{parent}: {both} have the same number; "
                "allowed: one migration a number, since they run in its order"
            )
    return Folders(tuple(found), wrong)


def read_folders(settings: Settings) -> tuple[MigrationFolder, ...]:
    """Every migration, in the order of their numbers; none where `migration.folder` is empty.

    :raises BadSettings: one line that names the folder or file and what is allowed.
    """
    found = look_through(settings)
    found.refuse_wrong()
    return found.readable


def folders_in(parent: Path) -> Iterator[Path]:
    """The migrations' folders in a folder, by name.

    :raises BadSettings: one has no migration's name.
    """
    for entry in _entries(parent):
        _refuse_name(entry)
        yield entry


def _entries(parent: Path) -> Iterator[Path]:
    """:raises BadSettings: it cannot be read."""
    try:
        found = sorted(parent.iterdir())
    except OSError as error:
        raise BadSettings(f"{parent}: cannot be read: {error.strerror}") from None
    for entry in found:
        if entry.is_dir() and not entry.name.startswith((".", "_")):
            yield entry


def _refuse_name(path: Path) -> None:
    if not NAME.fullmatch(path.name) or len(path.name) > LONGEST:
        raise BadSettings(f"{path}: not a migration's name; allowed: {NAME_RULE}")


def _read(path: Path) -> MigrationFolder:
    """:raises BadSettings: it cannot be what it is meant to be."""
    _refuse_name(path)
    files = [*_entries_of(path)]
    own = own_settings(path / OWN_SETTINGS)
    folder = MigrationFolder(path, own.title, own.roles)
    for file in files:
        if file.suffix == ".sql" and file.name not in KNOWN:
            near = difflib.get_close_matches(file.name, KNOWN, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(KNOWN)}"
            raise BadSettings(f"{file}: no such stage; {hint}")
    if missing := [file for file in ROLE_FILES if folder.roles and not folder.has(file)]:
        raise BadSettings(f"{path}: a migration of roles needs {' and '.join(missing)}")
    return folder


def _entries_of(path: Path) -> Iterator[Path]:
    """Its files.

    :raises BadSettings: one that counts cannot be read.
    """
    for file in sorted(path.iterdir()):
        counts = file.suffix == ".sql" or file.name == OWN_SETTINGS
        try:
            if counts:
                file.read_bytes()
        except OSError as error:
            raise BadSettings(f"{file}: cannot be read: {error.strerror}") from None
        yield file
