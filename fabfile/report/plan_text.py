"""A plan in words, for a person who reads it before he says yes."""

from __future__ import annotations

import textwrap

from ..documents.plan import Deed, PlanDocument, PlannedPhase, PlannedStep, Statement
from .console import Console

NOTHING = "nothing"  # as a BEGIN locks
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_TITLE, _PLACE = 62, 16  # characters


def show(console: Console, plan: PlanDocument) -> None:
    """Print all of it."""
    say = console.line
    say(f"Plan of {plan.task}: {plan.site}, {plan.server}", style="bold")
    for remark in plan.remarks:
        say(f"  {remark}", style="dim")
    told: set[str] = set()  # what would stop it is explained once
    for phase in plan.phases:
        _phase(console, phase, told)


def _phase(console: Console, phase: PlannedPhase, told: set[str]) -> None:
    last = ""
    if phase.last_seconds is not None:
        last = f", last time {phase.last_seconds:.1f} s ({phase.last_release})"
    script = f" ({phase.script})" if phase.script else ""
    console.line()
    console.line(f"── {phase.name}{script}{last} ──", style="bold")
    _list(console, "succeeds when", phase.criteria)
    _list(console, "rollback triggers", phase.triggers)
    for number, step in enumerate(phase.steps, start=1):
        _step(console, number, step, told)


def _list(console: Console, title: str, lines: tuple[str, ...]) -> None:
    for number, line in enumerate(lines):
        console.line(f"   {'' if number else title + ':':<19}{line}", style="dim")


def _step(console: Console, number: int, step: PlannedStep, told: set[str]) -> None:
    last = "" if step.last_seconds is None else f"last time {step.last_seconds:.1f} s"
    console.line(f"{number:>3}. {step.title:<{_TITLE}}{last}".rstrip())
    fails = [
        *([f"rollback trigger: {step.trigger}"] if step.trigger else []),
        *(["this step is taken back"] if step.taken_back else []),
    ]
    if fails:
        _line(console, "     if it fails: ", "; ".join(fails), style="dim")
    for deed in step.deeds:
        _deed(console, deed)
    if step.would_stop in told:
        console.line("     not known, for the same reason", style="red")
    elif step.would_stop:
        told.add(step.would_stop)
        _line(console, "     would stop: ", step.would_stop, style="bold red")


def _deed(console: Console, deed: Deed) -> None:
    _line(console, f"     {deed.where:<{_PLACE}}", deed.what)
    show_diff(console, deed.diff)
    for statement in deed.statements:
        _statement(console, statement)


def show_diff(console: Console, diff: str) -> None:
    """A file's, below the line that names it."""
    for line in diff.splitlines():
        console.line(f"       {line}", style=_DIFF_STYLES.get(line[:1]))


def _statement(console: Console, statement: Statement) -> None:
    """Without its comments, which its file has."""
    lines = (line.rstrip() for line in statement.sql.splitlines())
    for line in lines:
        if line and not line.lstrip().startswith("--"):
            console.line(f"       │ {line}")
    if statement.locks != NOTHING:
        _line(console, "       └ locks: ", statement.locks, style="cyan")


def _line(console: Console, head: str, text: str, style: str | None = None) -> None:
    """Wrapped below its own beginning at a terminal; elsewhere whole, to be searched."""
    width = console.rich.width if console.rich.is_terminal else len(head) + len(text)
    indent = " " * len(head)
    lines = textwrap.wrap(
        text,
        max(width, len(head) + 20),
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines or [head.rstrip()]:
        console.line(line, style=style)
