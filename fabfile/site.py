"""The site: its settings, its server, and everything that is known of it on that server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cached_property

from . import interrupts
from .beside import Beside
from .errors import DeployError, LockLost, NeedsPerson, TakenBack
from .probes.measurement import Measurement
from .probes.meter import Meter
from .probes.timing import Timing
from .report.console import Console
from .report.recorder import Recorder
from .server.archive import Archive
from .server.backups import Backups
from .server.compose import project_of
from .server.connection import Server
from .server.containers import Containers
from .server.database import Database
from .server.ledger import NEEDS_PERSON, CutOff, Ledger
from .server.live import LiveReader
from .server.lock import Lock
from .server.migration_folder import Folders, MigrationFolder, look_through
from .server.nginx import Nginx
from .server.side_key import side_key
from .settings import Settings
from .telling.facts import End
from .telling.hooks import Hooks
from .telling.run import Telling


class Site:
    """One deployed application, reached over one connection.

    :param release: the stamp of the release that this run makes, `YYYYMMDD-HHMMSS` in UTC; by
        default it is made from the time.
    """

    def __init__(
        self, settings: Settings, server: Server, console: Console, release: str = ""
    ) -> None:
        self.settings = settings
        self.server = server
        self.console = server.console = console
        self.release = release or stamp()
        self.packed: Archive | None = None  # what is sent, where it was packed for several servers
        self.task = ""
        self.cut_off: CutOff | None = None  # a run that died, until what it left is settled
        self._changing = self._begun = False
        self.meter: Meter | None = None  # runs while a task moves visitors
        self.measurements: list[Measurement] = []  # what its meters have seen
        self.baseline: Timing | None = None  # response times before anything was changed
        self.hooks, self.telling = Hooks(self), Telling(self)
        self.recorder = Recorder()  # what the report is made from
        self._composed: Beside[str] | None = None
        self.report = ""  # path of the run's report on this machine, once it is written

    @cached_property
    def containers(self) -> Containers:
        return Containers(self.server, self.settings)

    def ask_composed(self) -> None:
        """Ask beside the run how Compose resolves the site's own compose file now."""
        self._composed = Beside(
            lambda: project_of(self.server, self.settings, self.containers.project)
        )

    @property
    def composed(self) -> str:
        """The answer to `ask_composed`, which is asked here if nobody has begun to.

        :raises DeployError: Compose cannot read it, or is not there.
        """
        if self._composed is None:
            self.ask_composed()
        assert self._composed
        return self._composed.result()

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
    def migrations_here(self) -> Folders:
        """What lies on this machine of migrations, right and wrong; nothing is contacted."""
        return look_through(self.settings)

    @property
    def migration_folders(self) -> tuple[MigrationFolder, ...]:
        """The migrations that can be read. A task that applies them has refused the others."""
        return self.migrations_here.readable

    @cached_property
    def backups(self) -> Backups:
        return Backups(self.server, self.settings, self.containers, self.database)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.server, self.settings.folders.state)

    @cached_property
    def side_key(self) -> str:
        """With which a request chooses its release; made once, so the lock must be held."""
        return side_key(self.server, self.settings.folders.state)

    @cached_property
    def lock(self) -> Lock:
        return Lock(self.server, self.settings.folders.state, self.settings.deploy.lock_dead_after)

    def log(self, event: str, **detail: object) -> None:
        """Add an entry to the ledger for the task under way."""
        self.ledger.add(event, self.task, self.release, **detail)

    @contextlib.contextmanager
    def locked(self, task: str, *, changes: bool = True) -> Iterator[None]:
        """Hold the site's lock while a task runs; a task inside another shares it.

        The ledger has the run's beginning and its end. A run that changes something and has no
        end was cut off: `cut_off` has it until somebody settles what it left.

        :param changes: False where the task only reads.
        :raises DeployError: somebody else holds it.
        """
        if self.lock.owner:
            self._begin(task, changes and not self._changing)
            yield
            return
        self.task, self._changing = task, False
        self.server.make_folders(self.settings.folders.state, mode="0700")
        dead = self.lock.take(task, self.release)
        outcome: dict[str, object] = {"outcome": "done"}
        ended_by: BaseException | None = None
        try:
            self.telling.begin(task)
            if dead:
                self.console.warn(f"took over the lock of a dead run: {dead}")
                self.log("lock-taken-over", dead=str(dead))
            self.cut_off = self.ledger.cut_off()
            if self.cut_off and changes:
                self.console.warn(f"cut off: {self.cut_off}")
            self._begin(task, changes)
            yield
        except BaseException as error:
            ended_by, outcome = error, _outcome(error)
            raise
        finally:
            self._end(outcome)
            self.lock.release()
            self.telling.end(End.of(outcome, ended_by))

    def settle(self) -> None:
        """What the run that was cut off had left is dealt with."""
        if self.cut_off:
            for run in self.cut_off.runs:
                self.log("settled", run=run)
            self.cut_off = None

    def _begin(self, task: str, changes: bool) -> None:
        if changes or not self._begun:
            self._changing, self._begun = changes or self._changing, True
            assert self.lock.owner
            self.ledger.add(
                "started", task, self.release, run=self.lock.owner.token, changes=changes
            )

    def _end(self, outcome: dict[str, object]) -> None:
        self._begun = False
        if outcome["outcome"] == "lock lost" or not self.lock.owner:
            return  # another run writes now
        try:
            with interrupts.masked():
                self.log("ended", run=self.lock.owner.token, **outcome)
        except DeployError as unwritten:  # a full disk, no network: the ledger only explains
            self.console.warn(f"not in the ledger: {unwritten.reason}")


def stamp() -> str:
    """A new release's name, `YYYYMMDD-HHMMSS` in UTC."""
    return datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")


def _outcome(error: BaseException) -> dict[str, object]:
    if not isinstance(error, DeployError):
        return {"outcome": "failed", "reason": repr(error)}
    words = {LockLost: "lock lost", TakenBack: "taken back", NeedsPerson: NEEDS_PERSON}
    detail = {"reason": error.reason, "trigger": error.trigger, "taken_back": error.taken_back}
    return {"outcome": words.get(type(error), "failed"), **{k: v for k, v in detail.items() if v}}
