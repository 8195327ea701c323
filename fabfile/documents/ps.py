"""`ps --json`."""

from __future__ import annotations

from . import Document
from .pieces import ContainerState


class Ps(Document):
    """The site's containers, running or not."""

    command = "ps"

    containers: list[ContainerState]
