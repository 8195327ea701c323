"""What `notify --json` prints."""

from __future__ import annotations

from pydantic import Field

from . import Document


class ToldWebhook(Document):
    """One webhook, without its URL's secret."""

    name: str = Field(description="its host, and where its URL stands if not in the settings")
    kind: str
    events: list[str] = Field(description="what it is told of")
    timeout: float = Field(description="seconds that a run waits for it at most")
    delivered: bool | None = Field(description="--test: whether the test arrived; else null")
    problem: str | None = Field(description="why not")


class Notify(Document):
    """Who is told what happened."""

    command = "notify"

    report_url: str | None
    webhooks: list[ToldWebhook]
