"""`health --json`."""

from __future__ import annotations

from typing import Literal

from . import Document
from .pieces import Piece


class HealthCheck(Piece):
    """One question after the site's health.

    :param where: public: as visitors ask; nginx: a colour through nginx, by its own path;
        container: a colour itself, on the server.
    :param colour: the colour that was asked, or that answered; null where that is not known.
    :param live: it is what visitors get.
    :param asked: the address; null where there was nothing to ask.
    :param status: the HTTP status; null where no answer came.
    :param seconds: until the answer; null where none came.
    :param engine: what the container's own health check says; null without one.
    :param healthy: null where it does not run, and need not.
    :param found: the answer's body, or what is wrong, in one line.
    """

    where: Literal["public", "nginx", "container"]
    colour: str | None
    live: bool
    asked: str | None
    status: int | None
    seconds: float | None
    engine: str | None
    healthy: bool | None
    found: str


class Health(Document):
    """The site's health.

    :param healthy: the public address and the live colour are.
    """

    command = "health"

    healthy: bool
    checks: list[HealthCheck]
