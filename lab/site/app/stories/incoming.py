"""What a request says, read from its line, its headers and its body."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlsplit

COOKIE = "next-auth.session-token"


@dataclass(frozen=True)
class Request:
    """What a route may want to know.

    :param proxied: it came through nginx.
    :param socket_key: of a web socket's handshake.
    """

    method: str
    path: str
    proxied: bool = False
    token: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    socket_key: str = ""


def read_request(command: str, target: str, headers: Message, body: bytes) -> Request:
    """A request from its parts; raises ValueError where they make no sense."""
    method = "GET" if command == "HEAD" else command
    parts = urlsplit(target)
    form = _form(headers.get_content_type(), body.decode())
    proxied = "X-Forwarded-For" in headers
    key = headers.get("Sec-WebSocket-Key", "")
    query = dict(parse_qsl(parts.query))
    return Request(method, parts.path, proxied, _token(headers), query, form, key)


def _token(headers: Message) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("Cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def _form(kind: str, text: str) -> dict[str, str]:
    if not text:
        return {}
    if kind != "application/json":
        return dict(parse_qsl(text))
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("an object is wanted")
    return {str(name): str(content) for name, content in value.items()}
