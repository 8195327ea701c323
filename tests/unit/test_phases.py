"""What every phase promises of itself, without running one."""

from __future__ import annotations

import pytest

from fabfile.phases import (
    assess,
    blue_green,
    full_rollback,
    migrate,
    restore,
    rollback,
    validate,
)
from fabfile.phases.phase import Phase
from fabfile.report.console import Console
from fabfile.server.connection import Server
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
