"""`status --json`."""

from __future__ import annotations

from . import Document
from .pieces import ContainerState, Piece, Usage


class Canary(Piece):
    """The release of a canary under way; its share in percent of the visitors."""

    colour: str
    release: str
    share: int


class Live(Piece):
    """What visitors get.

    :param former: the release that a rollback goes to; null: there is none yet.
    :param canary: the release that some visitors are with; null: all are with the live one.
    """

    colour: str
    release: str
    former: str | None
    canary: Canary | None


class StatusContainer(ContainerState):
    """A container, and what it uses.

    :param usage: null where it does not run.
    """

    usage: Usage | None


class Migrations(Piece):
    """The migrations' stages.

    :param applied: how many hold; `pending`: the others, as `03-add-summary expand`.
    """

    applied: int
    pending: list[str]


class Database(Piece):
    """The site's database; its size in bytes.

    :param connections: open ones to it, ours not counted.
    """

    name: str
    version: str
    size: int
    connections: int
    migrations: Migrations


class Certificate(Piece):
    """The public site's certificate.

    :param verified: chain and name hold; else `problem` says why not.
    """

    not_after: str
    days_left: int
    verified: bool
    problem: str | None


class Disk(Piece):
    """One file system: bytes free, and how full it is in percent."""

    mount: str
    free: int
    percent: int


class Machine(Piece):
    """The server: memory in bytes, load of the last minute."""

    disks: list[Disk]
    memory: int
    memory_available: int
    load: float
    processors: int


class Run(Piece):
    """The last run that changed the site, as the ledger has it.

    :param outcome: null: it is under way, or was cut off.
    :param reason: why it did not end well; null where it did.
    :param seconds: that it took; null without an end.
    """

    task: str
    release: str
    began: str
    who: str
    host: str
    outcome: str | None
    reason: str | None
    seconds: float | None


class Owner(Piece):
    """Who took the lock, for what, and where that run is."""

    who: str
    host: str
    pid: int
    task: str
    release: str
    phase: str
    since: str


class Lock(Piece):
    """The lock, where it is held.

    :param owner: null: what lies there is no lock of this version.
    :param quiet: seconds since the last heartbeat.
    :param alive: that is short enough for its run to count as at work.
    """

    owner: Owner | None
    quiet: int
    alive: bool


class CutOff(Piece):
    """A run that died in the middle; the next command settles what it left."""

    task: str
    release: str
    began: str
    who: str
    host: str
    phase: str


class Status(Document):
    """What is live, and how all of the site is.

    What could not be read is null, and `problems` says why, by the name of the part.

    :param time: the server's.
    :param containers: both colours, though one may be gone, and the project's other containers.
    :param certificate: null also where the site has no TLS.
    :param lock: null also where it is free.
    """

    command = "status"

    site: str
    server: str
    time: str
    live: Live | None
    containers: list[StatusContainer]
    database: Database | None
    certificate: Certificate | None
    machine: Machine | None
    last_run: Run | None
    lock: Lock | None
    cut_off: CutOff | None
    problems: dict[str, str]
