"""Reads everything that `status` shows, its parts side by side; a part that fails says why."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import interrupts
from ..documents import status as document
from ..documents.pieces import ContainerState, Usage
from ..errors import DeployError
from ..probes.tls import certificate
from ..report.words import seconds_between
from ..server.containers import FORMER_LABEL, gone
from ..server.ledger import Entry, cut_off_in
from ..server.lock import Held
from ..server.machine import read_machine
from ..server.migration_log import MigrationLog, standing
from ..server.migrations import Migrations
from ..server.usage import read_usage
from ..settings import COLOURS
from ..site import Site
from .chosen import colour_of
from .look import state_of

Part = Callable[[], Any]


def read_status(site: Site) -> document.Status:
    """Everything, as it is now.

    :raises ServerUnreachable: there is no session.
    :raises Interrupted: Ctrl-C; nothing is waited for.
    """
    site.server.open()
    reader = _Reader(site, site.server.now())
    values, problems = side_by_side(
        {
            "live": reader.live,
            "containers": reader.containers,
            "usage": reader.usage,
            "database": reader.database,
            "certificate": reader.certificate,
            "machine": reader.machine,
            "lock": site.lock.look,
            "ledger": site.ledger.entries,
        },
        site.settings.ssh.command_timeout,
    )
    held: Held | None = values["lock"]
    entries: list[Entry] = values["ledger"] or []
    return document.Status(
        site=site.settings.name,
        server=str(site.server),
        time=reader.now,
        live=values["live"],
        containers=_with_usage(values["containers"] or [], values["usage"] or []),
        database=values["database"],
        certificate=values["certificate"],
        machine=values["machine"],
        last_run=last_run(entries),
        lock=lock_of(held),
        cut_off=None if held and held.beating else _cut_off(entries),
        problems=problems,
    )


def side_by_side(
    parts: Mapping[str, Part], seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """Call each part in a thread of its own; none holds up the end of the program.

    :param seconds: until a part that has not answered is given up.
    :returns: the values, None of a part that failed; and by its name, why.
    :raises Interrupted: a signal came.
    """
    values: dict[str, Any] = dict.fromkeys(parts)
    problems: dict[str, str] = {}

    def call(name: str, part: Part) -> None:
        try:
            values[name] = part()
        except DeployError as error:
            problems[name] = error.reason
        except Exception as error:  # the rest is worth the more
            problems[name] = f"unexpected {type(error).__name__}: {error}"

    threads = {
        name: threading.Thread(target=call, args=(name, part), daemon=True, name=f"read {name}")
        for name, part in parts.items()
    }
    for thread in threads.values():
        thread.start()
    end = time.monotonic() + seconds
    while any(thread.is_alive() for thread in threads.values()) and time.monotonic() < end:
        interrupts.pause(0.02)
    late = {name: f"no answer within {seconds:g} s" for name, t in threads.items() if t.is_alive()}
    return dict(values), {**late, **problems}


class _Reader:
    """The parts.

    :param now: the server's time, by which ages are told.
    """

    def __init__(self, site: Site, now: str) -> None:
        self.site = site
        self.settings = site.settings
        self.now = now

    def live(self) -> document.Live:
        live = self.site.live.read()
        former = live.container.labels.get(FORMER_LABEL) or None
        canary = live.canary and document.Canary(
            colour=live.canary.colour, release=live.canary.release, share=live.canary.share
        )
        return document.Live(colour=live.colour, release=live.release, former=former, canary=canary)

    def containers(self) -> list[ContainerState]:
        """Both colours first, then the others."""
        found = self.site.containers.all()
        named = {colour_of(container, self.settings): container for container in found}
        colours = [named.get(c) or gone(self.settings.app.container_of(c), {}) for c in COLOURS]
        others = sorted((c for c in found if c not in colours), key=lambda c: c.name)
        states = [state_of(one, self.settings, self.now) for one in [*colours, *others]]
        for number, container in enumerate(colours):
            if container.id and not container.release:  # adopted: its image's time is its name
                release = self.site.live.release_of(container)
                states[number] = states[number].model_copy(update={"release": release})
        return states

    def usage(self) -> list[Usage]:
        return read_usage(self.site.server, self.site.containers.all())

    def database(self) -> document.Database:
        database = self.site.database
        with database.session() as session:
            [found] = session.query(
                "SELECT current_database() AS name, current_setting('server_version') AS version,"
                " pg_database_size(current_database()) AS size,"
                " (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                "   AND pid <> pg_backend_pid()) AS connections"
            )
            log = MigrationLog(session, "").every()
        skipped = Migrations(self.site).skipped
        stages = {
            f"{folder.name} {stage}": standing(log.get(folder.name, []), stage) is not None
            for folder in self.site.migration_folders
            if folder.name not in skipped
            for stage in folder.stages
        }
        found["version"] = found["version"].split()[0]
        return document.Database(
            **found,
            migrations=document.Migrations(
                applied=sum(stages.values()),
                pending=[stage for stage, holds in stages.items() if not holds],
            ),
        )

    def certificate(self) -> document.Certificate | None:
        if self.settings.public.scheme == "http":
            return None
        found = certificate(self.settings.public)
        return document.Certificate(
            not_after=found.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
            days_left=found.days_left,
            verified=found.verified,
            problem=found.why or None,
        )

    def machine(self) -> document.Machine:
        folders = self.settings.folders
        found = read_machine(self.site.server, folders.project, folders.backups, "/var/lib/docker")
        return document.Machine(
            disks=[
                document.Disk(mount=disk.mount, free=disk.free, percent=disk.percent)
                for disk in found.disks
            ],
            memory=found.memory,
            memory_available=found.memory_available,
            load=found.load,
            processors=found.processors,
        )


def last_run(entries: Sequence[Entry]) -> document.Run | None:
    """The last run that changed something, and its end if it has one."""
    began = next(
        (e for e in reversed(entries) if e.event == "started" and e.detail.get("changes")), None
    )
    if began is None:
        return None
    mark = began.detail.get("run")
    ended = next((e for e in entries if e.event == "ended" and e.detail.get("run") == mark), None)
    detail = ended.detail if ended else {}
    return document.Run(
        task=began.task,
        release=began.release,
        began=began.time,
        who=began.who,
        host=began.host,
        outcome=detail.get("outcome"),
        reason=detail.get("trigger") or detail.get("reason") or None,
        seconds=seconds_between(began.time, ended.time) if ended else None,
    )


def _with_usage(
    states: Sequence[ContainerState], usage: Sequence[Usage]
) -> list[document.StatusContainer]:
    used = {one.name: one for one in usage}
    return [document.StatusContainer(**dict(state), usage=used.get(state.name)) for state in states]


def lock_of(held: Held | None) -> document.Lock | None:
    """The lock, as a program reads of it; None where it is free."""
    if held is None:
        return None
    one = held.owner
    owner = one and document.Owner(
        who=one.who,
        host=one.host,
        pid=one.pid,
        task=one.task,
        release=one.release,
        phase=one.phase,
        since=one.since,
    )
    return document.Lock(owner=owner, quiet=held.quiet, alive=held.beating)


def _cut_off(entries: Sequence[Entry]) -> document.CutOff | None:
    found = cut_off_in(entries)
    if found is None:
        return None
    return document.CutOff(
        task=found.task,
        release=found.release,
        began=found.time,
        who=found.who,
        host=found.host,
        phase=found.phase,
    )
