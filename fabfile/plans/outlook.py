"""What a plan reads of the site: each thing once, by a site that cannot change anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from ..commands.nginx import parse_marker
from ..commands.nginx_sides import Canary, canary_in
from ..documents.plan import Deed
from ..errors import DeployError, Interrupted
from ..server.connection import Server
from ..server.database import Database
from ..server.ledger import CutOff, Entry, cut_off_in
from ..server.live import Live
from ..server.side_key import HIDDEN
from ..site import Site

RELEASE = "RELEASE"  # stands for the stamp that the run will have
Plan = Callable[["Outlook"], Sequence[Deed]]
T = TypeVar("T")


class OnlyReads(Server):
    """A server's session without the ways to write a file there."""

    def __init__(self, server: Server) -> None:
        self.__dict__.update(server.__dict__)  # the same session, which the other one closes

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("a plan writes nothing")

    write = upload = feed = make_folders = _refuse


class PlannedSite(Site):
    """A site that can be looked at, and nothing else: no lock, no ledger entry, no writing."""

    def __init__(self, site: Site, release: str = RELEASE) -> None:
        super().__init__(site.settings, OnlyReads(site.server), site.console, release)

    @cached_property
    def database(self) -> Database:
        return Database(self.server, self.settings, self.containers, reads=True)

    def log(self, event: str, **detail: object) -> None:
        raise AssertionError("a plan writes no entry")

    @cached_property
    def side_key(self) -> str:
        return HIDDEN

    def locked(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("a plan takes no lock")


class Outlook:
    """What is known of the site before a task, and what the steps planned so far would change.

    :param site: a planned one.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.settings = site.settings
        self.done: set[tuple[str, str]] = set()  # migrations and their stages, by planned steps
        self.backup_sha256: str | None = None  # of a planned backup: a word that stands for it
        self.files: dict[str, str] = {}  # of nginx, as the steps planned so far leave them
        self.tested = ""  # nginx's configuration that a planned step has tested ahead
        self.keeps_config = True  # whether the next change keeps the one before it
        self._asked: dict[str, Any] = {}

    def once(self, name: str, ask: Callable[[], T]) -> T:
        """An answer that is asked for once; so is the failure to get one.

        :raises DeployError: as the first time.
        """
        if name not in self._asked:
            try:
                self._asked[name] = ask()
            except Interrupted:
                raise
            except DeployError as error:
                self._asked[name] = error
        found = self._asked[name]
        if isinstance(found, DeployError):
            raise found
        return found  # type: ignore[no-any-return]

    @property
    def live(self) -> Live:
        return self.once("live", self.site.live.read)

    @property
    def nginx_text(self) -> str:
        """nginx's configuration, as it lies in place."""
        return self.once("nginx", self.site.nginx.read)

    @property
    def settled(self) -> bool:
        """Whether the configuration in place is the one that nginx runs, for all visitors."""
        return not self.canary and parse_marker(self.nginx_text) == self.live.marker

    @property
    def canary(self) -> Canary | None:
        """In which a run has ended, with visitors on two releases."""
        return self.live.canary or canary_in(self.nginx_text)

    @property
    def entries(self) -> list[Entry]:
        """The ledger."""
        return self.once("ledger", self.site.ledger.entries)

    @property
    def cut_off(self) -> CutOff | None:
        return cut_off_in(self.entries)

    def last_time(self, phase: str) -> Entry | None:
        """The ledger's entry of the last run that brought a phase to its end."""
        done = (e for e in reversed(self.entries) if e.event == "phase-done")
        return next((e for e in done if e.detail.get("phase") == phase), None)
