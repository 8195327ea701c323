"""What several documents are made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .report import Outcome


class Piece(BaseModel):
    """A part of a document; the same holds for it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ContainerState(Piece):
    """One container.

    :param colour: blue or green where it is one of the two; the plain app is blue.
    :param release: null where it is none of ours; what was adopted has one in `status` only.
    :param state: as the engine calls it (running, exited, …), or gone: there is none.
    :param health: as its own health check has it; null without one, or where it does not run.
    :param exit_code: null while it runs or is gone.
    :param since: when it was started, or ended; null: never.
    :param seconds: since then.
    :param ports: as `127.0.0.1:3001->3000/tcp`; inside of Docker only as `5432/tcp`.
    """

    name: str
    service: str | None
    colour: str | None
    release: str | None
    image: str | None
    state: str
    health: str | None
    exit_code: int | None
    restarts: int
    since: str | None
    seconds: float | None
    ports: list[str]


class Usage(Piece):
    """What a container uses at one moment.

    :param cpu_percent: of one processor, so that it may be above 100.
    :param memory: bytes.
    :param memory_limit: bytes: its own limit, or all that the server has.
    :param received: bytes over its network since its start; `sent` likewise.
    :param read: bytes from disk since its start; `written` likewise.
    """

    name: str
    cpu_percent: float | None
    memory: int | None
    memory_limit: int | None
    received: int | None
    sent: int | None
    read: int | None
    written: int | None
    processes: int | None

    @property
    def memory_percent(self) -> float | None:
        """Of the limit."""
        if self.memory is None or not self.memory_limit:
            return None
        return 100 * self.memory / self.memory_limit


class PhaseCheck(Piece):
    """One thing that a phase looked at."""

    group: str
    name: str
    verdict: Literal["pass", "warn", "fail"]
    expected: str
    found: str
    critical: bool = Field(description="its failure takes a deploy back")
    seconds: float = Field(description="that its step took; the checks of one step share it")


class PhaseRun(Piece):
    """What a phase found that only looks, and how its command ended."""

    site: str
    server: str
    release: str = Field(description="the stamp of this run, which names what it leaves")
    seconds: float = Field(description="that the phase took, without what was taken back after it")
    outcome: Outcome = Field(description="of the command; only `done` has exit code 0")
    reason: str | None = Field(description="why it did not end well; null where it did")
    taken_back: str | None = Field(description="what was taken back; null: nothing")
    checks: list[PhaseCheck] = Field(description="in their order; up to what ended the phase")
