"""What every phase promises of itself, without running one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fabfile import settings_hooks
from fabfile.phases import (
    assess,
    blue_green,
    deploy,
    full_rollback,
    migrate,
    restore,
    rollback,
    validate,
)
from fabfile.phases.phase import Phase
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.server.ledger import CutOff, Entry
from fabfile.settings import load
from fabfile.site import Site

PHASES: tuple[type[Phase], ...] = (
    assess.Assess,
    migrate.Migrate,
    blue_green.BlueGreen,
    rollback.Rollback,
    full_rollback.FullRollback,
    restore.DatabaseRestore,
    restore.UndoRestore,
    validate.Validate,
)


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_a_step_names_only_triggers_of_its_phase_and_has_a_title_of_its_own(
    phase: type[Phase],
) -> None:
    settings = load({"ssh": {"host": "nobody@127.0.0.1:9"}})
    steps = phase(Site(settings, Server(settings), Console())).steps()
    assert {step.trigger for step in steps} - {""} <= set(phase.triggers)
    assert len({step.title for step in steps}) == len(steps)
    assert phase.criteria
    assert phase.triggers
    assert all(callable(step.plan) for step in steps)


@pytest.mark.parametrize(
    ("task", "made", "to", "deployed"),
    [
        ("deploy", "20260102-000000", "20260102-000000", True),
        ("deploy", "20260102-000000", "20260101-000000", False),  # it went back by itself
        ("rollback", "20260103-000000", "20260101-000000", False),
    ],
)
def test_only_what_a_deploy_brought_visitors_to_is_left_by_a_failed_validation(
    task: str, made: str, to: str, deployed: bool
) -> None:
    site: Any = SimpleNamespace(
        ledger=SimpleNamespace(entries=lambda: [Entry("switched", task, made, detail={"to": to})]),
        live=SimpleNamespace(read=lambda: SimpleNamespace(release=to)),
    )
    assert deploy._deployed(site) is deployed


def test_hooks_and_webhooks_know_every_phase() -> None:
    assert set(settings_hooks.PHASES) == {"deploy", *(phase.name for phase in PHASES)}


def test_every_other_way_through_a_phase_has_planned_steps_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a run that was cut off, and with options; nothing is contacted to build them."""
    settings = load({"ssh": {"host": "nobody@127.0.0.1:9"}})
    site = Site(settings, Server(settings), Console())
    monkeypatch.setattr(full_rollback, "kept_by_any", lambda *_: "kept")
    variants: list[Phase] = [
        rollback.Rollback(site, finish=True),
        restore.DatabaseRestore(site, "x", keep_new_rows=True),
        full_rollback.FullRollback(site, dead=_dead()),
    ]
    for live in (True, False):
        phase = blue_green.BlueGreen(site, resume=True)
        phase.__dict__ |= {"_is_live": live, "_is_built": True}
        variants.append(phase)
    for variant in variants:
        assert all(callable(step.plan) for step in variant.steps())


def _dead() -> CutOff:
    where = {"time": "", "who": "", "host": ""}
    detail = {"keep_new_rows": False, "to": "20260101-000000"}
    entries = tuple(Entry(e, "", "", **where, detail=detail) for e in ("restoring", "going-back"))
    return CutOff((), "rollback --full", "", **where, phase="", entries=entries)
