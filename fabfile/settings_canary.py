"""Settings of what comes before all visitors: some of them (canary), or the operator (preview)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .settings_model import Model
from .settings_types import HeaderName, Kind, Seconds

CookieName = Annotated[
    str, Kind("a cookie's name: small letters, digits and _, a letter first", "[a-z][a-z0-9_]*")
]


class Canary(Model):
    """`--canary 5,25,50`: visitors move in steps, each of which is watched."""

    by: Literal["cookie", "address"] = Field(
        "cookie",
        description="what a visitor is told apart by; cookie: nginx gives one to each browser, "
        "and who keeps none stays on the live release",
    )
    watch_seconds: Seconds = Field(60, description="seconds that each step is watched")
    longest_seconds: Seconds = Field(
        300, description="seconds after which a step is decided, though requests were too few"
    )
    minimum_requests: int = Field(
        50, ge=1, le=1_000_000, description="visitors' requests to the new release that say enough"
    )
    too_few: Literal["go-on", "back"] = Field(
        "go-on", description="where they were too few, and nothing was found wrong"
    )


class Preview(Model):
    """The idle release through the real nginx, for who has the key (`fab nginx --preview`)."""

    enabled: bool = Field(False, description="header, cookie, /blue/ and /green/ for that key")
    header: HeaderName = Field("X-Preview", description="request header that carries the key")
    cookie: CookieName = Field("preview", description="cookie that carries the key")
    hold_seconds: float = Field(
        0, ge=0, le=86_400, description="seconds a deploy waits before the first visitor, to look"
    )
