"""What each step of a canary would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..commands.nginx_sides import Canary
from ..documents.plan import Deed
from . import switch
from .deeds import deed
from .outlook import Outlook, Plan

if TYPE_CHECKING:
    from ..phases.canary import CanaryRun

TOO_FEW = {"go-on": "it goes on, with a warning", "back": "it goes back"}


class CanaryPlan:
    """By the steps' names."""

    def __init__(self, run: CanaryRun) -> None:
        self.run = run

    def begins(self, seen: Outlook) -> list[Deed]:
        """What is known of it before the first step."""
        name = seen.live.container.name
        words = f"{name} does not say that it can read the new role of "
        both = "; both releases run meanwhile, and the new one may write it"
        unread = self.run.unread_by(seen.live.container)
        return [deed("database", f"a risk: {words}{one}{both}") for one in unread]

    def hold(self, seen: Outlook) -> Sequence[Deed]:
        seconds = seen.settings.nginx.preview.hold_seconds
        words = f"waits {seconds:g} s; fab nginx --preview says how to look at it; Ctrl-C: back"
        return [*switch.shares(seen, self._canary(seen, 0)), deed("this machine", words)]

    def send(self, share: int) -> Plan:
        """So many percent of the visitors."""

        def plan(seen: Outlook) -> Sequence[Deed]:
            return switch.shares(seen, self._canary(seen, share))

        return plan

    def watch(self, seen: Outlook) -> Sequence[Deed]:
        options, limits = seen.settings.canary, seen.settings.limits
        pages, nginx = ", ".join(switch.critical(seen)), seen.site.nginx.container.name
        longest = max(options.watch_seconds, options.longest_seconds)
        return [
            deed(
                "public address",
                f"GET {pages}, as a visitor of the new release, for {options.watch_seconds:g} s",
            ),
            deed(
                "server",
                f"docker logs {nginx}: the new release beside the live one: at most "
                f"{limits.error_percent:g} % failed or no more than there, and p95 at most "
                f"{limits.slower_than_baseline:g} times that; else all visitors go back",
            ),
            deed(
                "server",
                f"with fewer than {options.minimum_requests} requests it is watched up to "
                f"{longest:g} s; then {TOO_FEW[options.too_few]}",
            ),
        ]

    def _canary(self, seen: Outlook, share: int) -> Canary:
        return Canary(seen.live.idle, seen.site.release, share)
