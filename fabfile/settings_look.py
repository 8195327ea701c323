"""How somebody looks at the site."""

from __future__ import annotations

from pydantic import Field

from .settings_model import Model
from .settings_types import Seconds


class Look(Model):
    """What the looking tasks do where their options say nothing."""

    watch_interval: Seconds = Field(5, description="seconds between two readings of status --watch")
    log_lines: int = Field(
        50, ge=1, le=1_000_000, description="last lines that logs shows, where no time is given"
    )
    timing_samples: int = Field(20, ge=1, le=1000, description="requests that timing sends")
