"""The site: its settings, its server, and everything that is known of it on that server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cached_property

from .probes.meter import Meter
from .probes.timing import Timing
from .report.console import Console
from .server.backups import Backups
from .server.connection import Server
from .server.containers import Containers
from .server.database import Database
from .server.ledger import Ledger
from .server.live import LiveReader
from .server.lock import Lock
from .server.nginx import Nginx
from .settings import Settings


class Site:
    """One deployed application, reached over one connection.

    :param release: the stamp of the release that this run makes, `YYYYMMDD-HHMMSS` in UTC.
    """

    def __init__(self, settings: Settings, server: Server, console: Console) -> None:
        self.settings = settings
        self.server = server
        self.console = console
        self.release = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
        self.task = ""
        self.meter: Meter | None = None  # runs while a task moves visitors
        self.baseline: Timing | None = None  # response times before anything was changed

    @cached_property
    def containers(self) -> Containers:
        return Containers(self.server, self.settings)

    @cached_property
    def nginx(self) -> Nginx:
        return Nginx(self.server, self.settings, self.containers)

    @cached_property
    def live(self) -> LiveReader:
        return LiveReader(self.server, self.containers, self.nginx)

    @cached_property
    def database(self) -> Database:
        return Database(self.server, self.settings, self.containers)

    @cached_property
    def backups(self) -> Backups:
        return Backups(self.server, self.settings, self.containers, self.database)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.server, self.settings.folders.state)

    @cached_property
    def lock(self) -> Lock:
        return Lock(self.server, self.settings.folders.state, self.settings.deploy.lock_dead_after)

    def log(self, event: str, **detail: object) -> None:
        """Add an entry to the ledger for the task under way."""
        self.ledger.add(event, self.task, self.release, **detail)

    @contextlib.contextmanager
    def locked(self, task: str) -> Iterator[None]:
        """Hold the site's lock while a task changes something; a task inside another shares it.

        :raises DeployError: somebody else holds it.
        """
        if self.lock.owner:
            yield
            return
        self.task = task
        self.server.make_folders(self.settings.folders.state, mode="0700")
        dead = self.lock.take(task, self.release)
        try:
            if dead:
                self.console.warn(f"took over the lock of a dead run: {dead}")
                self.log("lock-taken-over", dead=str(dead))
            yield
        finally:
            self.lock.release()
