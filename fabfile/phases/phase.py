"""What the numbered scripts have in common: named steps, each with the way back beside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .. import interrupts
from ..errors import DeployError, LockLost, NeedsPerson, TakenBack
from ..site import Site


@dataclass(frozen=True)
class Step:
    """One named step of a phase.

    :param undo: brings the site back to where it was before this step; it must also be right
        when the step failed half way, or did nothing at all.
    """

    title: str
    act: Callable[[], None]
    undo: Callable[[], None] | None = None


class Phase(ABC):
    """One numbered script: its steps, in order, and what happens when one of them fails.

    `name` is the task's name, `script` what it replaces; `criteria` and `triggers` are the
    guide's success criteria and rollback triggers, shown by the report.
    """

    name: ClassVar[str]
    script: ClassVar[str]
    criteria: ClassVar[tuple[str, ...]]
    triggers: ClassVar[tuple[str, ...]]

    def __init__(self, site: Site) -> None:
        self.site = site
        self.settings = site.settings
        self.server = site.server
        self.console = site.console

    @property
    def switched(self) -> bool:
        """Whether visitors may have met another release in this phase."""
        return False

    @abstractmethod
    def steps(self) -> Sequence[Step]:
        """The phase, as a reader wants it: one line a step."""

    def run(self) -> None:
        """Do every step; when one fails, undo in reverse order, and only then explain.

        :raises DeployError: a step failed and the site is as it was.
        :raises TakenBack: a step failed after the switch and the site is back where it was.
        :raises NeedsPerson: a step failed and the way back failed too.
        """
        with self.site.locked(self.name), self.console.phase(self.name):
            self.site.lock.enter(self.name)
            self.site.log("phase-started", phase=self.name)
            begun: list[Step] = []
            for step in self.steps():
                begun.append(step)
                try:
                    with self.console.step(step.title):
                        self.site.lock.refuse_lost()
                        step.act()
                except LockLost:
                    raise
                except BaseException as error:
                    self._take_back(begun, error)
            self.site.log("phase-done", phase=self.name)

    def _take_back(self, begun: Sequence[Step], error: BaseException) -> None:
        reason = (
            error.reason if isinstance(error, DeployError) else f"{type(error).__name__}: {error}"
        )
        evidence = error.evidence if isinstance(error, DeployError) else ""
        failed = begun[-1].title
        with interrupts.masked():
            try:
                for step in reversed(begun):
                    if step.undo:
                        with self.console.step(f"take back: {step.title}"):
                            step.undo()
            except DeployError as second:
                raise NeedsPerson(
                    f"{failed}: {reason}; and taking it back failed: {second.reason}",
                    evidence=f"{evidence}\n{second.evidence}",
                    state="see the evidence; what is live: fab status",
                    next_command="fab status, then fab rollback",
                ) from error
            try:
                self.site.log("failed", phase=self.name, step=failed, reason=reason)
            except DeployError as unwritten:  # a full disk: the ledger explains, it never decides
                self.console.warn(f"not in the ledger: {unwritten.reason}")
            interrupts.settled()
        if not self.switched:
            if isinstance(error, DeployError):
                error.state = error.state or "the site is as it was before this phase"
                error.next_command = error.next_command or "mend it, then the same command again"
            raise error
        raise TakenBack(
            f"{failed}: {reason}",
            evidence=evidence,
            state="taken back; the site is on its former release",
            next_command="read the evidence, mend the release, deploy again",
        ) from error
