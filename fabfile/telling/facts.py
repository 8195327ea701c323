"""What is told of a run: how it ended, and the notification made of it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..documents.notification import Notification
from ..server.ledger import operator
from ..settings_notify import ENDS
from .words import sentence

if TYPE_CHECKING:
    from ..site import Site


@dataclass(frozen=True)
class End:
    """How a run ended, in the words of its error.

    :param outcome: one of the events that a webhook is told of; empty while it goes on.
    """

    outcome: str = ""
    reason: str = ""
    trigger: str = ""
    taken_back: str = ""
    state: str = ""

    @staticmethod
    def of(outcome: Mapping[str, object], error: BaseException | None) -> End:
        """:param outcome: as the ledger has it."""
        words = {name: str(outcome.get(name, "")) for name in ("reason", "trigger", "taken_back")}
        ended = str(outcome["outcome"])
        return End(
            ended if ended in ENDS else "needs a person",  # the lock is another run's
            state=getattr(error, "state", ""),
            **words,
        )


def notification(site: Site, event: str, **told: object) -> Notification:
    """What webhooks are sent.

    :param told: values of the document beside those of the site; what is not given is not known.
    """
    values: dict[str, Any] = {
        **dict.fromkeys(Notification.model_fields),
        "event": event,
        "site": site.settings.name,
        "server": str(site.server),
        "url": site.settings.public.url,
        "release": site.release,
        "who": f"{operator()}@{socket.gethostname()}",
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **told,
    }
    if event in ENDS:
        values["report"] = _report(site)
    values["text"] = " ".join((values["text"] or sentence(values)).split())
    return Notification(**values)


def _report(site: Site) -> str | None:
    """Where the run's report is to be seen; None where it has none."""
    if not site.report:
        return None
    url = site.settings.notify.report_url
    for name, value in (("release", site.release), ("file", quote(Path(site.report).name))):
        url = url.replace(f"{{{name}}}", value)
    return url or site.report
