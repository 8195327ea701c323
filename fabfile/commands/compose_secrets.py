"""A compose file as it may be shown: without what a service's environment holds. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import yaml

HIDDEN = "(hidden)"
TELLING = 6  # characters from which a value is looked for elsewhere too


def without_secrets(text: str) -> str:
    """An override with every value of an environment hidden, there and in commands.

    :param text: as `compose.override` renders it; comments before the document stay.
    """
    head = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True))
    document = yaml.safe_load(text)
    document["services"] = {n: _hidden(s) for n, s in document["services"].items()}
    for kind in ("secrets", "configs"):
        for one in (document.get(kind) or {}).values():
            if one and "content" in one:
                one["content"] = HIDDEN
    return "".join(head) + str(yaml.safe_dump(document, sort_keys=False))


def _hidden(service: Mapping[str, Any]) -> dict[str, Any]:
    environment = service.get("environment") or {}
    if not isinstance(environment, Mapping):
        pairs = (str(entry).partition("=") for entry in environment)
        environment = {name: value for name, _, value in pairs}
    values = {str(v) for v in environment.values() if v is not None and len(str(v)) >= TELLING}
    shown = {
        key: _cleaned(value, values) if key in ("command", "entrypoint", "healthcheck") else value
        for key, value in service.items()
    }
    if environment:
        shown["environment"] = dict.fromkeys(environment, HIDDEN)
    return shown


def _cleaned(value: Any, secrets: Collection[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _cleaned(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner, secrets) for inner in value]
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            value = value.replace(secret, HIDDEN)
    return value
