"""What each step of blue-green-deploy would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..commands import docker
from ..documents.plan import Deed
from ..phases.colours import ColourRun
from ..phases.traffic import Traffic
from ..server.containers import FORMER_LABEL, READS_LABEL
from . import colours, switch
from . import migrations as sql
from .deeds import deed, runs
from .outlook import Outlook

if TYPE_CHECKING:
    from ..phases.blue_green import BlueGreen

UNLESS = "unless the new image says that it cannot read them: "
UNKNOWN_COMMIT = "COMMIT"  # stands for what only the delivery finds out


class BlueGreenPlan:
    """By the steps' names."""

    def __init__(self, phase: BlueGreen) -> None:
        self.phase = phase

    def _new(self, seen: Outlook) -> ColourRun:
        return ColourRun(seen.site, seen.live.idle, seen.site.release)

    # -- before the switch ---------------------------------------------------------------------

    def look(self, seen: Outlook) -> Sequence[Deed]:
        live, nginx = seen.live, seen.site.nginx
        seen.once("switchable", nginx.refuse_unswitchable)
        Traffic(seen.site, live).refuse_unprovable()
        self.phase.migrations.refuse_changed()
        found = f"now {live.colour} {live.release} ({live.container.name}); idle: {live.idle}"
        words = f"GET {seen.settings.app.health_path}: which release answers ({found})"
        read = deed("server", f"reads {nginx.config_file().host_path}: whether it can be switched")
        risks = self.phase.canary.plan.begins(seen)
        return [deed("public address", words), read, *risks, *switch.settles(seen)]

    def deliver(self, seen: Outlook) -> Sequence[Deed]:
        source, settings = self.phase.source, seen.settings.source
        if settings.kind == "git":
            commit, archive = source.commit(), f"{source.folder}/source.tar.gz"
            left = "; uncommitted changes stay behind" if source.uncommitted() else ""
            packs = f"git archive {commit}, in {settings.folder}{left}"
            return [
                deed("this machine", packs),
                deed("server", f"receives {archive}, and unpacks it into {source.folder}/source"),
            ]
        if settings.kind == "server":
            return runs(["git", "-C", seen.settings.folders.project, "rev-parse", "HEAD"])
        tag = docker.tag(settings.image, source.image)
        if settings.kind == "registry":
            return runs(docker.pull(settings.image), tag)
        send = f"docker save {settings.image}, over the connection into docker load"
        return [deed("this machine", send), *runs(tag)]

    def build(self, seen: Outlook) -> Sequence[Deed]:
        return runs(self.phase.source.command(self.phase.source.context, self._commit))

    def start(self, seen: Outlook) -> Sequence[Deed]:
        new = self._new(seen)
        text = new.rendered(
            self.phase.source.image,
            commit=self._commit,
            former=seen.live.release,
            reads={f"{READS_LABEL}…": "whatever the image's own labels of this name say"},
        )
        return [colours.keeps(new, text), *colours.ups(new)]

    @property
    def _commit(self) -> str:
        git = self.phase.settings.source.kind == "git"
        return self.phase.source.commit() if git else UNKNOWN_COMMIT

    def wait(self, seen: Outlook) -> Sequence[Deed]:
        new = self._new(seen)
        ahead = switch.tests_ahead(seen, new.colour, new.release, new.name)
        return [*ahead, *colours.waits(seen, new.name)]

    def probe(self, seen: Outlook) -> Sequence[Deed]:
        return colours.asks(seen, self._new(seen))

    def adopt(self, seen: Outlook) -> Sequence[Deed]:
        live, app = seen.live, seen.settings.app
        if live.marked:
            return [deed("server", f"nothing: {live.container.name} is a release already")]
        image, name = f"{app.image}:{live.release}", app.container_of("blue")
        blue = ColourRun(seen.site, "blue", live.release)
        labels = seen.site.containers.image_labels(live.container.image_id)
        reads = {key: value for key, value in labels.items() if key.startswith(READS_LABEL)}
        text = blue.rendered(image, commit="", former="", reads=reads, ran_with=live.container)
        renames = runs(docker.rename(live.container.name, name))
        return [
            *runs(docker.tag(live.container.image_id, image)),
            colours.keeps(blue, text),
            *(renames if live.container.name != name else []),
        ]

    def make_readable(self, seen: Outlook) -> Sequence[Deed]:
        moved = [one.name for one in self.phase.migrations.all if one.has_moved()]
        if not moved:
            return [deed("database", "nothing: no row has been moved that it could not read")]
        words = "takes back what the new image says that it cannot read (its labels deploy.reads.…)"
        return [deed("database", f"{words}: of {', '.join(moved)}; where it says nothing, nothing")]

    # -- the switch, and after it --------------------------------------------------------------

    def switch(self, seen: Outlook) -> Sequence[Deed]:
        new = self._new(seen)
        return switch.moves(seen, new.colour, new.release, new.name)

    def drain(self, seen: Outlook) -> Sequence[Deed]:
        return switch.drains(seen)

    def watch(self, seen: Outlook) -> Sequence[Deed]:
        settings = seen.settings
        seconds, errors = settings.deploy.watch_seconds, settings.limits.error_percent
        name = seen.site.nginx.container.name
        return [
            deed("public address", f"GET {', '.join(switch.critical(seen))}, for {seconds:g} s"),
            deed(
                "server", f"docker logs {name}: at most {errors:g} % of all requests answered 5xx"
            ),
        ]

    def figures(self, seen: Outlook) -> Sequence[Deed]:
        limits, name = seen.settings.limits, self._new(seen).name
        return [
            deed("server", f"docker stats {name}: at most {limits.memory_percent} % of its memory"),
            deed(
                "public address",
                f"response times, against {limits.slower_than_baseline:g} x the baseline",
            ),
        ]

    def move_rows(self, seen: Outlook) -> Sequence[Deed]:
        return sql.of_those(
            sql.does(seen, one, "data", condition=UNLESS if one.folder.roles else "")
            for one in self.phase.migrations.all
            if sql.due(seen, one, "data")
        )

    def stop_former(self, seen: Outlook) -> Sequence[Deed]:
        live = seen.live
        return switch.stops(seen, seen.settings.app.container_of(live.colour), live.container)

    def contract(self, seen: Outlook) -> Sequence[Deed]:
        return sql.of_those(self._contracts(seen))

    def _contracts(self, seen: Outlook) -> Iterator[Sequence[Deed]]:
        """Up to the first that has to wait."""
        for one in self.phase.migrations.all:
            if sql.due(seen, one, "contract"):
                yield sql.does(seen, one, "contract")
            elif sql.pending(seen, one, "contract"):
                return

    def tidy(self, seen: Outlook) -> Sequence[Deed]:
        image, live = seen.settings.app.image, seen.live
        before = live.container.labels.get(FORMER_LABEL, "")
        gone = self.phase.releases.outlived({live.release, before}, coming=1)
        removed = [deed("server", f"docker rmi {image}:{one}, and its folder") for one in gone]
        return [*runs(docker.tag(self.phase.source.image, f"{image}:latest")), *removed]

    # -- a run that was cut off ----------------------------------------------------------------

    def look_again(self, seen: Outlook) -> Sequence[Deed]:
        live = seen.live
        former = seen.site.live.former_of(live)
        found = f"{live.colour} {live.release} is live, and was {former.release} before"
        path = seen.settings.app.health_path
        return [deed("public address", f"GET {path}: which release answers ({found})")]

    def take_up(self, seen: Outlook) -> Sequence[Deed]:
        return colours.asks(seen, ColourRun(seen.site, seen.live.colour, seen.live.release))

    def take_image(self, seen: Outlook) -> Sequence[Deed]:
        return runs(docker.inspect_image(self.phase.source.image))
