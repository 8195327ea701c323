"""`logs --json`."""

from __future__ import annotations

from . import Document
from .pieces import Piece


class Line(Piece):
    """One line of a container's output.

    :param time: to the nanosecond; null where the engine gives none.
    :param source: the colour or the service.
    """

    time: str | None
    source: str
    text: str


class Logs(Document):
    """Lines of one or several containers, in the order of their times."""

    command = "logs"

    lines: list[Line]
