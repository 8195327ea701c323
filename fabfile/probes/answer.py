"""What came back from one request, and what a healthy one looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from requests.structures import CaseInsensitiveDict

from ..settings import App

COLOUR_HEADER = "X-Deploy-Colour"
RELEASE_HEADER = "X-Deploy-Release"
# How nginx's own error page ends; a release's 503 comes with the release's own body.
_NGINX_PAGE = "<center>nginx"


@dataclass(frozen=True)
class Answer:
    """One request and what came of it.

    :param status: the HTTP status; 0 when no answer came.
    :param headers: the answer's headers, any case.
    :param body: the first 64 KiB, as text.
    :param seconds: from the request (with its connection, where it was new) to the last byte.
    :param error: one line such as `ConnectTimeout: …`; empty when an answer came.
    :param started: when it was sent, seconds since 1970.
    :param resent: the kept-alive connection was closed under the request before any byte of an
        answer, and it was sent once more on a new one.
    :param set_cookie: its Set-Cookie headers, one by one; they hold secrets.
    """

    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict)
    body: str = ""
    seconds: float = 0.0
    error: str = ""
    started: float = 0.0
    resent: bool = False
    set_cookie: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """A 2xx or 3xx."""
        return 200 <= self.status < 400

    @property
    def colour(self) -> str:
        """The colour that nginx sent it to; empty where nginx does not say."""
        return self.headers.get(COLOUR_HEADER, "")

    @property
    def release(self) -> str:
        """The release that nginx sent it to; empty where nginx does not say."""
        return self.headers.get(RELEASE_HEADER, "")

    @property
    def limited(self) -> bool:
        """Turned away by a rate limit: not the release's fault.

        429 is the limiter's in our configuration; nginx's default for it is a 503 with its own
        page (a stopped or broken app is a 502 or 504 there).
        """
        return self.status == 429 or (self.status == 503 and _NGINX_PAGE in self.body)

    @property
    def found(self) -> str:
        """Status or error in a few words, for a report."""
        if not self.status:
            return self.error or "no answer"
        limited = " (rate limit)" if self.limited else ""
        location = self.headers.get("Location", "")
        return f"{self.status}{limited}" + (f" to {location}" if location else "")


def healthy(answer: Answer, app: App) -> str:
    """Whether a health answer is what the settings say.

    :returns: empty when it is; else one line with what was expected and found.
    """
    if not answer.status:
        return f"expected a health answer from {answer.path}, found {answer.error or 'nothing'}"
    seen = f"{answer.status} {' '.join(answer.body.split())[:200]}".rstrip()
    if answer.status != 200:
        return f"expected 200 from {answer.path}, found {seen}"
    if not app.health_status and not app.health_database:
        return ""
    try:
        body = json.loads(answer.body)
    except json.JSONDecodeError:
        return f"expected JSON from {answer.path}, found {seen}"
    status = _member(body, "status")
    if app.health_status and status not in app.health_status:
        return f"expected status {' or '.join(app.health_status)}, found {seen}"
    if app.health_database and _member(body, "database") != app.health_database:
        return f"expected database {app.health_database}, found {seen}"
    return ""


def database_in(answer: Answer) -> str:
    """What a health answer says of the database; empty where it says nothing."""
    try:
        body = json.loads(answer.body)
    except json.JSONDecodeError:
        return ""
    return str(_member(body, "database") or "")


def _member(body: object, name: str) -> object:
    return body.get(name) if isinstance(body, dict) else None
