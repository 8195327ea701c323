"""What `setup --plan --json` prints: its steps as those of any other plan."""

from __future__ import annotations

from collections.abc import Sequence

from ...documents.plan import PlanDocument, PlannedPhase, PlannedStep
from ...plans.deeds import deed
from ...site import Site
from .step import SetupStep

NAME = "setup"
REFUSES = "refuse: "  # how words of a step begin that would not be done


def document(site: Site, found: Sequence[tuple[SetupStep, str]]) -> PlanDocument:
    """The plan.

    :param found: each step, and what is so already; empty where it is to be done.
    """
    steps = tuple(_step(step, already) for step, already in found)
    phase = PlannedPhase(
        name=NAME,
        script="",
        criteria=(),
        triggers=(),
        last_seconds=None,
        last_release="",
        steps=steps,
    )
    return PlanDocument(
        task=NAME,
        site=site.settings.name,
        server=str(site.server),
        release="",
        remarks=("nothing was changed to make this plan: no lock, no entry, no file",),
        phases=(phase,),
        refused=any(step.would_stop for step in steps),
    )


def _step(step: SetupStep, already: str) -> PlannedStep:
    words = f"nothing: {already}" if already else step.would()
    stop = words.removeprefix(REFUSES) if words.startswith(REFUSES) else ""
    root = "as root: " if step.root and not already else ""
    return PlannedStep(
        title=step.title,
        trigger="",
        taken_back=False,
        last_seconds=None,
        deeds=()
        if stop
        else (deed("server", f"{root}{words}", diff="" if already else step.diff()),),
        would_stop=stop,
        next_command="",
    )
