"""Asking for what could not be found out, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import DeployError
from ..report.console import Console
from .facts import Facts


class Asking:
    """Questions to the person at the terminal.

    :param yes: ask nothing; whoever has no terminal is not asked either.
    """

    def __init__(self, console: Console, facts: Facts, *, yes: bool) -> None:
        self.console = console
        self.facts = facts
        self.yes = yes

    def fill(self, setting: str, question: str, default: Any, guess: str) -> Any:
        """The setting's value: known, answered, or the default.

        :param guess: the comment where the default stands unasked.
        """
        if setting not in self.facts:
            shown = f" [{default}]" if default else ""
            answer = self._ask(f"{question}{shown}:")
            if answer:
                self.facts.add(setting, answer, "your answer")
            self.facts.add(setting, default, guess if answer is None else "your answer")
        return self.facts[setting]

    def need(self, setting: str, question: str, found: str) -> Any:
        """The same for a setting that nothing can be guessed for.

        :param found: what was looked at, for the message.
        :raises DeployError: nobody answers.
        """
        if setting not in self.facts:
            answer = self._ask(f"{question}:")
            if not answer:
                raise DeployError(
                    f"{setting} could not be found out: {found}",
                    next_command=f"the same again with --set {setting}=VALUE",
                )
            self.facts.add(setting, answer, "your answer")
        return self.facts[setting]

    def choose(self, setting: str, what: str, names: Sequence[str]) -> str:
        """One of several services.

        :raises DeployError: nobody answers, or with something else.
        """
        listed = ", ".join(names) or "none"
        found = f"which service is {what}? services: {listed}"
        answer = str(self.need(setting, found, found))
        if answer not in names:
            raise DeployError(f"{setting} is {answer!r}; allowed: one of {listed}")
        return answer

    def _ask(self, question: str) -> str | None:
        return None if self.yes else self.console.prompt(question)
