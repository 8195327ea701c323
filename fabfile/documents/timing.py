"""`timing --json`."""

from __future__ import annotations

from . import Document
from .pieces import Piece


class Figures(Piece):
    """Seconds, over all samples; the percentiles are by nearest rank."""

    minimum: float
    p50: float
    p90: float
    p95: float
    p99: float
    maximum: float


class Phases(Piece):
    """How long each part of a request took, and all of it.

    :param tls: null where the site has no TLS.
    :param wait: from the request's last byte to the answer's first line and headers.
    :param transfer: the rest of the answer.
    """

    dns: Figures
    connect: Figures
    tls: Figures | None
    wait: Figures
    transfer: Figures
    total: Figures


class Timing(Document):
    """Requests to the public site, each on a connection of its own.

    :param address: what was connected to.
    :param samples: good answers, of which the figures are.
    :param failed: requests with a bad answer or none; `failures` says which, with their numbers.
    :param statuses: answers by HTTP status.
    :param size: bytes of the last good answer's body.
    :param phases: null without a good answer.
    """

    command = "timing"

    url: str
    address: str
    samples: int
    failed: int
    failures: dict[str, int]
    statuses: dict[str, int]
    size: int | None
    phases: Phases | None
