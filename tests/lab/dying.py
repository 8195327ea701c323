"""An operator that is cut off at a step: `python -m tests.lab.dying TASK STEP mid|after|away`.

Runs a task and sends itself SIGKILL: `mid`, after the first command that the step sends to the
server, or `after` the step is done. `away`: there the connection is cut and stays so; the operator
lives. `python -m tests.lab.dying TASK all cut` cuts the connection once in every step, and lets it
come again. The steps are the code's own, so a new one is covered by itself.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fabfile.errors import DeployError
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
from lab import server as lab_server

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


def _at(phase: type[Phase], number: int | None, happens: Callable[[Step], None]) -> None:
    """Let something else than its own act happen in a phase's step; None: in each."""
    original: Callable[[Phase], Sequence[Step]] = phase.steps

    def steps(self: Phase) -> Sequence[Step]:
        return [
            replace(step, act=partial(happens, step)) if number in (None, place) else step
            for place, step in enumerate(original(self))
        ]

    phase.steps = steps  # type: ignore[method-assign]


def _after_a_command(happens: Callable[[], None]) -> None:
    """Let something happen once, when the next command on the server has been run."""
    original = Server.run

    def run(self: Server, *arguments: Any, **options: Any) -> Any:
        output = original(self, *arguments, **options)
        if threading.current_thread() is threading.main_thread():
            Server.run = original  # type: ignore[method-assign]
            happens()
        return output

    Server.run = run  # type: ignore[method-assign]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_mid(step: Step) -> None:
    _after_a_command(_die)
    step.act()
    _die()


def _die_after(step: Step) -> None:
    step.act()
    _die()


def _cut(step: Step) -> None:
    _after_a_command(lambda: _end_sessions(""))
    step.act()


def _cut_for_good(step: Step) -> None:
    _end_sessions("mv .ssh/authorized_keys .ssh/away;")
    step.act()


def _end_sessions(before: str) -> None:
    """As a network does that is gone: no good-bye, from outside of what is under test."""
    lab_server.run(f"{before} pkill -KILL -f '^sshd-session' || true", user="root")
    time.sleep(0.05)


HAPPENS = {"mid": _die_mid, "after": _die_after, "cut": _cut, "away": _cut_for_good}


def main(task: str, number: str, position: str) -> None:
    """Run the task with what is to happen in it."""
    from tests.lab.conftest import lab_settings

    if number == "all":
        for phase in PHASES[task]:
            _at(phase, None, HAPPENS[position])
    else:
        phase, index, _ = steps_of(task)[int(number)]
        _at(phase, index, HAPPENS[position])
    settings = lab_settings("deploy.watch_seconds=0")
    try:
        RUN[task](Site(settings, Server(settings), Console()))
    except DeployError as error:
        Console().failure(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
