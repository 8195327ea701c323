"""A site as its folder on this machine has it; nothing is run and nobody is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import DeployError
from ..probes.answer import Answer
from .nginx_files import MAIN, OF_THE_IMAGE
from .place import Project
from .ports import next_free
from .services import Service, in_document
from .tables import Table

# In the order in which Compose looks for them.
NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = ("compose.override.yml", "docker-compose.override.yml")
_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>\w+)|\{(?P<name>\w+)(?::?[-?](?P<or>[^}]*))?\})"
)


class OnDisk:
    """A folder with a compose file.

    :raises DeployError: there is none, or it is not YAML.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        path = next((self.folder / n for n in NAMES if (self.folder / n).is_file()), None)
        if path is None:
            raise DeployError(
                f"no compose file in {self.folder}",
                evidence=f"looked for {', '.join(NAMES)}",
                next_command="init --folder FOLDER; or, where the site runs: fab -H user@host init",
            )
        variables = _variables(self.folder / ".env")
        document = _document(path, variables)
        name, origin = _project_name(document, variables)
        services = in_document(document, path.name)
        overrides = [name for name in OVERRIDES if (self.folder / name).is_file()]
        self.project = Project(str(self.folder), path.name, name, origin, services, overrides)

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


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def _document(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    try:
        document = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise DeployError(f"{path} is no YAML", evidence=str(error)) from None
    filled = _filled(document, variables)
    return filled if isinstance(filled, dict) else {}


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """Variables filled in, in the values, as Compose does; unknown ones are empty."""
    if isinstance(value, dict):
        return {key: _filled(entry, variables) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, variables) for entry in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        return variables.get(found["bare"] or found["name"], "") or found["or"] or ""

    return _VARIABLE.sub(fill, value)


def _variables(path: Path) -> dict[str, str]:
    """What stands in a `.env` file; it may hold secrets, and is never printed."""
    lines = _text(path).splitlines() if path.is_file() else []
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, sign, value in pairs if sign}


def _project_name(document: Mapping[str, Any], variables: Mapping[str, str]) -> tuple[str, str]:
    """From the file, or `.env`; the folder's name is the server's to say."""
    if name := variables.get("COMPOSE_PROJECT_NAME"):
        return name, "COMPOSE_PROJECT_NAME in .env"
    if name := str(document.get("name") or ""):
        return name, "name: in the compose file"
    return "", "read from the running containers"
