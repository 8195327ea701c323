"""Moving visitors from one colour to the other, the proof of it, and the way back."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from .. import interrupts
from ..commands.nginx import configuration, parse_marker
from ..errors import DeployError
from ..probes.http import Answer, Visitor, healthy
from ..probes.witness import access_log
from ..server.containers import Container
from ..server.forwarding import ForwardingRefused
from ..server.live import Live
from ..settings import Colour
from ..site import Site

LOG_EVERY = 5.0  # seconds


class PageFailed(DeployError):
    """A page did not answer as it must.

    :param path: which.
    """

    path = ""


class Traffic:
    """Visitors of one site, who are with `former` now.

    :param former: what is live, as it was read at the start.
    """

    def __init__(self, site: Site, former: Live) -> None:
        self.site = site
        self.settings = site.settings
        self.nginx = site.nginx
        self.former = former
        self.former_config = ""
        self.moved_at = ""
        self.marker = former.marker

    def settle(self) -> None:
        """Make the configuration in place the one that nginx runs.

        They differ when an operator died between the two; a restart of nginx would then go to a
        colour that may not be there.
        """
        text = self.nginx.read()
        if parse_marker(text) != self.former.marker:
            self.site.console.warn(
                "the nginx configuration in place is not the one that runs (a run ended between "
                f"the two); putting back the one for {self.former.container.name}"
            )
            text = self.config_for_former()
            self.nginx.put_in_place(text)
        self.former_config = text

    def refuse_unprovable(self) -> None:
        """:raises DeployError: no answer comes, so no switch could be proved; a 5xx is one."""
        answer = self.site.live.ask()
        if not answer.status:
            raise DeployError(
                f"{self.settings.public.url} does not answer: {answer.error}",
                evidence="a switch is proved by the answers that visitors get",
                state=f"nothing was touched; {self.former.colour} {self.former.release} is live",
                next_command="mend what the reason names (certificate, nginx, network) first",
            )

    def move(self, colour: Colour, release: str, container: str) -> None:
        """Render, test, put in place, reload, and prove that the new release answers.

        :raises DeployError: with nginx's own words, or the answer that came instead.
        """
        text = self.rendered((colour, release), container, self.former_config)
        self.nginx.put_in_place(text, keep_as=self.site.release)
        self.site.log("switching", colour=colour, to=release, container=container)
        self._go((colour, release))
        self.site.log("switched", colour=colour, to=release, former=self.former.release)

    def take_up(self, marker: tuple[str, str]) -> None:
        """Take up a switch whose run was cut off after it.

        :param marker: the colour and release that visitors are with now.
        """
        file = self.nginx.config_file().host_path
        kept = self.site.server.read(f"{file}.backup-{marker[1]}")  # as the switch kept it
        if kept is not None:
            self.former = replace(self.former, marked=bool(parse_marker(kept)[0]))
        self.former_config = self.config_for_former() if kept is None else kept
        self.moved_at, self.marker = self.site.server.now(), marker

    def take_back(self) -> bool:
        """Send visitors back to the former colour, and prove it; right also when none had left.

        :returns: whether any may have left.
        :raises DeployError: the former release does not answer.
        """
        if not self.former_config:
            return False
        if self.nginx.read() != self.former_config:
            self.nginx.put_in_place(self.former_config)
        if not self.moved_at:
            return False
        self._go(self.former.marker)
        self.site.log("taken-back", colour=self.former.colour, to=self.former.release)
        return True

    def watch(self, seconds: float, acceptable_errors: float) -> None:
        """Ask every critical page until the time is over; the first failure ends it.

        :param seconds: how long.
        :param acceptable_errors: percent of all visitors' requests answered 5xx.
        :raises DeployError: a page failed, another release answered, or errors rose.
        """
        visitor = Visitor(self.settings.public, user_agent="deploy-watch")
        critical = [
            (path, p.status) for path, p in self.settings.public.pages.items() if p.critical
        ]
        end = time.monotonic() + seconds
        log_due = time.monotonic() + LOG_EVERY
        while True:
            for path, allowed in critical:
                self._watch_page(visitor, path, allowed)
                interrupts.check()
            over = time.monotonic() >= end
            # Not each time: the engine reads a log from its start to find the last seconds.
            if over or time.monotonic() >= log_due:
                self._watch_configuration(visitor)
                self._watch_errors(acceptable_errors)
                log_due = time.monotonic() + LOG_EVERY
            if over:
                return
            interrupts.pause(min(1.0, max(0.05, end - time.monotonic())))

    def drain(self) -> bool:
        """Wait until old workers, with requests in flight to the other colour, have left.

        :returns: False when some have not in time; stopping that colour cuts them.
        """
        seconds = self.settings.deploy.drain_seconds
        drained = self.nginx.wait_until_drained(seconds)
        if not drained:
            self.site.console.warn(
                f"after {seconds:.0f} s some old nginx workers still hold connections (web "
                "sockets, long downloads); stopping the colour they go to cuts them"
            )
        return drained

    def _go(self, marker: tuple[str, str]) -> None:
        self.moved_at = self.site.server.now()
        self.marker = marker
        if self.site.meter:
            self.site.meter.mark("after" if marker != self.former.marker else "back")
        self.nginx.reload()
        self._prove(marker)

    def _prove(self, marker: tuple[str, str]) -> None:
        visitor = Visitor(self.settings.public, user_agent="deploy-proof", timeout=5)
        nginx, app = self.settings.nginx, self.settings.app
        end, proved = time.monotonic() + nginx.proof_timeout, 0
        while proved < nginx.proof_answers:
            answer = visitor.ask(app.health_path)
            right = not healthy(answer, app) and self.site.live.marker_of(answer) == marker
            proved = proved + 1 if right else 0
            if not right and time.monotonic() > end:
                raise DeployError(
                    f"the public address does not answer as {_words(marker)} "
                    f"{nginx.proof_timeout:.0f} s after the reload",
                    evidence=f"{_seen(answer)}\n{self.nginx.errors_since(self.moved_at)}",
                )
            interrupts.pause(0.05)

    def _watch_page(self, visitor: Visitor, path: str, allowed: tuple[int, ...]) -> None:
        answer = visitor.ask(path)
        if answer.status == 0 and self._answers_on_its_server():
            return  # it is our own network
        if answer.limited:
            return  # the rate limiter, not the release
        if answer.status not in allowed:
            failed = PageFailed(
                f"{path} answers {answer.status or answer.error}; allowed: "
                f"{', '.join(map(str, allowed))}",
                evidence=f"{_seen(answer)}\n{self.site.containers.last_logs(self._serving.name)}",
            )
            failed.path = path
            raise failed
        if answer.colour or self.settings.nginx.manage == "whole":
            self._refuse_other(path, (answer.colour, answer.release))

    def _watch_configuration(self, visitor: Visitor) -> None:
        if self.settings.nginx.manage == "upstream":  # else each page says it by itself
            path = self.settings.app.health_path
            self._refuse_other(path, self.site.live.marker_of(visitor.ask(path)))

    def _refuse_other(self, path: str, marker: tuple[str, str]) -> None:
        if marker != self.marker:
            raise DeployError(
                f"{path} is answered by {_words(marker)}, not by {_words(self.marker)}",
                evidence="nginx was given another configuration meanwhile",
            )

    def _answers_on_its_server(self) -> bool:
        with contextlib.suppress(ForwardingRefused):
            return self.site.live.answers_inside()
        return False

    def _watch_errors(self, acceptable: float) -> None:
        """The second witness: what nginx answered all visitors, not only us."""
        counts = access_log(self.site.server, self.nginx.container.name, self.moved_at)
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
                evidence=self.site.containers.last_logs(self._serving.name),
            )

    @property
    def _serving(self) -> Container:
        return self.site.live.read().container

    def config_for_former(self) -> str:
        """The configuration for the former release: a kept copy of it, else rendered anew."""
        former = self.former
        file = self.nginx.config_file().host_path
        for path in self.site.server.run(
            ["sh", "-c", 'ls -t -- "$1".backup-* 2>/dev/null || true', "sh", file]
        ).lines:
            text = self.site.server.read(path) or ""
            if text and parse_marker(text) == former.marker:
                return text
        marker = (former.colour, former.release)
        return self.rendered(marker, former.container.name, self.nginx.read())

    def rendered(self, marker: tuple[Colour, str], container: str, replaced: str) -> str:
        """The configuration that sends visitors to a container; nothing is written."""
        return configuration(
            self.settings,
            colour=marker[0],
            release=marker[1],
            container=container,
            version=self.nginx.version,
            former=replaced,
            known_as=[self.former.container.name],
        )


def _words(marker: tuple[str, str]) -> str:
    return f"{marker[0]} {marker[1]}" if marker[0] else "the former configuration"


def _seen(answer: Answer) -> str:
    if not answer.status:
        return f"{answer.path}: {answer.error}"
    return (
        f"{answer.path}: {answer.status}, answered by "
        f"{_words((answer.colour, answer.release))}: {answer.body[:300]}"
    )
