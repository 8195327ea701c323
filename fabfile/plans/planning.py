"""A task's plan, put together from its phases' steps; and what would stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..documents.plan import Deed, PlanDocument, PlannedPhase, PlannedStep
from ..errors import BadSettings, DeployError, Interrupted, ServerUnreachable
from ..phases.phase import Phase
from ..report.files import ReportsHere
from ..report.words import seconds_between, when
from ..server.ledger import Entry
from ..server.reports import ReportsThere
from ..settings_hooks import PHASES
from ..settings_notify import ENDS, Event
from ..site import Site
from . import hooks
from .deeds import deed
from .outlook import RELEASE, Outlook, Plan, PlannedSite
from .settle import clears

AROUND = "deploy"  # the task that is no phase, and has hooks


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
    :param logged: the run has a full log.
    """

    def __init__(self, site: Site, task: str, *, logged: bool = True) -> None:
        self.site = PlannedSite(site)
        self.seen = Outlook(self.site)
        self.task = task
        self.logged = logged
        self.phases: list[PlannedPhase] = []
        self._phases: list[str] = []  # names of the numbered scripts planned so far
        self._measures = False

    def begin(self, *, settles: bool = True, measures: bool = True, back: bool = False) -> None:
        """What comes before the first phase.

        :param settles: a run that was cut off is dealt with.
        :param measures: the task runs the meter.
        :param back: the task goes back.
        """
        dead = self.seen.cut_off if settles else None
        self._measures = measures
        parts = [Part("take the site's lock", self._lock)]
        if told := self._tells(["started"]):
            parts.append(Part("tell that it has started", lambda seen: told))
        if measures:
            parts.append(Part("measure the public site until the end", self._meter))
        if self.task == AROUND:
            parts += [Part(*hook) for hook in hooks.around(self.seen, self.task, "before")]
        if dead:
            title = "clear away what the run that was cut off has left"
            parts.append(Part(title, lambda seen: clears(seen, dead, going_back=back)))
        self.parts("begin", parts)

    def end(self) -> None:
        """What comes after the last phase, however the task ends."""
        parts = []
        if self.task == AROUND:
            parts += [Part(*hook) for hook in hooks.around(self.seen, self.task, "after")]
        if self._measures:
            parts.append(Part("write the report, also after a failure", self._report))
        failing = hooks.on_failure(self.seen, [*self._phases, self.task])
        if told := [*self._tells(ENDS), *failing]:
            parts.append(Part("tell how it ended", lambda seen: told))
        if parts:
            self.parts("end", parts)

    def phase(self, phase: Phase) -> None:
        """One numbered script."""
        self._phases.append(phase.name)
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
                steps=tuple(
                    self._step(step, seconds.get(step.title)) for step in phase.with_hooks()
                ),
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

    def _report(self, seen: Outlook) -> Sequence[Deed]:
        options, release = seen.settings.report, self.site.release
        here = ReportsHere(options.folder, str(self.site.server)).folder
        there = ReportsThere(self.site.server, seen.settings.folders.state).folder
        words = f"writes {release}.html, .txt and .json (0600) into"
        keeps = f"of more than {options.keep} reports the oldest go"
        return [
            deed("this machine", f"{words} {here}"),
            deed("server", f"{words} {there}; {keeps}"),
        ]

    def _tells(self, events: Sequence[Event]) -> list[Deed]:
        return hooks.tells(self.seen, events) if self.task in PHASES else []

    def _remarks(self) -> list[str]:
        words = ["nothing was changed to make this plan: no lock, no entry, no file"]
        if self.site.release == RELEASE and self._names_release():
            words.append(f"{RELEASE} stands for the stamp of the run, YYYYMMDD-HHMMSS")
        if self.logged:
            folder = self.site.settings.log.folder
            words.append(f"the run's full log comes into {folder} (0600), secrets masked")
        if last := self._last_whole():
            words.append(last)
        return words

    def _names_release(self) -> bool:
        return any(RELEASE in phase.model_dump_json() for phase in self.phases)

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
