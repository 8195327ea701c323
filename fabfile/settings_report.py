"""Settings of the report that every run leaves."""

from __future__ import annotations

from pydantic import Field

from .settings_model import Model
from .settings_types import Word


class Report(Model):
    """The page, its text and its data, here and on the server (state folder, reports/)."""

    folder: Word = Field(
        ".deploy/reports", description="on this machine; in it a folder for each server"
    )
    keep: int = Field(
        50, ge=1, le=10_000, description="reports kept, of each server, here and there"
    )
