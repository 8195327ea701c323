"""Compose files as text: read, laid one over the other as Compose does it, and their `.env`. Pure.

Only what `init` asks for has to be right here; a release is made from Compose's own reading.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ..errors import DeployError

# In the order in which Compose looks for them; of the overrides too it takes the first.
NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    *("compose.override.yml", "compose.override.yaml"),
    *("docker-compose.override.yml", "docker-compose.override.yaml"),
)
_ALONE = ("command", "entrypoint", "test")  # lists that do not add up
_RESET = object()  # `!reset`: what stands below is taken away


class _Instead:
    """`!override`: takes the place of what stands below, whole."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Loader(yaml.SafeLoader):
    """YAML with Compose's own tags."""


def _instead(loader: yaml.SafeLoader, node: yaml.Node) -> _Instead:
    plain = copy.copy(node)
    plain.tag = loader.resolve(type(node), node.value, (True, False))  # type: ignore[no-untyped-call]
    return _Instead(loader.construct_object(plain, deep=True))


_Loader.add_constructor("!reset", lambda loader, node: _RESET)
_Loader.add_constructor("!override", _instead)


def read(text: str, name: str) -> Any:
    """One compose file's content.

    :param name: for messages.
    :raises DeployError: it is no YAML.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise DeployError(f"{name} is no YAML", evidence=str(error)) from None


def merged(documents: Sequence[Any]) -> dict[str, Any]:
    """Several files as one: mappings and lists add up, of anything else the last one counts."""
    whole: dict[str, Any] = {}
    for document in documents:
        if isinstance(document, Mapping):
            whole = _over(whole, document, "")
    return whole


def _over(below: Any, above: Any, key: str) -> Any:
    if isinstance(above, _Instead):
        return above.value
    if key == "build":
        below, above = _built(below), _built(above)
    if isinstance(above, Mapping):
        below = _mapping(below)
        whole = {**below, **{k: _over(below.get(k), v, str(k)) for k, v in above.items()}}
        return {k: v for k, v in whole.items() if v is not _RESET}
    if isinstance(above, list) and key not in _ALONE:
        return [*_list(below), *above]
    return below if above is None else above


def _built(build: Any) -> Any:
    """`build: ./app` is short for its context."""
    return {"context": build} if isinstance(build, str) else build


def _mapping(value: Any) -> Mapping[Any, Any]:
    """Of a list, such as `environment` may be: each NAME=VALUE of it."""
    if isinstance(value, list):
        pairs = (str(entry).partition("=") for entry in value)
        return {name: text for name, _, text in pairs}
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    """Of a mapping, such as `environment` may be: NAME=VALUE each."""
    if isinstance(value, Mapping):
        return [f"{name}={text}" for name, text in value.items()]
    return value if isinstance(value, list) else [] if value is None else [value]


def variables(text: str) -> dict[str, str]:
    """What stands in a `.env` file; it may hold secrets, and is never printed."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    pairs = (line.partition("=") for line in lines)
    return {_name(name): value.strip().strip("\"'") for name, sign, value in pairs if sign}


def _name(text: str) -> str:
    return text.strip().removeprefix("export ").lstrip()


def files_by(given: Mapping[str, str]) -> tuple[str, ...]:
    """The files that COMPOSE_FILE names in a `.env`; empty where it names none."""
    separator = given.get("COMPOSE_PATH_SEPARATOR") or ":"
    files = given.get("COMPOSE_FILE", "").split(separator)
    return tuple(file.strip().removeprefix("./") for file in files if file.strip())


def profiles_by(given: Mapping[str, str]) -> tuple[str, ...]:
    """The profiles that COMPOSE_PROFILES turns on in a `.env`."""
    names = given.get("COMPOSE_PROFILES", "").split(",")
    return tuple(name.strip() for name in names if name.strip())
