"""A notification as the services want it. Pure, but for the template's file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ..commands.templates import BadTemplate, render
from ..documents.notification import Notification
from ..settings_notify import Webhook

MARKS = {
    "started": "▶️",
    "done": "✅",
    "failed": "❌",
    "taken back": "↩️",
    "needs a person": "🆘",
    "test": "🔔",
}
DISCORDS_LIMIT = 2000  # characters of a message
SLACKS_LIMIT = 3000  # what it shows without folding
_MARKDOWN = re.compile(r"([\\`*_~|>\[\]()#<])")


def body(webhook: Webhook, notification: Notification) -> bytes:
    """What is posted, JSON in UTF-8.

    :raises BadTemplate: the template does not give JSON.
    """
    if webhook.kind == "template":
        return _rendered(webhook.template, notification).encode()
    return json.dumps(_SHAPES[webhook.kind](notification)).encode()


def _slack(notification: Notification) -> dict[str, Any]:
    text = _cut(f"{MARKS[notification.event]} {notification.text}", SLACKS_LIMIT)
    return {"text": _escaped(text) + _slacks_link(notification.report), "unfurl_links": False}


def _slacks_link(report: str | None) -> str:
    if not report:
        return ""
    there = _escaped(report)
    return f" · <{there}|report>" if _is_link(report) else f" · report: {there}"


def _escaped(text: str) -> str:
    """What Slack asks for, so that no text is taken for a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _discord(notification: Notification) -> dict[str, Any]:
    report = notification.report
    link = f" · [report](<{report}>)" if report and _is_link(report) else ""
    if report and not link:
        link = f" · report: {_MARKDOWN.sub(_backslash, report)}"
    text = _MARKDOWN.sub(_backslash, notification.text)
    text = _cut(f"{MARKS[notification.event]} {text}", DISCORDS_LIMIT - len(link))
    return {"content": text + link, "allowed_mentions": {"parse": []}}


def _backslash(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _is_link(report: str) -> bool:
    return report.startswith(("https://", "http://"))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _rendered(template: str, notification: Notification) -> str:
    values = notification.model_dump()
    text = render(template, {**values, "notification": values})
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise BadTemplate(f"it does not give JSON: {error}; {{{{ NAME | tojson }}}}") from None
    return text


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_SHAPES: Mapping[str, Callable[[Notification], dict[str, Any]]] = {
    "slack": _slack,
    "discord": _discord,
    "json": Notification.model_dump,
}


def refuse_bad_template(template: str) -> None:
    """Fill it in with what is awkward: quotes, a line's end, and what is not known.

    :raises BadTemplate: it would not give JSON each time.
    """
    for event in MARKS:
        for odd in ('a "quoted" \\ word\nand a line', None):
            _rendered(template, _sample(event, odd))


def _sample(event: str, odd: str | None) -> Notification:
    fields = Notification.model_fields
    values: dict[str, Any] = {
        name: odd if field.annotation == (str | None) else odd or "x"
        for name, field in fields.items()
    }
    number = 0 if odd else None
    figures = {"requests": number, "failed_requests": number, "seconds": 0.5}
    return Notification(**{**values, "event": event, **figures})
