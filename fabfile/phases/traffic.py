"""Moving visitors from one colour to the other, the proof of it, and the way back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from .. import interrupts
from ..commands.nginx import configuration, parse_marker
from ..commands.nginx_sides import CANARY_HEADER, Canary, Sides, canary_in
from ..errors import DeployError, Interrupted, ServerUnreachable
from ..probes.http import Visitor, healthy
from ..server.live import Live
from ..settings import Colour
from ..site import Site
from .watch import Watch, seen, words


class Traffic:
    """Visitors of one site, who are with `former` now.

    :param former: what is live, as it was read at the start.
    """

    def __init__(self, site: Site, former: Live) -> None:
        self.site = site
        self.settings = site.settings
        self.nginx = site.nginx
        self.former = former
        site.recorder.found_live(former.colour, former.release)
        self.former_config = ""
        self.moved_at = ""  # when visitors were last sent elsewhere; empty: never
        self.reloaded = False  # whether nginx was given another configuration than the former
        self._reloaded_at = ""
        self.marker = former.marker
        self.canary: Canary | None = None

    def settle(self) -> None:
        """Make the configuration in place the one that nginx runs, and one for all visitors.

        They differ when an operator died between the two; a restart of nginx would then go to a
        colour that may not be there. One who died in a canary has left visitors on two releases.
        """
        text = self.nginx.read()
        canary = self.former.canary or canary_in(text)
        if canary:
            text = self._end_canary(canary)
        elif parse_marker(text) != self.former.marker:
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

    def share(self, canary: Canary) -> None:
        """Send a part of the visitors to the idle release, and prove that both answer.

        :param canary: with a share of 0 nobody is sent there, and only the operator can look.
        :raises DeployError: with nginx's own words, or the answer that came instead.
        """
        marker = (self.former.colour, self.former.release)
        container = self.settings.app.container_of(self.former.colour)
        text = self.rendered(marker, container, self.former_config, canary)
        self._place(text)
        detail = {"colour": canary.colour, "to": canary.release, "share": canary.share}
        self.site.log("canary-switching", **detail)
        self.canary = canary
        if canary.share:
            self.site.recorder.happened(f"{canary.share} % of visitors to {canary.release}")
        self._reload(marker, "canary", visitors=canary.share > 0)
        sides = self.sides(self.former.colour, canary)
        assert sides
        self._prove(marker, sides.choosing("old"), str(canary))
        self._prove((canary.colour, canary.release), sides.choosing("new"), str(canary))
        self.site.log("canary-switched", **detail)

    def prepare(self, colour: Colour, release: str, container: str) -> None:
        """Test the configuration of `move` ahead, while its container starts; touches nothing.

        What nginx refuses is for `move` to say, which then tests again: a container that has
        ended has no name, and that is not nginx's to tell.

        :param container: it has been started.
        """
        try:
            text = self.rendered((colour, release), container, self.former_config)
            self.nginx.test_candidate(text)
        except (Interrupted, ServerUnreachable):
            raise
        except DeployError as error:
            self.site.console.detail(f"not tested ahead: {error.reason}")

    def move(self, colour: Colour, release: str, container: str) -> None:
        """Render, test, put in place, reload, and prove that the new release answers.

        :raises DeployError: with nginx's own words, or the answer that came instead.
        """
        self._place(self.rendered((colour, release), container, self.former_config))
        self.site.log("switching", colour=colour, to=release, container=container)
        self._go((colour, release), "after")
        self.site.log("switched", colour=colour, to=release, former=self.former.release)

    def take_up(self, marker: tuple[str, str]) -> None:
        """Take up a switch whose run was cut off after it.

        :param marker: the colour and release that visitors are with now.
        """
        kept = self._kept(marker[1])  # as the switch kept it
        if kept is not None:
            self.former = replace(self.former, marked=bool(parse_marker(kept)[0]))
        self.former_config = self.config_for_former() if kept is None else kept
        self.moved_at, self.marker = self.site.server.now(), marker
        self.reloaded = True

    def take_back(self) -> bool:
        """Send visitors back to the former colour, and prove it; right also when none had left.

        :returns: whether any may have left, and had not been taken back already.
        :raises DeployError: the former release does not answer.
        """
        if not self.former_config:
            return False
        if self.nginx.read() != self.former_config:
            self.nginx.put_in_place(self.former_config)
        if not self.reloaded:
            return False
        self._go(self.former.marker, "back", visitors=bool(self.moved_at))
        self.reloaded = False  # a second time there is nothing to do
        self.site.log("taken-back", colour=self.former.colour, to=self.former.release)
        return bool(self.moved_at)

    def watch(self, seconds: float, acceptable_errors: float) -> None:
        """Watch the release that visitors are with, as `Watch.until` does."""
        colour: Colour = "blue" if self.marker[0] == "blue" else "green"
        container = self.settings.app.container_of(colour)
        watch = Watch(self.site, self.marker, since=self.moved_at, container=container)
        watch.until(seconds, acceptable_errors)

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

    def sides(self, colour: Colour, canary: Canary | None) -> Sides | None:
        """The idle release beside this colour; None where nobody is to meet it.

        :param colour: the live one.
        """
        if canary is None and not self.settings.nginx.preview.enabled:
            return None
        idle: Colour = "green" if colour == "blue" else "blue"
        return Sides(idle, self.settings.app.container_of(idle), self.site.side_key, canary)

    def _end_canary(self, canary: Canary) -> str:
        """Visitors of a canary whose run has died go back to the live release, all of them.

        :returns: the configuration for them.
        """
        live = f"{self.former.colour} {self.former.release}"
        self.site.console.warn(
            f"a run ended in its canary, with {canary.share} % of the visitors on {canary.colour} "
            f"{canary.release}; taking them back to {live}"
        )
        kept = self.config_before(canary)
        self.former = replace(self.former, marked=bool(parse_marker(kept)[0]), canary=None)
        self.nginx.put_in_place(kept)
        try:
            self._go(self.former.marker, "back")
        except DeployError as error:  # it is not well itself, and nobody is kept from going on
            self.site.console.warn(f"{error.reason}: {error.evidence}")
        self.site.log("taken-back", colour=self.former.colour, to=self.former.release)
        self.drain()
        self.moved_at, self.reloaded = "", False  # this run has moved nobody yet
        return kept

    def _place(self, text: str) -> None:
        """The configuration before the first change is the one that is kept."""
        self.nginx.put_in_place(text, keep_as="" if self.reloaded else self.site.release)

    def _go(self, marker: tuple[str, str], window: str, *, visitors: bool = True) -> None:
        """All visitors to one release.

        :param visitors: some come from another.
        """
        self.canary = None
        colour, release = marker if marker[0] else (self.former.colour, self.former.release)
        self.site.recorder.sent(colour, release)
        self._reload(marker, window, visitors=visitors)
        self._prove(marker)

    def _reload(self, marker: tuple[str, str], window: str, *, visitors: bool) -> None:
        """:param visitors: they may meet another release from now on."""
        self._reloaded_at = self.site.server.now()
        if visitors:
            self.moved_at = self._reloaded_at
        self.marker, self.reloaded = marker, True
        if self.site.meter:
            self.site.meter.mark(window)
        self.nginx.reload()

    def _prove(
        self,
        marker: tuple[str, str],
        headers: Mapping[str, str] | None = None,
        canary: str = "",
    ) -> None:
        """Wait until answer after answer comes from this release.

        :param headers: of each request, such as the one that chooses a side.
        :param canary: as each answer must name it.
        """
        public, nginx, app = self.settings.public, self.settings.nginx, self.settings.app
        visitor = Visitor(public, user_agent="deploy-proof", timeout=5, headers=headers)
        end, proved = time.monotonic() + nginx.proof_timeout, 0
        while proved < nginx.proof_answers:
            answer = visitor.ask(app.health_path)
            there = (answer.colour, answer.release)
            if not canary:
                there = self.site.live.marker_of(answer)
            said = answer.headers.get(CANARY_HEADER, "")
            right = not healthy(answer, app) and there == marker and said == canary
            proved = proved + 1 if right else 0
            if not right and time.monotonic() > end:
                raise DeployError(
                    f"the public address does not answer as {words(marker)} "
                    f"{nginx.proof_timeout:.0f} s after the reload",
                    evidence=f"{seen(answer)}\n{self.nginx.errors_since(self._reloaded_at)}",
                )
            if proved < nginx.proof_answers:
                interrupts.pause(0.05)

    def _kept(self, release: str) -> str | None:
        """The configuration that a switch to this release has kept."""
        return self.site.server.read(f"{self.nginx.config_file().host_path}.backup-{release}")

    def config_before(self, canary: Canary) -> str:
        """The configuration from before a canary, for all visitors."""
        kept = self._kept(canary.release)
        marker = parse_marker(kept) if kept else ("", "")
        if kept is None or (marker[0] and marker != self.former.marker):
            return self.config_for_former()
        return kept

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

    def rendered(
        self,
        marker: tuple[Colour, str],
        container: str,
        replaced: str,
        canary: Canary | None = None,
    ) -> str:
        """The configuration that sends visitors to a container; nothing is written."""
        return configuration(
            self.settings,
            colour=marker[0],
            release=marker[1],
            container=container,
            version=self.nginx.version,
            former=replaced,
            known_as=[self.former.container.name],
            sides=self.sides(marker[0], canary),
        )
