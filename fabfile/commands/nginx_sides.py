"""Two releases behind one nginx: who meets which. Pure: nothing is run here.

`old` is the live release, `new` the idle one. A visitor's side comes from a share (a canary);
who has the key, the operator and the deploy's own probes, chooses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import BadSettings
from ..settings import Settings
from .templates import render

TEMPLATE = "nginx-sides.conf.j2"
# What the probes send to choose a side, with the key: `<key>-new`, `<key>-old`.
SIDE_HEADER = "X-Deploy-Side"
LIVE_HEADER = "X-Deploy-Live"  # what is live, though another release answered
CANARY_HEADER = "X-Deploy-Canary"
COOKIE_SECONDS = 7 * 86_400  # longer than any canary
NOT_NAMED = "preview"  # the release of an idle colour that no deploy has put there just now

Which = Literal["new", "old"]
_SHARE = r"(blue|green) (\S+) (\d+)"
_IN_A_FILE = re.compile(rf"^# deploy: canary {_SHARE}$", re.MULTILINE)


@dataclass(frozen=True)
class Canary:
    """The idle release, and the percentage of visitors who are with it; 0: only the operator."""

    colour: str
    release: str
    share: int

    def __str__(self) -> str:
        return f"{self.colour} {self.release} {self.share}"


@dataclass(frozen=True)
class Sides:
    """What a configuration for two releases needs beside the live one.

    :param container: the idle colour's, as Docker's DNS knows it.
    :param key: who sends it chooses the side; lower-case hexadecimal.
    :param canary: None where no deploy is at work, and only the idle colour can be looked at.
    """

    colour: str
    container: str
    key: str
    canary: Canary | None = None

    @property
    def release(self) -> str:
        return self.canary.release if self.canary else NOT_NAMED

    @property
    def share(self) -> int:
        return self.canary.share if self.canary else 0

    def choosing(self, which: Which) -> dict[str, str]:
        """The request header that chooses a side."""
        return {SIDE_HEADER: f"{self.key}-{which}"}


def canary_in(config: str) -> Canary | None:
    """The canary that a configuration of ours has; None where all visitors are on one release."""
    found = _IN_A_FILE.search(config)
    return Canary(found[1], found[2], int(found[3])) if found else None


def canary_of(header: str) -> Canary | None:
    """The same, as an answer's header says it."""
    found = re.fullmatch(_SHARE, header)
    return Canary(found[1], found[2], int(found[3])) if found else None


def parse_shares(text: str) -> tuple[int, ...]:
    """What `--canary` says; nothing for nothing.

    :raises BadSettings: it says something else.
    """
    parts = [part.strip() for part in text.split(",")] if text else []
    shares = [int(part) if re.fullmatch("[0-9]{1,2}", part) else 0 for part in parts]
    if 0 in shares or shares != sorted(set(shares)):
        raise BadSettings(
            f"--canary is {text!r}; allowed: rising whole numbers from 1 to 99, for instance "
            "5,25,50"
        )
    return tuple(shares)


def for_template(
    settings: Settings, sides: Sides | None, *, colour: str, release: str, container: str
) -> dict[str, Any]:
    """What the template says of the side that a request goes to.

    Without sides it is the live one, by its name; with them nginx finds it for each request.

    :param colour: of the live release, as `release` and `container`.
    """
    plain: dict[str, Any] = {"colour": colour, "release": release, "to": "live"}
    if sides is None:
        return {"side": plain, "sides": "", "canary": "", "sets_cookie": False, "previews": False}
    preview = settings.nginx.preview
    sets_cookie = bool(sides.share) and settings.canary.by == "cookie"
    text = render(
        TEMPLATE,
        {
            "old": plain | {"container": container},
            "new": sides,
            "port": settings.app.port,
            "canary": sides.canary or "",
            "share": sides.share,
            "sets_cookie": sets_cookie,
            "cookie_seconds": COOKIE_SECONDS,
            "key": sides.key,
            "preview_header": preview.header.lower().replace("-", "_") if preview.enabled else "",
            "preview_cookie": preview.cookie,
        },
    )
    return {
        "side": {"colour": "$deploy_colour", "release": "$deploy_release", "to": "$deploy_to"},
        "sides": text,
        "canary": sides.canary or "",
        "sets_cookie": sets_cookie,
        "previews": preview.enabled,
        "preview_header": preview.header,
    }
