"""The engine's own settings, daemon.json: log rotation merged into what is there. Pure."""

from __future__ import annotations

import json
from typing import Any

from ..errors import DeployError

FILE = "/etc/docker/daemon.json"
ROTATION = {"max-size": "20m", "max-file": "5"}
# The drivers that know these options: any other refuses them, and the engine would not start.
DRIVERS = ("json-file", "local")


def rotates(text: str) -> str:
    """What rotates the containers' logs, in words; empty where nothing does.

    :param text: what stands in the file; empty for no file.
    :raises DeployError: it cannot be read as the engine's settings.
    """
    settings = _parsed(text)
    driver = settings.get("log-driver", DRIVERS[0])
    if driver not in DRIVERS:
        return f"log-driver {driver} keeps its own rules"
    options = settings.get("log-opts") or {}
    if not ROTATION.keys() <= options.keys():
        return ""
    return ", ".join(f"{name} {options[name]}" for name in ROTATION)


def with_rotation(text: str) -> str:
    """The file with rotation; every other key, and what it says of rotation, stays.

    :raises DeployError: it cannot be read as the engine's settings.
    """
    settings = _parsed(text)
    settings["log-opts"] = {**ROTATION, **(settings.get("log-opts") or {})}
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


def _parsed(text: str) -> dict[str, Any]:
    try:
        settings = json.loads(text or "{}")
        if not isinstance(settings, dict) or not isinstance(settings.get("log-opts") or {}, dict):
            raise ValueError("a mapping is expected, with log-opts as a mapping")
    except ValueError as error:
        raise DeployError(
            f"{FILE} on the server cannot be read as the engine's settings: {error}",
            state="it was not touched; what was done before it stays",
            next_command=f"mend {FILE}, then fab setup again",
        ) from None
    return settings
