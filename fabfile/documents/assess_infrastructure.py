"""`assess-infrastructure --json`."""

from __future__ import annotations

from pydantic import Field

from . import Document
from .pieces import PhaseRun


class AssessInfrastructure(Document, PhaseRun):
    """What the assessment found, and the backup that it made."""

    command = "assess-infrastructure"

    backup: str | None = Field(description="its name; null: it was not made")
