"""One run as others are told of it: webhooks at its start and end, hooks when it has failed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import interrupts
from ..documents.notification import Notification
from ..errors import DeployError, Interrupted
from ..server.live import Live
from ..settings_hooks import PHASES, Hook, When
from .facts import End, notification
from .hooks import title
from .webhooks import Delivery, name_of

if TYPE_CHECKING:
    from ..site import Site


class Telling:
    """Of one site; what it does can neither fail nor hold up a run."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.failed: list[str] = []  # the phases of this run that have failed
        self._task = ""  # that is under way and told of
        self._began = 0.0
        self._measured = 0  # measurements of earlier runs of this process
        self._under_way: list[Delivery] = []

    def begin(self, task: str) -> None:
        """A run has the lock, and begins; nobody is waited for."""
        self._task = task if task in PHASES else ""
        self._began, self._measured = time.monotonic(), len(self.site.measurements)
        self.failed, self._under_way = [], []
        self.site.live.first, self.site.report = None, ""
        if self._task and self.site.hooks.all:
            self._live()
        with self._quietly():
            self._send("started", End())

    def end(self, end: End) -> None:
        """It has ended, and the lock is free: tell the webhooks, run the hooks of a failure."""
        if not self._task:
            return
        with self._quietly():
            with interrupts.masked():
                self._send(end.outcome, end)
            if end.outcome != "done":
                self._run_failed(end)
            self._say_undelivered()
        self._task = ""

    def told(self, phase: str, when: When, end: End | None = None) -> dict[str, str]:
        """What a hook has in its environment, by names in lower case."""
        end, first = end or End(), self.site.live.first
        live = self._live_after(end) if end.outcome else self._live()
        settings = self.site.settings
        return {
            "task": self._task,
            "phase": phase,
            "when": when,
            "outcome": end.outcome,
            "reason": end.reason,
            "state": end.state,
            "release": self.site.release,
            "live_release": live.release if live else "",
            "colour": live.colour if live else "",
            "former_release": first.release if first else "",
            "site": settings.name,
            "server": str(self.site.server),
            "url": settings.public.url,
            "report": self.site.report,
        }

    # -- how -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Whatever goes wrong, the run goes on, and its outcome stays what it is."""
        try:
            yield
        except Exception as error:
            self.site.console.warn(f"not everybody was told: {type(error).__name__}")

    def _send(self, event: str, end: End) -> None:
        webhooks = self.site.settings.notify.webhooks if self._task else ()
        asked = [one for one in webhooks if event in one.events]
        if asked:
            message = self._notification(event, end)
            self._under_way += [Delivery(one, message) for one in asked]

    def _notification(self, event: str, end: End) -> Notification:
        live, first = self._live_after(end), self.site.live.first
        measured = self.site.measurements[self._measured :]
        return notification(
            self.site,
            event,
            task=self._task,
            phase=self.failed[0] if self.failed else None,
            live_release=live.release if live else None,
            colour=live.colour if live else None,
            former_release=first.release if first else None,
            reason=end.reason or None,
            trigger=end.trigger or None,
            taken_back=end.taken_back or None,
            state=end.state or None,
            requests=sum(one.sent for one in measured) if measured else None,
            failed_requests=sum(one.failed for one in measured) if measured else None,
            seconds=round(time.monotonic() - self._began, 1),
        )

    def _run_failed(self, end: End) -> None:
        """Each hook once a run, for the phase that failed, or else for the task around it."""
        first_failed: dict[Hook, str] = {}
        for name in (*self.failed, self._task):
            for hook in self.site.hooks.of(name, "failed"):
                first_failed.setdefault(hook, name)
        if first_failed:  # nobody waits for them to learn why
            self.site.console.warn(f"{self._task}, {end.outcome}: {end.reason}")
            interrupts.settled()  # what a signal asked for is done: the run has ended
        for hook, phase in first_failed.items():
            try:
                with self.site.console.step(title(hook)):
                    self.site.hooks.run(hook, phase, "failed", end=end)
            except Interrupted:
                return

    def _say_undelivered(self) -> None:
        for delivery in self._under_way:
            if problem := delivery.wait():
                self.site.console.warn(f"webhook {name_of(delivery.webhook)}: {problem}")

    def _live_after(self, end: End) -> Live | None:
        """What visitors are on, where it is known without waiting for a site that is down."""
        if end.outcome in ("done", "taken back"):
            return self._live()
        return self.site.live.first if end.outcome == "failed" else None

    def _live(self) -> Live | None:
        try:
            return self.site.live.read()
        except DeployError:
            return None
