"""`lock.status --json`."""

from __future__ import annotations

from pydantic import Field

from . import Document
from .status import Lock


class LockStatus(Document):
    """The site's lock: who holds it, what that run does, and whether it lives."""

    command = "lock.status"

    path: str = Field(description="the lock's file on the server")
    lock: Lock | None = Field(description="null: it is free")
    age: float | None = Field(description="seconds since it was taken; null: free, or not known")
    content: str | None = Field(
        description="the file's beginning, where it is no lock of this version"
    )
    next: str | None = Field(description="what to do about it; null: it is free")
