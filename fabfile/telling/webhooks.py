"""Posting to a webhook, on a thread of its own: nobody waits for it beyond its time limit."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import requests

from ..commands.templates import BadTemplate
from ..documents.notification import Notification
from ..settings_notify import Webhook, is_url
from .shapes import body

_THREAD = "webhook"
_ANSWER_SHOWN = 100  # bytes of a refusal's body


class NoAddress(Exception):
    """The URL is not where the settings say; in words."""


class Delivery:
    """One message on its way to one webhook."""

    def __init__(self, webhook: Webhook, notification: Notification) -> None:
        self.webhook = webhook
        self._problem = f"no answer within {webhook.timeout:g} s"
        self._until = time.monotonic() + webhook.timeout
        # A daemon: one that hangs does not keep the process from its end.
        self._thread = threading.Thread(
            target=self._deliver, args=(notification,), name=_THREAD, daemon=True
        )
        self._thread.start()

    def wait(self) -> str:
        """Wait for its end, or for that of its time.

        :returns: why it was not delivered, without the URL; empty where it was.
        """
        self._thread.join(max(0.0, self._until - time.monotonic()))
        return self._problem

    def _deliver(self, notification: Notification) -> None:
        try:
            problem = _post(self.webhook, notification)
        except NoAddress as error:
            problem = str(error)
        except BadTemplate as error:
            problem = f"its template: {error}"
        except Exception as error:  # whatever it is, no run fails because of it
            problem = _explained(error, self.webhook.timeout)
        self._problem = problem


def name_of(webhook: Webhook) -> str:
    """How it is called where people read: by its host, and by where its URL stands."""
    place = webhook.url if webhook.url.startswith(("env:", "file:")) else ""
    try:
        host = urlsplit(url_of(webhook)).netloc
    except NoAddress:
        return place
    return f"{host} ({place})" if place else host


def url_of(webhook: Webhook) -> str:
    """:raises NoAddress: the variable or the file does not hold one."""
    where, _, name = webhook.url.partition(":")
    if where == "env":
        url, place = os.environ.get(name, ""), f"the variable {name}"
    elif where == "file":
        url, place = _first_line(Path(name).expanduser()), name
    else:
        return webhook.url
    if not is_url(url):
        raise NoAddress(f"{place} holds no URL" if url else f"{place} is empty or not there")
    return url


def masked(text: str, webhooks: Iterable[Webhook]) -> str:
    """A text that is not ours, without the secrets of these webhooks."""
    for webhook in webhooks:
        with contextlib.suppress(NoAddress):
            text = hidden(text, url_of(webhook))
    return text


def hidden(text: str, url: str) -> str:
    """A text without what is secret of a URL."""
    secret = url.partition("://")[2].partition("/")[2]
    return text.replace(secret, "…") if secret else text


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise NoAddress(f"{path}: {reason}") from None


def _post(webhook: Webhook, notification: Notification) -> str:
    url = url_of(webhook)
    with requests.post(
        url,
        data=body(webhook, notification),
        headers={"Content-Type": "application/json", "User-Agent": "deploy-notify"},
        timeout=webhook.timeout,
        allow_redirects=False,  # the secret is for this host alone
        stream=True,
    ) as answer:
        if 200 <= answer.status_code < 300:
            return ""
        said = answer.raw.read(_ANSWER_SHOWN, decode_content=True).decode(errors="replace")
    words = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    words = hidden(words, url)
    return f"answered {answer.status_code}{f': {words}' if words else ''}"


def _explained(error: Exception, timeout: float) -> str:
    """In words of our own: the library's name the URL."""
    if isinstance(error, requests.Timeout):
        return f"no answer within {timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or it speaks no TLS"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy of this machine's environment does not let it through"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached, or it ended the connection"
    return f"not sent: {type(error).__name__}"


def _is_ours(record: logging.LogRecord) -> bool:
    return record.threadName != _THREAD


for _name in ("connectionpool", "util.retry"):  # with --debug they would log the URL
    logging.getLogger(f"urllib3.{_name}").addFilter(_is_ours)
del _name
