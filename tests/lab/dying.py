"""An operator that is cut off at a step: `python -m tests.lab.dying TASK STEP HOW`.

HOW is `mid`: SIGKILL after the first command that the step sends to the server; `after`: once the
step is done; `ctrl-c`: SIGINT where `mid` would kill; `away`: there the connection is cut and
stays so, and the operator lives. `TASK all cut` cuts the connection once in every step, and lets
it come again. The steps are the code's own, so a new one is covered by itself.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from fabfile import interrupts
from fabfile.errors import DeployError
from fabfile.phases import deploy
from fabfile.phases.assess import Assess
from fabfile.phases.blue_green import BlueGreen
from fabfile.phases.full_rollback import FullRollback
from fabfile.phases.migrate import Migrate
from fabfile.phases.phase import Phase, Step
from fabfile.phases.restore import DatabaseRestore
from fabfile.phases.rollback import Rollback
from fabfile.phases.validate import Validate
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.settings import load
from fabfile.site import Site
from lab import server as lab_server

SAME = 16  # characters of a title that tell the steps of one phase apart
# What each task runs, in its order.
PHASES: dict[str, tuple[type[Phase], ...]] = {
    "deploy": (Assess, Migrate, BlueGreen, Validate),
    "rollback": (Rollback,),
    "full": (FullRollback,),
    "keeping": (FullRollback,),
    "restore": (DatabaseRestore,),
    "resume": (Assess, Migrate, BlueGreen, Validate),
    "canary": (Assess, Migrate, BlueGreen, Validate),
}
SHARES = (5, 50)
CANARY = ("canary", BlueGreen)
RUN: dict[str, Callable[[Site], None]] = {
    "keeping": lambda site: deploy.full_rollback(site, yes=True, keep_new_rows=True),
    "restore": lambda site: deploy.restore(site, "latest", yes=True, keep_new_rows=False),
    "resume": lambda site: deploy.deploy(site, resume=True),
    "deploy": deploy.deploy,
    "canary": lambda site: deploy.deploy(site, shares=SHARES),
    "rollback": deploy.rollback,
    "full": lambda site: deploy.full_rollback(site, yes=True, keep_new_rows=False),
}


@cache
def steps_of(task: str) -> tuple[tuple[type[Phase], int, str], ...]:
    """Phase, number and title of every step, without contacting anything."""
    return tuple(_steps(task))


def _steps(task: str) -> Iterator[tuple[type[Phase], int, str]]:
    settings = load({"ssh": {"host": "nobody@127.0.0.1:9"}})
    site = Site(settings, Server(settings), Console())
    for phase in PHASES[task]:
        made = BlueGreen(site, shares=SHARES) if (task, phase) == CANARY else phase(site)
        for number, step in enumerate(made.steps()):
            yield phase, number, step.title.replace(site.release, "RELEASE")


def _at(phase: type[Phase], title: str, happens: Callable[[Step], None]) -> None:
    """Let something else than its own act happen in the steps whose title begins like this."""
    original: Callable[[Phase], Sequence[Step]] = phase.steps

    def steps(self: Phase) -> Sequence[Step]:
        return [
            replace(step, act=partial(happens, step)) if step.title.startswith(title) else step
            for step in original(self)
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
    # The oldest is the one that listens: before OpenSSH 9.8 a session's have the same name, and one
    # that was stopped would hold the connection open.
    _end_sessions("pkill -STOP -o -x sshd;")
    step.act()


def _end_sessions(before: str) -> None:
    """As a network does that is gone: no good-bye, from outside of what is under test."""
    lab_server.run(
        f"{before} pkill -KILL -u ubuntu -f '^sshd(-session)?: ubuntu' || true", user="root"
    )


def _ctrl_c(step: Step) -> None:
    _after_a_command(lambda: os.kill(os.getpid(), signal.SIGINT))
    step.act()


HAPPENS = {
    "ctrl-c": _ctrl_c,
    "mid": _die_mid,
    "after": _die_after,
    "cut": _cut,
    "away": _cut_for_good,
}


def main(task: str, number: str, position: str) -> None:
    """Run the task with what is to happen in it."""
    from tests.lab.conftest import lab_settings

    if number == "all":
        for phase in PHASES[task]:
            _at(phase, "", HAPPENS[position])
    else:
        phase, _, title = steps_of(task)[int(number)]
        # A run that takes something up has its own words for what comes first.
        _at(phase, title[:SAME], HAPPENS[position])
    quick = ("deploy.watch_seconds=0", "canary.watch_seconds=0.1", "canary.longest_seconds=0.1")
    settings = lab_settings(*quick, "ssh.connect_timeout=4")
    try:
        with interrupts.listening():
            RUN[task](Site(settings, Server(settings), Console()))
    except DeployError as error:
        Console().failure(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
