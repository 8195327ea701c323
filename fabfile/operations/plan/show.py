"""A plan as it is printed, and refused."""

from __future__ import annotations

from ...errors import DeployError
from ...plans.planning import Planning
from ...report import plan_text


def show(plan: Planning, *, as_document: bool) -> None:
    """Print it.

    :raises DeployError: the task would be refused.
    """
    document = plan.document()
    if as_document:
        document.show()
    else:
        plan_text.show(plan.site.console, document)
    stops = [step for phase in document.phases for step in phase.steps if step.would_stop]
    if stops:
        reasons = list(dict.fromkeys(step.would_stop for step in stops))
        raise DeployError(
            f"{document.task} would stop: {reasons[0]}",
            evidence="\n".join(f"and then: {reason}" for reason in reasons[1:]),
            state="nothing was changed",
            next_command=stops[0].next_command,
        )
    if not as_document:
        plan.site.console.line()
        plan.site.console.line(f"{document.task} would begin; nothing was changed", style="bold")
