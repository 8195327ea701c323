"""A site as its folder on this machine has it; nothing is run and nobody is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DeployError
from ..probes.answer import Answer
from .documents import NAMES, OVERRIDES, files_by, merged, read, variables
from .nginx_files import MAIN, OF_THE_IMAGE
from .place import Project
from .ports import next_free
from .services import Service, in_document
from .tables import Table

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>\w+)|\{(?P<name>\w+)(?::?[-?](?P<or>[^}]*))?\})"
)


class OnDisk:
    """A folder with compose files.

    :raises DeployError: there is none, or it is not YAML.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        given = variables(self.read(".env") or "")
        files, files_from = self._files(given)
        documents = [read(_text(self.folder / file), str(self.folder / file)) for file in files]
        filled = _filled(merged(documents), given)
        name, name_from = _project_name(filled, given)
        services = in_document(filled, " + ".join(files))
        self.project = Project(str(self.folder), files, files_from, name, name_from, services)

    def has(self, path: str) -> bool:
        return (self.folder / path).exists()

    def read(self, path: str) -> str | None:
        return _text(self.folder / path) if (self.folder / path).is_file() else None

    def nginx_files(self, nginx: Service) -> Mapping[str, str]:
        files: dict[str, str] = {}
        for mount in nginx.mounts:
            source = self.folder / Path(mount.source).expanduser()
            if source.is_file():
                files[mount.target] = _text(source)
            for path in sorted(source.rglob("*")) if source.is_dir() else ():
                if path.is_file() and path.suffix in ("", ".conf"):
                    files[f"{mount.target.rstrip('/')}/{path.relative_to(source)}"] = _text(path)
        return {MAIN: files.pop(MAIN, OF_THE_IMAGE), **files}

    def tables(self, database: Service) -> Sequence[Table] | None:
        return None

    def ask(self, app: Service, port: int, path: str) -> Answer | None:
        return None

    def free_ports(self, wanted: Sequence[int]) -> list[int]:
        return next_free(wanted, ())

    def folders(self) -> Mapping[str, str]:
        return {}

    def _files(self, given: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
        """Those that Compose takes here by itself, and why."""
        if named := files_by(given):
            if missing := [file for file in named if not self.has(file)]:
                raise DeployError(
                    f"no {missing[0]} in {self.folder}: COMPOSE_FILE in .env names it"
                )
            return named, "COMPOSE_FILE in .env"
        found = [[name for name in names if self.has(name)][:1] for names in (NAMES, OVERRIDES)]
        if not found[0]:
            raise DeployError(
                f"no compose file in {self.folder}",
                evidence=f"looked for {', '.join(NAMES)}",
                next_command="init --folder FOLDER; or, where the site runs: fab -H user@host init",
            )
        return (*found[0], *found[1]), "in that folder"


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    """Variables filled in, in the values, as Compose does; unknown ones are empty."""
    if isinstance(value, dict):
        return {key: _filled(entry, given) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, given) for entry in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        return given.get(found["bare"] or found["name"], "") or found["or"] or ""

    return _VARIABLE.sub(fill, value)


def _project_name(document: Mapping[str, Any], given: Mapping[str, str]) -> tuple[str, str]:
    """From the file, or `.env`; the folder's name is the server's to say."""
    if name := given.get("COMPOSE_PROJECT_NAME"):
        return name, "COMPOSE_PROJECT_NAME in .env"
    if name := str(document.get("name") or ""):
        return name, "name: in the compose file"
    return "", "read from the running containers"
