"""What a release must go on doing once it has visitors: its pages answer, and errors stay rare."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from .. import interrupts
from ..errors import DeployError
from ..probes.http import Answer, Visitor
from ..probes.witness import access_log
from ..server.forwarding import ForwardingRefused
from ..site import Site

LOG_EVERY = 5.0  # seconds: the engine reads a log from its start to find the last ones


class PageFailed(DeployError):
    """A page did not answer as it must.

    :param path: which.
    """

    path = ""


class Watch:
    """Asks a release's pages as a visitor does, and reads what nginx answered all the others.

    :param marker: the colour and release that must answer; empty for a plain configuration.
    :param since: what of nginx's log counts.
    :param container: the release's, for its last words.
    :param headers: of each request, such as the one that chooses a side.
    """

    def __init__(
        self,
        site: Site,
        marker: tuple[str, str],
        *,
        since: str,
        container: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.site = site
        self.settings = site.settings
        self.marker = marker
        self.since = since
        self.container = container
        self.visitor = Visitor(self.settings.public, user_agent="deploy-watch", headers=headers)

    def until(self, seconds: float, acceptable_errors: float) -> None:
        """Ask every critical page until the time is over; the first failure ends it.

        :param seconds: how long.
        :param acceptable_errors: percent of all visitors' requests answered 5xx.
        :raises DeployError: a page failed, another release answered, or errors rose.
        """
        end = time.monotonic() + seconds
        log_due = time.monotonic() + LOG_EVERY
        while True:
            self.pages()
            over = time.monotonic() >= end
            if over or time.monotonic() >= log_due:
                self._configuration()
                self._errors(acceptable_errors)
                log_due = time.monotonic() + LOG_EVERY
            if over:
                return
            interrupts.pause(min(1.0, max(0.05, end - time.monotonic())))

    def pages(self, tries: int = 1) -> None:
        """Ask every critical page once.

        :param tries: how often in a row a page must fail.
        :raises PageFailed: one did.
        :raises DeployError: another release answered.
        """
        for path, page in self.settings.public.pages.items():
            if page.critical:
                self._page(path, page.status, tries)
                interrupts.check()

    def _page(self, path: str, allowed: tuple[int, ...], tries: int) -> None:
        answer = self.visitor.ask(path)
        if answer.status == 0 and self._answers_on_its_server():
            return  # it is our own network
        if answer.limited:
            return  # the rate limiter, not the release
        if answer.status not in allowed:
            if tries > 1:
                self._page(path, allowed, tries - 1)
                return
            failed = PageFailed(
                f"{path} answers {answer.status or answer.error}; allowed: "
                f"{', '.join(map(str, allowed))}",
                evidence=f"{seen(answer)}\n{self.site.containers.last_logs(self.container)}",
            )
            failed.path = path
            raise failed
        if answer.colour or self.settings.nginx.manage == "whole":
            self._refuse_other(path, (answer.colour, answer.release))

    def _configuration(self) -> None:
        if self.settings.nginx.manage == "upstream":  # else each page says it by itself
            path = self.settings.app.health_path
            self._refuse_other(path, self.site.live.marker_of(self.visitor.ask(path)))

    def _refuse_other(self, path: str, marker: tuple[str, str]) -> None:
        if marker != self.marker:
            raise DeployError(
                f"{path} is answered by {words(marker)}, not by {words(self.marker)}",
                evidence="nginx was given another configuration meanwhile",
            )

    def _answers_on_its_server(self) -> bool:
        with contextlib.suppress(ForwardingRefused):
            return self.site.live.answers_inside()
        return False

    def _errors(self, acceptable: float) -> None:
        """The second witness: what nginx answered all visitors, not only us."""
        counts = access_log(self.site.server, self.site.nginx.container.name, self.since)
        names = [self.marker]
        if self.settings.nginx.manage == "upstream":
            names.append(("", ""))  # a log format of the site's own: all of it, since the switch
        ours = [c for c in counts if (c.colour, c.release) in names]
        total = sum(c.count for c in ours)
        failed = sum(c.count for c in ours if c.status >= 500)
        if total < self.settings.limits.minimum_samples:
            return
        if failed * 100 > acceptable * total:
            raise DeployError(
                f"{failed} of {total} requests to the new release failed (nginx's log); "
                f"acceptable: {acceptable:g} %",
                evidence=self.site.containers.last_logs(self.container),
            )


def words(marker: tuple[str, str]) -> str:
    """A colour and release, as a person says it."""
    return f"{marker[0]} {marker[1]}" if marker[0] else "the former configuration"


def seen(answer: Answer) -> str:
    """What came, in one line."""
    if not answer.status:
        return f"{answer.path}: {answer.error}"
    return (
        f"{answer.path}: {answer.status}, answered by "
        f"{words((answer.colour, answer.release))}: {answer.body[:300]}"
    )
