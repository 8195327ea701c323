"""`doctor --json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from . import Document
from .pieces import Piece


class DoctorCheck(Piece):
    """One entry of the pre-deployment checklist."""

    group: str
    name: str
    verdict: Literal["pass", "warn", "fail", "skip"] = Field(
        description="skip: it could not be asked, because another one failed"
    )
    found: str
    why: str = Field(description="why it matters")
    mend: str | None = Field(description="what to do about it; null where it is well")


class Doctor(Document):
    """The guide's pre-deployment checklist."""

    command = "doctor"

    site: str
    server: str
    ready: bool = Field(description="for a deploy: no check failed")
    checks: list[DoctorCheck]
