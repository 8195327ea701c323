"""An operator that is killed at a step: `python -m tests.lab.dying TASK STEP mid|after`.

Runs a task as the programs do, and sends itself SIGKILL: after the first command that the step
sends to the server, or once the step is done. The steps are the code's own, so a new one is
covered by itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fabfile.phases import deploy
from fabfile.phases.assess import Assess
from fabfile.phases.blue_green import BlueGreen
from fabfile.phases.full_rollback import FullRollback
from fabfile.phases.migrate import Migrate
from fabfile.phases.phase import Phase, Step
from fabfile.phases.rollback import Rollback
from fabfile.phases.validate import Validate
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.settings import load
from fabfile.site import Site

# What each task runs, in its order.
PHASES: dict[str, tuple[type[Phase], ...]] = {
    "deploy": (Assess, Migrate, BlueGreen, Validate),
    "rollback": (Rollback,),
    "full": (FullRollback,),
}
RUN: dict[str, Callable[[Site], None]] = {
    "deploy": deploy.deploy,
    "rollback": deploy.rollback,
    "full": lambda site: deploy.full_rollback(site, yes=True, keep_new_rows=False),
}


def steps_of(task: str) -> list[tuple[type[Phase], int, str]]:
    """Phase, number and title of every step, without contacting anything."""
    return list(_steps(task))


def _steps(task: str) -> Iterator[tuple[type[Phase], int, str]]:
    settings = load({"ssh": {"host": "nobody@127.0.0.1:9"}})
    site = Site(settings, Server(settings), Console())
    for phase in PHASES[task]:
        for number, step in enumerate(phase(site).steps()):
            yield phase, number, step.title.replace(site.release, "RELEASE")


def _deadly(phase: type[Phase], number: int, position: str) -> None:
    """Make one step of a phase end this process."""
    original: Callable[[Phase], Sequence[Step]] = phase.steps

    def steps(self: Phase) -> Sequence[Step]:
        listed = list(original(self))
        step = listed[number]

        def act() -> None:
            if position == "mid":
                _die_after_a_command()
            step.act()
            os.kill(os.getpid(), signal.SIGKILL)

        listed[number] = replace(step, act=act)
        return listed

    phase.steps = steps  # type: ignore[method-assign]


def _die_after_a_command() -> None:
    original = Server.run

    def run(self: Server, *arguments: Any, **options: Any) -> Any:
        original(self, *arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    Server.run = run  # type: ignore[method-assign]


def main(task: str, number: str, position: str) -> None:
    """Run until the step, and die."""
    from tests.lab.conftest import lab_settings

    phase, index, _ = steps_of(task)[int(number)]
    _deadly(phase, index, position)
    settings = lab_settings("deploy.watch_seconds=0")
    RUN[task](Site(settings, Server(settings), Console()))
    sys.exit("it was to die, and is alive")


if __name__ == "__main__":
    main(*sys.argv[1:])
