"""A task's plan, put together from its phases' steps; and what would stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..documents.plan import Deed, PlanDocument, PlannedPhase, PlannedStep
from ..errors import BadSettings, DeployError, Interrupted, ServerUnreachable
from ..phases.phase import Phase
from ..report.words import seconds_between, when
from ..server.ledger import Entry
from ..site import Site
from .deeds import deed
from .outlook import RELEASE, Outlook, Plan, PlannedSite
from .settle import clears


class HasPlan(Protocol):
    """A step, of a phase or not."""

    @property
    def title(self) -> str: ...
    @property
    def trigger(self) -> str: ...
    @property
    def undo(self) -> object: ...
    @property
    def plan(self) -> Plan: ...


@dataclass(frozen=True)
class Part:
    """A step of a task that is no phase."""

    title: str
    plan: Plan
    trigger: str = ""
    undo: object = None


class Planning:
    """The plan of one task, phase by phase in its order.

    :param site: the site as the task would have it.
    :param task: the task's name.
    :param release: the run's stamp, where it is known already.
    """

    def __init__(self, site: Site, task: str, release: str = RELEASE) -> None:
        self.site = PlannedSite(site, release)
        self.seen = Outlook(self.site)
        self.task = task
        self.phases: list[PlannedPhase] = []

    def begin(self, *, settles: bool = True, measures: bool = True, back: bool = False) -> None:
        """What comes before the first phase.

        :param settles: a run that was cut off is dealt with.
        :param measures: the task runs the meter.
        :param back: the task goes back.
        """
        dead = self.seen.cut_off if settles else None
        parts = [Part("take the site's lock", self._lock)]
        if measures:
            parts.append(Part("measure the public site until the end", self._meter))
        if dead:
            title = "clear away what the run that was cut off has left"
            parts.append(Part(title, lambda seen: clears(seen, dead, going_back=back)))
        self.parts("begin", parts)

    def phase(self, phase: Phase) -> None:
        """One numbered script."""
        last = self.seen.last_time(phase.name)
        seconds = last.detail.get("steps", {}) if last else {}
        self.phases.append(
            PlannedPhase(
                name=phase.name,
                script=phase.script,
                criteria=phase.criteria,
                triggers=phase.triggers,
                last_seconds=round(sum(seconds.values()), 2) if seconds else None,
                last_release=last.release if last and seconds else "",
                steps=tuple(self._step(step, seconds.get(step.title)) for step in phase.steps()),
            )
        )

    def parts(self, name: str, parts: Sequence[Part]) -> None:
        """Steps that belong to no numbered script."""
        steps = tuple(self._step(part, None) for part in parts)
        self.phases.append(
            PlannedPhase(
                name=name,
                script="",
                criteria=(),
                triggers=(),
                last_seconds=None,
                last_release="",
                steps=steps,
            )
        )

    def document(self) -> PlanDocument:
        """The whole plan."""
        return PlanDocument(
            task=self.task,
            site=self.site.settings.name,
            server=str(self.site.server),
            release=self.site.release,
            remarks=tuple(self._remarks()),
            phases=tuple(self.phases),
            refused=any(step.would_stop for phase in self.phases for step in phase.steps),
        )

    # -- how -----------------------------------------------------------------------------------

    def _step(self, step: HasPlan, last_seconds: float | None) -> PlannedStep:
        deeds: tuple[Deed, ...] = ()
        stop: DeployError | None = None
        try:
            deeds = tuple(step.plan(self.seen))
        except (BadSettings, Interrupted, ServerUnreachable):
            raise
        except DeployError as error:
            stop = error
        return PlannedStep(
            title=step.title,
            trigger=step.trigger,
            taken_back=step.undo is not None,
            last_seconds=last_seconds,
            deeds=deeds,
            would_stop=stop.reason if stop else "",
            next_command=stop.next_command if stop else "",
        )

    def _lock(self, seen: Outlook) -> Sequence[Deed]:
        held = self.site.lock.look()
        if held and held.beating:
            raise DeployError(
                f"the site is locked by {held}",
                next_command="fab lock shows how far it is; wait for it",
            )
        dead = f", from a dead run: {held}" if held else ""
        path = self.site.lock.path
        return [
            deed("server", f"writes {path}{dead}; each step into it and {self.site.ledger.path}")
        ]

    def _meter(self, seen: Outlook) -> Sequence[Deed]:
        meter = seen.settings.meter
        words = f"GET {', '.join(meter.paths)}: {meter.requests_per_second:g} requests a second"
        return [deed("public address", words)]

    def _remarks(self) -> list[str]:
        words = ["nothing was changed to make this plan: no lock, no entry, no file"]
        if self.site.release == RELEASE:
            words.append(f"{RELEASE} stands for the stamp of the run, YYYYMMDD-HHMMSS")
        if last := self._last_whole():
            words.append(last)
        return words

    def _last_whole(self) -> str:
        """How long the task took when it last came to a good end."""
        started: dict[str, Entry] = {}
        found = ""
        for entry in self.seen.entries:
            run = entry.detail.get("run", "")
            if entry.event == "started":
                started.setdefault(run, entry)
            first = started.get(run)
            done = entry.event == "ended" and entry.detail.get("outcome") == "done"
            if done and first and first.task == self.task:
                seconds = seconds_between(first.time, entry.time)
                found = (
                    f"last time: {seconds:.0f} s in all, {when(first.time)} UTC, {first.release}"
                )
        return found
