"""What one run did, and what visitors met meanwhile: the record that every report is made from."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from . import Document

Outcome = Literal["done", "failed", "taken back", "needs a person"]
StepOutcome = Literal["done", "failed"]


class Step(Document):
    """One named step."""

    title: str
    began: float = Field(description="seconds after the run's beginning")
    seconds: float
    outcome: StepOutcome
    takes_back: bool = Field(description="it undid an earlier step")


class Phase(Document):
    """One numbered script: its steps in the order in which they ran."""

    name: str
    began: float = Field(description="seconds after the run's beginning")
    seconds: float
    outcome: StepOutcome
    criteria: tuple[str, ...] = Field(description="its success criteria, all met where it is done")
    triggers: tuple[str, ...] = Field(description="its rollback triggers")
    steps: tuple[Step, ...]


class Mark(Document):
    """A moment at which visitors were sent elsewhere."""

    at: float = Field(description="seconds after the run's beginning")
    what: str = Field(description="in words, for instance `visitors to green 20261123-115646`")
    colour: str = Field(description="where they were sent; empty for a plain configuration")
    release: str
    back: bool = Field(description="they were taken back")


class Times(Document):
    """What a number of good answers took."""

    label: str = Field(description="`before` the switch, `after` it, `back` again")
    samples: int
    p50: float
    p95: float
    maximum: float


class Moment(Document):
    """The requests that were sent within one interval, which `Traffic.interval` is as long as."""

    at: float = Field(description="seconds after the run's beginning")
    by_release: dict[str, int] = Field(
        description="good answers by the release that gave them; `former`: it named none"
    )
    failed: int
    limited: int = Field(description="turned away by a rate limit; neither good nor failed")
    mean: float | None = Field(description="of the good answers' times; null where there was none")
    slowest: float | None


class FailedRequest(Document):
    """One request that failed."""

    at: float = Field(description="when it was sent, seconds after the run's beginning")
    path: str
    what: str = Field(description="its status or error")
    where: Literal["site", "network", "unknown"]


class Traffic(Document):
    """What the meter, a visitor of our own, met from the run's first step to its last."""

    began: float = Field(description="seconds after the run's beginning")
    seconds: float
    sent: int
    answered: int
    failed: int
    failed_in_own_network: int = Field(description="of those: the site answered on its server")
    limited: int
    resent: int
    skipped: int
    by_release: dict[str, int] = Field(description="HTTP answers; `former`: none was named")
    longest_gap: float = Field(description="seconds between two good answers in a row")
    gap_began: float = Field(description="seconds after the run's beginning")
    times: tuple[Times, ...]
    interval: float = Field(description="seconds")
    moments: tuple[Moment, ...]
    failures: tuple[FailedRequest, ...] = Field(description="the first of them")


class Bounds(Document):
    """What response times are judged by."""

    baseline: Times | None = Field(description="measured before anything was changed")
    factor: float = Field(description="times the baseline's p95 that are acceptable")
    noticeable: float = Field(description="seconds more than the baseline that nobody notices")
    limit: float = Field(description="seconds that a p95 may be, whatever the baseline")


class Check(Document):
    """One thing that was looked at."""

    phase: str
    group: str
    name: str
    verdict: Literal["pass", "warn", "fail"]
    expected: str
    found: str
    critical: bool = Field(description="its failure takes a deploy back")


class People(Document):
    """Users and sessions at one moment."""

    users: int
    roles: dict[str, int]
    sessions: int


class BackupSize(Document):
    """A backup that the run made."""

    name: str
    kind: str
    bytes: int = Field(description="all of its files")
    database_bytes: int = Field(description="the database itself, on the server's disk")
    verified: bool


class ImageSize(Document):
    """The image of the release that is live at the end."""

    name: str
    bytes: int


class LogCount(Document):
    """What nginx's own log says that it answered, to all visitors, while the run lasted."""

    colour: str = Field(description="empty where the log's format names none")
    release: str
    requests: int
    failed: int = Field(description="answered 5xx")


class Failure(Document):
    """Why the run did not come to its end, and what was done about it."""

    reason: str
    trigger: str = Field(description="the rollback trigger that fired; empty for none")
    evidence: str
    taken_back: str
    state: str
    next_command: str


class LiveRelease(Document):
    """What visitors are sent to."""

    colour: str
    release: str


class RunReport(Document):
    """One run that moved visitors, or was to: a deploy, a rollback, a restore."""

    command = "report"

    version: Literal[1]
    id: str = Field(description="the report's name: the run's stamp, and -2 and so on behind it")
    release: str = Field(description="the run's stamp; of a deploy the release that it makes")
    task: str
    site: str
    url: str
    server: str
    who: str
    began: datetime
    seconds: float
    outcome: Outcome
    exit_code: int
    former: LiveRelease | None = Field(description="what was live before")
    live: LiveRelease | None = Field(description="what is live at the end")
    failure: Failure | None
    phases: tuple[Phase, ...]
    marks: tuple[Mark, ...]
    traffic: tuple[Traffic, ...] = Field(description="one, or one a task of a chain")
    visitors: tuple[LogCount, ...]
    bounds: Bounds
    checks: tuple[Check, ...]
    people_before: People | None
    people_after: People | None
    backups: tuple[BackupSize, ...]
    image: ImageSize | None
    notes: tuple[str, ...] = Field(description="what the run warned of")


class ReportLine(Document):
    """A report in the list."""

    id: str
    task: str
    began: datetime
    outcome: Outcome
    live: LiveRelease | None
    requests: int
    failed: int
    here: bool = Field(description="it lies on this machine")
    there: bool = Field(description="it lies on the server")


class ReportList(Document):
    """`report --list`: newest first."""

    command = "report --list"

    reports: tuple[ReportLine, ...]
