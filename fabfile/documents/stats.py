"""`stats --json`."""

from __future__ import annotations

from . import Document
from .pieces import Usage


class Stats(Document):
    """What the running containers use, in one reading."""

    command = "stats"

    containers: list[Usage]
