"""What the numbered scripts have in common: named steps, each with the way back beside it."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, NoReturn

from .. import interrupts
from ..errors import (
    DeployError,
    Interrupted,
    LockLost,
    NeedsPerson,
    ServerUnreachable,
    TakenBack,
)
from ..plans.hooks import runs_hook
from ..plans.outlook import RELEASE, Plan
from ..report.checks import Check
from ..settings_hooks import WAYS_BACK, When
from ..site import Site
from ..telling.hooks import title


@dataclass(frozen=True)
class Step:
    """One named step of a phase.

    :param undo: brings the site back to where it was before this step, and says in a few words
        what it took back, nothing for nothing; it must also be right when the step failed half
        way, or did nothing at all.
    :param trigger: the rollback trigger that its failure is, one of the phase's; an error may
        name another.
    :param plan: what `act` would do, and where; only reads, and raises what would stop it.
    """

    title: str
    act: Callable[[], None]
    undo: Callable[[], str] | None = None
    trigger: str = ""
    plan: Plan = field(kw_only=True)


class Phase(ABC):
    """One numbered script: its steps, in order, and what happens when one of them fails.

    `name` is the task's name, `script` what it replaces; `criteria` and `triggers` are the
    guide's success criteria and rollback triggers. `changes` is False where it only reads.
    `by_itself`: nobody asked for it: it takes back what failed, and no hook holds it up.
    """

    name: ClassVar[str]
    script: ClassVar[str]
    criteria: ClassVar[tuple[str, ...]]
    triggers: ClassVar[tuple[str, ...]]
    changes: ClassVar[bool] = True
    by_itself = False

    def __init__(self, site: Site) -> None:
        self.site = site
        self.settings = site.settings
        self.server = site.server
        self.console = site.console
        self.checks: list[Check] = []  # what it has looked at
        self._begun: list[Step] = []
        self._seconds: dict[str, float] = {}  # that each step took, by its title

    @property
    def state(self) -> str:
        """What state the site is in once everything is taken back, one line."""
        return "the site is as it was before this phase"

    @abstractmethod
    def steps(self) -> Sequence[Step]:
        """The phase, as a reader wants it: one line a step."""

    def with_hooks(self) -> Sequence[Step]:
        """The steps, and the hooks around them."""
        return (*self._hooks("before"), *self.steps(), *self._hooks("after"))

    def run(self) -> None:
        """Do every step; when one fails, undo in reverse order, and only then explain.

        :raises DeployError: a step failed, and nothing had to be taken back.
        :raises TakenBack: a step failed, and the site is back where it was.
        :raises NeedsPerson: a step failed, and the way back failed too.
        """
        about = (self.name, self.criteria, self.triggers, self.checks)
        with (
            self.site.locked(self.name, changes=self.changes),
            self.console.phase(self.name),
            self.site.recorder.phase(*about),
        ):
            self.site.log("phase-started", phase=self.name)
            for step in self.with_hooks():
                self._begun.append(step)
                try:
                    with (
                        self._timed(step),
                        self.console.step(step.title),
                        self.site.recorder.step(step.title),
                    ):
                        self.site.lock.enter(self.name, step.title)
                        self.site.lock.refuse_lost()
                        step.act()
                except LockLost:
                    raise
                except BaseException as error:
                    self._fail(error)
            self._write_down("phase-done")

    def _hooks(self, when: When) -> list[Step]:
        if self.by_itself:
            return []
        hooks, may_stop = self.site.hooks, not (when == "after" and self.name in WAYS_BACK)
        return [
            Step(
                title(hook),
                partial(hooks.run, hook, self.name, when, may_stop=may_stop),
                plan=runs_hook(hook, may_stop=may_stop),
            )
            for hook in hooks.of(self.name, when)
        ]

    def take_back(self, why: DeployError) -> TakenBack | None:
        """Undo what was begun, the last step first, not to be interrupted.

        :param why: the failure that it is taken back for.
        :returns: that failure, with what was taken back and how long it took; None where there
            was nothing to take back.
        :raises NeedsPerson: an undo failed.
        :raises LockLost: another run has the lock by now; nothing more was touched.
        """
        began, taken = time.monotonic(), []
        with interrupts.masked():
            for step in reversed(self._begun):
                if step.undo and (words := self._undo(step, why)):
                    taken.append(words)
            self._begun = []
            interrupts.settled()
        if not taken:
            return None
        return TakenBack(
            why.reason,
            evidence=why.evidence,
            trigger=why.trigger,
            taken_back=f"{'; '.join(taken)} (in {time.monotonic() - began:.1f} s)",
            state=self.state,
            next_command="read the evidence, mend it, then the same command again",
        )

    def _undo(self, step: Step, why: DeployError) -> str:
        assert step.undo
        try:
            with (
                self.console.step(f"take back: {step.title}"),
                self.site.recorder.step(step.title, takes_back=True),
            ):
                self.site.lock.enter(self.name, f"take back: {step.title}")
                self.site.lock.refuse_lost()
                return step.undo()
        except LockLost:
            raise
        except Exception as error:
            second = error if isinstance(error, DeployError) else DeployError(repr(error))
            raise NeedsPerson(
                f"{why.reason}; and taking back “{step.title}” failed: {second.reason}",
                evidence=f"{why.evidence}\n{second.evidence}",
                trigger=why.trigger,
                state="half taken back; what is live: fab status",
                next_command="mend what the evidence names, then fab rollback: it takes back the "
                "rest of this run first",
            ) from why

    def _fail(self, error: BaseException) -> NoReturn:
        step = self._begun[-1]
        self.site.telling.failed.append(self.name)
        known = isinstance(error, DeployError)
        why = error if isinstance(error, DeployError) else DeployError(repr(error))
        silent = isinstance(why, (Interrupted, ServerUnreachable))  # they say nothing of the site
        why.trigger = "" if silent else why.trigger or step.trigger
        bare, why.reason = why.reason, f"{step.title}: {why.reason}"
        taken = self.take_back(why)
        self._write_down("failed", step=step.title, reason=why.reason, trigger=why.trigger)
        if taken:
            raise taken from error
        why.reason = bare
        why.state = why.state or self.state
        why.next_command = why.next_command or "mend it, then the same command again"
        raise why from (None if known else error)

    @contextlib.contextmanager
    def _timed(self, step: Step) -> Iterator[None]:
        """A title without this run's stamp, so that the next plan knows it again."""
        began = time.monotonic()
        try:
            yield
        finally:
            title = step.title.replace(self.site.release, RELEASE)
            self._seconds[title] = round(time.monotonic() - began, 2)

    def _write_down(self, event: str, **detail: str) -> None:
        try:
            self.site.log(event, phase=self.name, steps=self._seconds, **detail)
        except DeployError as unwritten:  # a full disk: the ledger explains, it never decides
            self.console.warn(f"not in the ledger: {unwritten.reason}")
