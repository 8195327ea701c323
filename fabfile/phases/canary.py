"""Visitors go to the new release in steps; each is watched, and the first bad one is the last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from .. import interrupts
from ..commands.nginx import refuse_bad_template
from ..commands.nginx_sides import Canary
from ..errors import BadSettings, DeployError
from ..plans.canary import CanaryPlan
from ..probes import canary_log
from ..probes.canary_log import Met
from ..probes.comparison import Finding, compare, figures
from ..server.containers import Container
from ..server.migrations import Migrations
from ..settings import Settings
from ..site import Site
from .colours import ColourRun
from .phase import Step
from .traffic import Traffic
from .watch import LOG_EVERY, Watch

FAILS = "more of the canary's requests fail than is acceptable"
SLOW = "the canary answers too slowly beside the live release"
TOO_FEW = "the canary has too few requests to be judged (canary.too_few: back)"
TRIGGERS = (FAILS, SLOW, TOO_FEW)
CANARY = "canary"  # the ledger's entry with the shares of a run
TRIES = 2  # a page that fails now and then is for the log to judge


def refuse_where_impossible(settings: Settings, shares: Sequence[int]) -> None:
    """See, before anything is contacted, that visitors can be divided.

    :raises BadSettings: nginx's configuration is the site's own, or its template knows one side.
    """
    if not shares:
        return
    if settings.nginx.manage != "whole":
        raise BadSettings(
            f"site.nginx.manage is {settings.nginx.manage!r}, and --canary divides visitors in a "
            "configuration from our template; allowed: whole",
            next_command="the same command without --canary; or set nginx.manage to whole",
        )
    refuse_bad_template(settings, shares[0])


class CanaryRun:
    """The steps between a new release that runs and one that all visitors are with.

    :param shares: percentages of the visitors, rising; empty: all of them at once.
    """

    # Set once it is known what is live.
    traffic: Traffic
    new: ColourRun

    def __init__(self, site: Site, shares: Sequence[int], migrations: Migrations) -> None:
        self.site = site
        self.migrations = migrations
        self.settings = site.settings
        self.console = site.console
        self.shares = tuple(shares)
        self.plan = CanaryPlan(self)
        self.since = ""  # when the first visitor may have met it

    def steps(self, switch_back: Callable[[], str]) -> tuple[Step, ...]:
        """Two for each share; the first has the way back of all of them.

        :param switch_back: sends all visitors back, and says so.
        """
        steps: list[Step] = []
        preview, release, plan = self.settings.nginx.preview, self.site.release, self.plan
        if preview.enabled and preview.hold_seconds:
            title = f"hold {release} for a look, before any visitor"
            steps.append(Step(title, self.hold, plan=plan.hold))
        for share in self.shares:
            send, watch = partial(self.send, share), partial(self.watch, share)
            title = f"send {share} % of visitors to {release}"
            steps += [
                Step(title, send, plan=plan.send(share)),
                Step(f"watch {share} % of visitors", watch, trigger=FAILS, plan=plan.watch),
            ]
        if not steps:
            return ()
        first, *others = steps
        return (replace(first, undo=partial(self.take_back, switch_back)), *others)

    def note(self) -> None:
        """Write the shares down, for one who resumes this run."""
        if self.shares:
            self.site.log(CANARY, shares=self.shares)

    def unread_by(self, former: Container) -> Sequence[str]:
        """The migrations whose new role the live release may not read, if visitors are divided."""
        return self.migrations.unread_by(former) if self.shares else ()

    def begin(self, traffic: Traffic, new: ColourRun) -> None:
        """It is known what is live, and what is to come."""
        self.traffic, self.new = traffic, new
        former = traffic.former.container
        for name in self.unread_by(former):
            self.console.warn(
                f"{former.name} does not say that it can read the new role of {name}; both "
                "releases run during the canary, and the new one may write it"
            )

    def hold(self) -> None:
        """Nobody is sent there yet, but who has the key may look."""
        self.traffic.share(self._canary(0))
        seconds = self.settings.nginx.preview.hold_seconds
        self.console.detail(f"for {seconds:.0f} s; how to see it: fab nginx --preview")
        self.console.detail("Ctrl-C takes it back")
        interrupts.pause(seconds)

    def send(self, share: int) -> None:
        self.since = self.since or self.site.server.now()
        self.traffic.share(self._canary(share))

    def watch(self, share: int) -> None:
        """Until enough is known of it.

        :raises DeployError: it is worse than the live release, or a page fails.
        """
        options, watch = self.settings.canary, self._pages()
        began = time.monotonic()
        end, longest = began + options.watch_seconds, began + options.longest_seconds
        due = min(end, began + LOG_EVERY)
        while True:
            watch.pages(TRIES)
            now = time.monotonic()
            if now >= due:
                new, live, finding = self._compared()
                if finding.word == "failing" or now >= (end if finding.word == "good" else longest):
                    break
                due = now + LOG_EVERY if now >= end else min(end, now + LOG_EVERY)
            interrupts.pause(min(1.0, max(0.05, due - now)))
        lines = [
            figures(f"new {self.new.release}", new),
            figures(f"live {self.traffic.former.release}", live),
        ]
        self._decide(share, finding, lines)

    def take_back(self, switch_back: Callable[[], str]) -> str:
        """Visitors back, and how many there had been."""
        words = switch_back()
        return "; ".join(filter(None, [words, self.seen()]))

    def seen(self) -> str:
        """How many visitors met the new release while others did not; empty where none could."""
        if not self.since:
            return ""
        server, release = self.site.server, self.site.release
        try:
            met = canary_log.met(server, self._nginx, self.since)[release]
            people = canary_log.visitors(server, self._nginx, self.since, release)
        except DeployError as error:  # no reason to leave anything undone
            return f"how many visitors had met it is not known: {error.reason}"
        return (
            f"{people:,} visitor{'s' * (people != 1)} met the new release in {met.requests:,} "
            f"requests, {met.failed:,} of them failed"
        )

    def summary(self) -> list[str]:
        """For the deployment's summary."""
        if not self.since:
            return []
        shares = ", ".join(f"{share} %" for share in self.shares)
        return [f"• Canary: {shares}, then all; before that {self.seen()}"]

    def _compared(self) -> tuple[Met, Met, Finding]:
        """The new release and the live one since the last step, and what to think of it."""
        met = canary_log.met(self.site.server, self._nginx, self.traffic.moved_at)
        new, live = met[self.new.release], met[self.traffic.former.release]
        enough = self.settings.canary.minimum_requests
        return new, live, compare(new, live, self.settings.limits, enough)

    def _decide(self, share: int, finding: Finding, lines: list[str]) -> None:
        """:raises DeployError: visitors are to go back."""
        for line in lines:
            self.console.detail(line)
        self.site.log("canary-judged", share=share, finding=finding.word, reason=finding.reason)
        if finding.word == "good":
            return
        if finding.word == "too few" and self.settings.canary.too_few == "go-on":
            self.console.warn(f"too few: {finding.reason}; going on (canary.too_few)")
            return
        triggers = {"slow": SLOW, "too few": TOO_FEW}
        raise DeployError(
            finding.reason,
            trigger=triggers.get(finding.word, FAILS),
            evidence="\n".join([*lines, self.new.last_logs()]),
        )

    def _canary(self, share: int) -> Canary:
        return Canary(self.new.colour, self.new.release, share)

    def _pages(self) -> Watch:
        """As a visitor of the new release, whoever else is with which."""
        traffic = self.traffic
        sides = traffic.sides(traffic.former.colour, traffic.canary)
        assert sides
        return Watch(
            self.site,
            (self.new.colour, self.new.release),
            since=traffic.moved_at,
            container=self.new.name,
            headers=sides.choosing("new"),
        )

    @property
    def _nginx(self) -> str:
        return self.site.nginx.container.name
