"""What each step of rollback would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..commands import docker
from ..commands.compose import labels_of
from ..documents.plan import Deed
from ..phases.colours import ColourRun
from ..server.containers import Container, gone
from . import colours, switch
from . import migrations as sql
from .deeds import deed, runs
from .outlook import Outlook

if TYPE_CHECKING:
    from ..phases.rollback import Rollback


class RollbackPlan:
    """By the steps' names."""

    def __init__(self, phase: Rollback) -> None:
        self.phase = phase

    def former(self, seen: Outlook) -> ColourRun:
        """What it goes back to.

        :raises DeployError: there is nothing, or it is not there any more.
        """
        if self.phase.finish:
            return ColourRun(seen.site, seen.live.colour, seen.live.release)
        return seen.once("former", lambda: self.phase.choose(seen.live))

    def _container(self, seen: Outlook) -> Container:
        """Its container, or one that is still to be made, as its kept override describes it."""
        run = self.former(seen)
        if found := self.phase.container_of(run):
            return found
        kept = self.phase.releases.startable(run.release, run.colour)
        return gone(run.name, labels_of(kept.override if kept else ""))

    def look(self, seen: Outlook) -> Sequence[Deed]:
        live, former = seen.live, self.former(seen)
        path, container = seen.settings.app.health_path, self._container(seen)
        words = f"GET {path}: which release answers (now {live.colour} {live.release})"
        goes = (
            f"goes back to {former.colour} {former.release}; {container.name}: {container.status}"
        )
        left = [
            deed("this machine", f"left aside, as it is not needed here: {fault.reason}")
            for fault in seen.site.migrations_here.wrong.values()
        ]
        return [
            deed("public address", words),
            deed("server", goes),
            *left,
            *switch.settles(seen),
        ]

    def look_back(self, seen: Outlook) -> Sequence[Deed]:
        live = seen.live
        path = seen.settings.app.health_path
        found = f"{live.colour} {live.release}, gone back to already"
        words = f"GET {path}: which release answers ({found})"
        return [deed("public address", words), *switch.settles(seen)]

    def start(self, seen: Outlook) -> Sequence[Deed]:
        run = self.former(seen)
        found = self.phase.container_of(run)
        if found:
            running = [deed("server", f"nothing: {run.name} runs")]
            return running if found.running else runs(docker.start(run.name))
        kept = self.phase.releases.startable(run.release, run.colour)
        if kept and kept.colour != run.colour:
            return [colours.keeps(run, run.repainted(kept.override)), *colours.ups(run)]
        return colours.ups(run)

    def wait(self, seen: Outlook) -> Sequence[Deed]:
        run = self.former(seen)
        ahead = switch.tests_ahead(seen, run.colour, run.release, run.name)
        return [*ahead, *colours.waits(seen, run.name)]

    def probe(self, seen: Outlook) -> Sequence[Deed]:
        return colours.asks(seen, self.former(seen))

    def rows_back(self, seen: Outlook) -> Sequence[Deed]:
        return sql.makes_readable(seen, self.phase.migrations, self._container(seen))

    def switch(self, seen: Outlook) -> Sequence[Deed]:
        run = self.former(seen)
        return switch.moves(seen, run.colour, run.release, run.name)

    def drain(self, seen: Outlook) -> Sequence[Deed]:
        return switch.drains(seen)

    def sweep(self, seen: Outlook) -> Sequence[Deed]:
        if self.phase.finish:
            return self.rows_back(seen)
        name = self.former(seen).name
        return [deed("database", f"the same once more, for what {name} cannot read by then")]

    def stop_left(self, seen: Outlook) -> Sequence[Deed]:
        live = seen.live
        if self.phase.finish:
            name = seen.settings.app.container_of(live.idle)
            return switch.stops(seen, name, seen.site.containers.named(name))
        return switch.stops(seen, seen.settings.app.container_of(live.colour), live.container)

    def tag(self, seen: Outlook) -> Sequence[Deed]:
        image = seen.settings.app.image
        return runs(docker.tag(f"{image}:{self.former(seen).release}", f"{image}:latest"))
