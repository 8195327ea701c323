"""The hooks: programs of the user's beside a phase, with what they are told in the environment."""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DeployError, ValidationFailed
from ..settings_hooks import VARIABLES, Hook, When
from ..several.part import VARIABLE
from . import call, process
from .webhooks import masked

if TYPE_CHECKING:
    from ..site import Site
    from .facts import End

FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
CALL = str(Path(call.__file__).resolve())
_EVIDENCE = 20  # last lines of its output in an error
_MOST = 4000  # characters of a variable
LEAVE_OUT = "without any hook: --set hooks=[]"


class Hooks:
    """The hooks of one site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.all = site.settings.hooks

    def of(self, phase: str, when: When) -> list[Hook]:
        """Those of this moment, in the settings' order."""
        return [hook for hook in self.all if hook.at(phase, when)]

    def around(self, task: str, when: When) -> None:
        """Run those of a task that is no phase, each as a step.

        :raises DeployError: one failed that stops it.
        """
        for hook in self.of(task, when):
            try:
                with self.site.console.step(title(hook)):
                    self.run(hook, task, when)
            except DeployError as error:
                error.state = error.state or "the site is as it was before this hook"
                raise

    def run(
        self,
        hook: Hook,
        phase: str,
        when: When,
        *,
        may_stop: bool = True,
        end: End | None = None,
    ) -> None:
        """Run one, and show what it prints.

        :param may_stop: False where its failure only warns, whatever the setting says.
        :param end: how the run has ended, if it has.
        :raises DeployError: it failed, and stops the phase.
        :raises Interrupted: a signal came.
        """
        told = self.site.telling.told(phase, when, end)
        problem, evidence = self._run(hook, told)
        if not problem:
            return
        reason = f"{title(hook)} {problem}"
        if hook.on_failure == "warn" or not may_stop:
            self.site.console.warn(reason)
            return
        kind = DeployError if when == "before" else ValidationFailed
        raise kind(
            reason,
            evidence=evidence,
            next_command=f"mend it, then the same command again; {LEAVE_OUT}",
        )

    def _run(self, hook: Hook, told: dict[str, str]) -> tuple[str, str]:
        """:returns: how it failed, and the end of what it printed."""
        last: deque[str] = deque(maxlen=_EVIDENCE)
        webhooks = self.site.settings.notify.webhooks

        def say(line: str) -> None:
            last.append(masked(line, webhooks))
            self.site.console.detail(last[-1])

        problem = process.run(argv(hook.run), environment(told), hook.timeout, say)
        return problem, "\n".join(last)


def title(hook: Hook) -> str:
    """How it is called where people read."""
    return f"hook {hook.run}"


def argv(run: str) -> list[str]:
    """Its command line."""
    if FUNCTION.fullmatch(run):
        return [sys.executable, CALL, run]
    return [str(path_of(run))]


def path_of(run: str) -> Path:
    """Of an executable; a bare name is one in this folder, not one on PATH."""
    return Path(run).expanduser().absolute()


def environment(told: dict[str, str]) -> dict[str, str]:
    """This process's own, and what the hook is told.

    :param told: names in lower case.
    """
    # A `fab` that a hook starts is no part of a run over several servers.
    own = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return own | {f"{VARIABLES}{name.upper()}": _value(text) for name, text in told.items()}


def _value(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_MOST]
