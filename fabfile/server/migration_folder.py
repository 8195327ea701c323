"""The migrations as they lie in `migration.folder`: a folder each, in the order of their numbers.

Nothing is contacted here.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from ..errors import BadSettings, WrongSetting
from ..settings import Settings
from ..settings_model import Model
from ..settings_types import SqlName
from .sql_text import PROJECT, checksum

STAGES = ("expand", "data", "contract")
OWN_SETTINGS, CHECKS = "migration.yaml", "checks.sql"
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


class Roles(Model):
    """A move of everybody from one role to another."""

    old: SqlName
    new: SqlName
    expect: dict[str, int] = Field(
        default_factory=dict, description="users per role before the first run; empty: any"
    )

    @model_validator(mode="after")
    def differ(self) -> Roles:
        if self.old == self.new:
            raise ValueError("roles.old and roles.new must differ")
        return self


class OwnSettings(Model):
    """`migration.yaml` in a migration's folder."""

    title: str = ""
    roles: Roles | None = None


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

    :raises BadSettings: there is no such folder.
    """
    given = Path(settings.migration.folder).expanduser()
    for folder in (given, PROJECT / given):
        if folder.is_dir():
            return folder.resolve()
    raise WrongSetting(
        "migration.folder",
        settings.migration.folder,
        "a folder that holds one for each migration, or nothing for none",
        found="no such folder",
    )


def read_folders(settings: Settings) -> tuple[MigrationFolder, ...]:
    """Every migration, in the order of their numbers; none where `migration.folder` is empty.

    :raises BadSettings: one line that names the folder or file and what is allowed.
    """
    if not settings.migration.folder:
        return ()
    parent = parent_of(settings)
    if any((parent / file).is_file() for file in KNOWN):
        raise WrongSetting(
            "migration.folder",
            settings.migration.folder,
            "the folder above",
            found="it holds a migration's own files",
        )
    found = sorted(map(_read, folders_in(parent)), key=lambda folder: folder.number)
    for one, next_one in itertools.pairwise(found):
        if one.number == next_one.number:
            raise BadSettings(
                f"{parent}: {one.name} and {next_one.name} have the same number; "
                "allowed: one migration a number, since they run in its order"
            )
    return tuple(found)


def folders_in(parent: Path) -> Iterator[Path]:
    """The migrations' folders in a folder, by name.

    :raises BadSettings: one has no migration's name.
    """
    for entry in sorted(parent.iterdir()):
        if not entry.is_dir() or entry.name.startswith((".", "_")):
            continue
        if not NAME.fullmatch(entry.name) or len(entry.name) > LONGEST:
            raise BadSettings(f"{entry}: not a migration's name; allowed: {NAME_RULE}")
        yield entry


def _read(path: Path) -> MigrationFolder:
    own = _own_settings(path / OWN_SETTINGS)
    folder = MigrationFolder(path, own.title, own.roles)
    for file in sorted(path.glob("*.sql")):
        if file.name not in KNOWN:
            near = difflib.get_close_matches(file.name, KNOWN, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(KNOWN)}"
            raise BadSettings(f"{file}: no such stage; {hint}")
    if missing := [file for file in ROLE_FILES if folder.roles and not folder.has(file)]:
        raise BadSettings(f"{path}: a migration of roles needs {' and '.join(missing)}")
    return folder


def _own_settings(file: Path) -> OwnSettings:
    try:
        values: Any = yaml.safe_load(file.read_text()) if file.is_file() else None
        return OwnSettings.model_validate({} if values is None else values)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadSettings(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "the file"
        allowed = first["msg"].removeprefix("Value error, ")
        raise BadSettings(f"{file}: {name} is {first['input']!r}; allowed: {allowed}") from None
