"""`validate-deployment --json`."""

from __future__ import annotations

from pydantic import Field

from . import Document
from .pieces import PhaseRun


class ValidateDeployment(Document, PhaseRun):
    """What the validation found; a critical failure takes a deploy back."""

    command = "validate-deployment"

    colour: str | None = Field(description="that was looked at; null: what is live is not known")
    live_release: str | None = Field(description="that was looked at; null likewise")
    report: str | None = Field(description="its path on the server; null: it was not written")
