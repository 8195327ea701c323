"""A positional argument that may be left out: Invoke's parser knows only ones that are needed."""

from __future__ import annotations

import functools
from typing import Any

from invoke.parser.argument import Argument
from invoke.parser.parser import ParseMachine


class PositionalIfGiven(Argument):
    """Takes the next word, and is empty where there is none.

    The parser gives words to positional arguments without a value, and when a task's words are
    over it wants them all to have one.

    :param given: the argument as Invoke made it, an option.
    """

    def __init__(self, given: Argument) -> None:
        super().__init__(names=given.names, positional=True, help=given.help)
        self.over = False

    @property
    def value(self) -> Any:
        return "" if self._value is None and self.over else self._value

    @value.setter
    def value(self, text: str) -> None:
        self.set_value(text)


def install() -> None:
    """Tell such arguments when their task's words are over."""
    complete = ParseMachine.complete_context

    @functools.wraps(complete)
    def completed(machine: ParseMachine) -> None:
        for argument in machine.context.positional_args if machine.context else ():
            if isinstance(argument, PositionalIfGiven):
                argument.over = True
        complete(machine)

    if not hasattr(complete, "__wrapped__"):
        ParseMachine.complete_context = completed  # type: ignore[method-assign,assignment]
