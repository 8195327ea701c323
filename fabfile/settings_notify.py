"""Settings of the webhooks that are told how a run ended."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from .settings_model import Model
from .settings_types import Kind, Seconds, Word

Event = Literal["started", "done", "failed", "taken back", "needs a person"]
ENDS: tuple[Event, ...] = ("done", "failed", "taken back", "needs a person")
_URL = r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?"

# In a file, its whole address is the secret; so it may stand elsewhere.
Address = Annotated[
    str,
    Kind(
        "a URL from https://, env:NAME or file:PATH",
        rf"{_URL}|env:[A-Za-z_][A-Za-z0-9_]*|file:.*\S.*",
        secret=True,
    ),
]
ReportUrl = Annotated[
    str,
    Kind(
        "a URL from https://, in which {release} and {file} are filled in; or nothing",
        _URL,
        lambda url: not re.search(r"[{}]", re.sub(r"\{(release|file)\}", "", url)),
        empty=True,
    ),
]


def is_url(text: str) -> bool:
    """Whether it is one that a webhook can have."""
    return bool(re.fullmatch(_URL, text))


class Webhook(Model):
    """One address that is told."""

    url: Address = Field(
        description="where to; a secret, shown nowhere. env:NAME: it stands in that variable; "
        "file:PATH: in that file of this machine",
        repr=False,
        exclude=True,
    )
    kind: Literal["slack", "discord", "json", "template"] = Field(
        "json", description="the shape: Slack's, Discord's, our JSON document, or your template's"
    )
    template: Word = Field(
        "webhook.json.j2", description="template: Jinja2 that gives JSON; in templates/, or a path"
    )
    events: tuple[Event, ...] = Field(ENDS, min_length=1, description="what it is told of")
    timeout: Seconds = Field(5, description="seconds that a run waits for it at most")


class Notify(Model):
    """Who is told what happened."""

    report_url: ReportUrl = Field(
        "",
        description="where a run's report is to be seen; {file}: its name; empty: its path is told",
    )
    webhooks: tuple[Webhook, ...] = Field((), description="addresses that are told")
