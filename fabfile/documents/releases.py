"""`releases --json`."""

from __future__ import annotations

from pydantic import Field

from . import Document
from .pieces import Piece


class Release(Piece):
    """One release, as its files, its image and the ledger have it."""

    release: str = Field(description="its stamp, YYYYMMDD-HHMMSS in UTC; or what was adopted")
    live: bool = Field(description="visitors are on it")
    commit: str | None = Field(description="that it was built from; null: not known")
    colours: list[str] = Field(description="that it ran as, or could be started as again")
    who: str | None = Field(description="the operator, as user@machine; null: not in the ledger")
    began: str | None = Field(description="when its run began; null: not in the ledger")
    outcome: str | None = Field(
        description="of its run: done, failed, taken back, needs a person, or cut off, which may "
        "also be at work; null: not in the ledger"
    )
    reason: str | None = Field(description="why its run did not end well; null where it did")
    image: bool = Field(description="its image is on the server")
    may_return: bool = Field(description="a rollback can go to it")
    why_not: str | None = Field(description="why none can; null where one can")


class Releases(Document):
    """The releases."""

    command = "releases"

    releases: list[Release] = Field(description="newest first")
