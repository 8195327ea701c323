"""What a webhook of the kind `json` is sent, and a template fills in."""

from __future__ import annotations

from pydantic import Field

from . import Document


class Notification(Document):
    """A run has started, or how it ended."""

    event: str = Field(description="started, done, failed, taken back, needs a person or test")
    text: str = Field(description="all of it in one line, without the link")
    site: str = Field(description="its name in the settings")
    server: str
    url: str = Field(description="the public one")
    task: str
    release: str = Field(description="the stamp of the run: in a deploy, of what it makes")
    phase: str | None = Field(description="in which it failed")
    live_release: str | None = Field(description="what visitors are on now")
    colour: str | None = Field(description="and its colour")
    former_release: str | None = Field(description="what they were on when the run began")
    reason: str | None
    trigger: str | None = Field(description="the rollback trigger that fired, in the guide's words")
    taken_back: str | None
    state: str | None = Field(description="which the site is in, where the run did not end well")
    requests: int | None = Field(description="sent by the run's meter")
    failed_requests: int | None
    seconds: float = Field(description="since the run began")
    report: str | None = Field(description="URL or path of its report")
    who: str = Field(description="the operator, and on which machine")
    time: str
