"""The key with which a request chooses its release: made once on the server, and kept there."""

from __future__ import annotations

import re
import secrets

from .connection import Server

HIDDEN = "0" * 32  # in place of the key, where people read


def side_key(server: Server, state: str) -> str:
    """The key, made where there is none yet; call it with the lock held.

    :param state: the state folder.
    :returns: 32 hexadecimal digits.
    """
    if found := known_side_key(server, state):
        return found
    key = secrets.token_hex(16)
    server.write(_path(state), f"{key}\n", mode=0o600)
    return key


def known_side_key(server: Server, state: str) -> str:
    """The key as it lies there; empty where there is none."""
    text = (server.read(_path(state)) or "").strip()
    return text if re.fullmatch("[0-9a-f]{32}", text) else ""


def without_key(server: Server, state: str, text: str) -> str:
    """A configuration as it may be shown."""
    key = known_side_key(server, state)
    return text.replace(key, HIDDEN) if key else text


def _path(state: str) -> str:
    return f"{state}/side-key"
