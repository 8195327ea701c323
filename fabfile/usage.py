"""What Invoke's own parser finds wrong with a command line, in our words: one line, the nearest
right name, exit code 2.

The two programs are Invoke's and Fabric's own, and are under way when they load the tasks; what
they call from then on goes through here. The options before the first task have been read by then:
`fab -t x status` ends in Fabric's own traceback, `fab status -t x` here.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.program import Program

from .errors import BadSettings
from .nearest import nearest

FORMATS = ("flat", "nested", "json")  # of --list

# Invoke's messages, which are all that it tells.
_UNKNOWN = re.compile(r"No idea what (?P<what>'.*'|\".*\") is!", re.DOTALL)
_NO_VALUE = re.compile(r"Flag <\w+: (?P<name>[\w-]+).*> needed value and was not given one!")
_NO_ARGUMENT = re.compile(r"'.+' did not receive required positional arguments: (?P<names>.+)")


def install(*programs: Program) -> None:
    """Put our words in place of Invoke's; once a process."""
    for program in programs:
        parse, clean_up = program.parse_tasks, program.parse_cleanup
        program.parse_tasks = _explaining(program, parse)  # type: ignore[method-assign]
        program.parse_cleanup = _explaining(  # type: ignore[method-assign]
            program, functools.partial(_clean_up, program, clean_up)
        )
    Argument.set_value = _refusing_words(Argument.set_value)  # type: ignore[method-assign]


def _explaining(program: Program, step: Callable[[], None]) -> Callable[[], None]:
    def explaining() -> None:
        try:
            step()
        except ParseError as error:
            _end(_explained(program, error))
        except Exit as error:
            if error.message is None:
                raise
            _end(BadSettings(error.message, next_command=f"{program.called_as} --list"))

    return explaining


def _end(error: BadSettings) -> None:
    from .report.console import Console

    Console().failure(error)
    raise Exit(code=error.exit_code) from None


def _clean_up(program: Program, clean_up: Callable[[], None]) -> None:
    given = program.args["list-format"].value
    if program.args.list.value and given not in FORMATS:
        raise ParseError(f"--list-format is {given!r}; allowed: {', '.join(FORMATS)}")
    clean_up()


def _refusing_words(set_value: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(set_value)
    def checked(argument: Argument, value: Any, cast: bool = True) -> None:
        try:
            set_value(argument, value, cast)
        except ValueError:
            option = _option(argument.names[-1])
            raise ParseError(f"{option} is {value!r}; allowed: a whole number") from None

    return checked


def _explained(program: Program, error: ParseError) -> BadSettings:
    context, text = error.context, str(error)
    task = context.name if context else None
    help_for = f"{program.called_as} --help {task}" if task else f"{program.called_as} --list"
    if found := _UNKNOWN.fullmatch(text):
        return _unknown(program, context, ast.literal_eval(found["what"]), help_for)
    if found := _NO_VALUE.fullmatch(text):
        text = f"{_option(found['name'])} needs a value"
    if found := _NO_ARGUMENT.fullmatch(text):
        text = f"{task} needs {found['names'].replace(chr(39), '').upper()}"
    return BadSettings(text, next_command=help_for)


def _unknown(
    program: Program, context: ParserContext | None, what: str, help_for: str
) -> BadSettings:
    task = context.name if context else None
    if what.startswith("-"):
        where = f"{task}: " if task else ""
        hint = nearest(what, _options(program, context))
        return BadSettings(f"{where}no such option {what}{hint}", next_command=help_for)
    after = f", and {task} takes no such argument" if task else ""
    hint = nearest(what, _tasks(program))
    list_them = f"{program.called_as} --list"
    return BadSettings(
        f"no such task: {what}{after}{hint}",
        next_command=f"{help_for}; {list_them}" if task else list_them,
    )


def _options(program: Program, context: ParserContext | None) -> Iterator[str]:
    for one in filter(None, (context, program.initial_context)):
        yield from (*one.flags, *one.flags.aliases, *one.inverse_flags)


def _tasks(program: Program) -> Iterator[str]:
    for context in program.parser.contexts.values():
        yield from (context.name, *context.aliases)


def _option(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"
