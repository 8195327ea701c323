"""What `plan --json` prints, and what every `--plan` says in words."""

from __future__ import annotations

from typing import ClassVar, Literal

from . import Document

Where = Literal["server", "this machine", "public address", "database"]


class Statement(Document):
    """One SQL statement, as it would be sent.

    :param locks: what it locks, for how long, and who waits for that.
    """

    sql: str
    locks: str


class Deed(Document):
    """One thing that a step would do.

    :param what: a command, or words.
    :param diff: of a file that would be written, as unified lines; empty for none.
    :param statements: of SQL; none for anything else.
    """

    where: Where
    what: str
    diff: str
    statements: tuple[Statement, ...]


class PlannedStep(Document):
    """One step of a phase.

    :param trigger: the rollback trigger that its failure is; empty for none.
    :param taken_back: it has a way back, which is gone when it or a later step fails.
    :param last_seconds: how long it took when it was last done; null: not known.
    :param would_stop: why the task would stop here; empty: nothing is known that would.
    :param next_command: what to do about that; empty for nothing.
    """

    title: str
    trigger: str
    taken_back: bool
    last_seconds: float | None
    deeds: tuple[Deed, ...]
    would_stop: str
    next_command: str


class PlannedPhase(Document):
    """One phase of a task; a task that is no phase has one without criteria and triggers.

    :param script: the numbered script that it replaces; empty for none.
    :param criteria: when it has succeeded.
    :param triggers: what takes it back.
    :param last_seconds: as `PlannedStep`.
    :param last_release: whose run that was; empty: not known.
    """

    name: str
    script: str
    criteria: tuple[str, ...]
    triggers: tuple[str, ...]
    last_seconds: float | None
    last_release: str
    steps: tuple[PlannedStep, ...]


class PlanDocument(Document):
    """A task's plan; nothing was changed to make it.

    :param release: what stands in it for the stamp that the run will have.
    :param remarks: what is worth knowing before the first step.
    :param refused: a step is known that the task would stop at.
    """

    command: ClassVar[str] = "plan"

    task: str
    site: str
    server: str
    release: str
    remarks: tuple[str, ...]
    phases: tuple[PlannedPhase, ...]
    refused: bool
