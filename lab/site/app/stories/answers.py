"""What a route answers, and the few HTML pages."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A status, a body and headers of its own.

    :param pieces: in place of a body: sent one after the other, until the app stops.
    :param last: what is sent after them.
    """

    status: int
    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    pieces: Iterator[bytes] | None = None
    last: bytes = b""


def data(value: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(value).encode(), "application/json", headers)


def page(title: str, content: str, status: int = 200) -> Answer:
    """An HTML page in the site's frame."""
    text = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        '<link rel=stylesheet href="/static/site.css">'
        f"<h1>{html.escape(title)}</h1>{content}</html>"
    )
    return Answer(status, text.encode())


def redirect(target: str, *headers: tuple[str, str], status: int = 307) -> Answer:
    """Go elsewhere."""
    return Answer(status, b"", "text/plain", (("Location", target), *headers))


def home(titles: Iterable[tuple[str, str]]) -> Answer:
    """The newest stories with their authors."""
    items = "".join(
        f"<li>{html.escape(title)} <em>{html.escape(author)}</em></li>" for title, author in titles
    )
    return page("1001 Stories", f'<ul>{items}</ul><p><a href="/login">Sign in</a></p>')


def login() -> Answer:
    """The form to sign in with."""
    form = (
        '<form method="post" action="/api/auth/signin">'
        '<label>Email <input name="email" type="email"></label>'
        '<label>Password <input name="password" type="password"></label>'
        "<button>Sign in</button></form>"
    )
    return page("Sign in", form)
