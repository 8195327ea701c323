"""How a function becomes a task that works the same under `fab -H` and `invoke`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.parser.argument import Argument
from invoke.tasks import Task, task

from . import masking, positional, settings_guard
from .phases import FORWARD
from .positional import PositionalIfGiven

if TYPE_CHECKING:
    from .report.console import Console
    from .server.archive import Archive
    from .settings import Settings
    from .settings_file import Origins

settings_guard.install()
masking.mask_debugging()
positional.install()

# Options of every task. The executor reads them, before any task's body runs.
OPTIONS: Mapping[str, tuple[type, str]] = {
    "set": (list, "Override a setting: NAME=VALUE, for instance migration.data=now (repeatable)."),
    "on": (str, "The servers: names of hosts and of groups, and addresses, comma separated."),
    "parallel": (str, "Several servers: up to this many at a time; by default one."),
    "verbose": (bool, "Show every detail below its step; else only of a step that fails."),
}
SHORT = {"verbose": "v"}  # no other option of a task gets these letters
ALL_OR_NOTHING = "Several servers: when one fails, take back those that this run has moved."


class PositionalUnless(Argument):
    """A positional argument that is needed unless a flag was given.

    Invoke's parser asks each positional argument for its value, and needs those with None.

    :param flag: the flag's argument, of the same task.
    """

    def __init__(self, flag: Argument, given: Argument) -> None:
        super().__init__(names=given.names, positional=True, help=given.help)
        self.flag = flag

    @property
    def value(self) -> Any:
        if self._value is None and self.flag.value:
            return ""
        return self._value

    @value.setter
    def value(self, text: str) -> None:
        self.set_value(text)


class SiteTask(Task):  # type: ignore[type-arg]
    """A task whose body gets the site instead of Invoke's context.

    `fab -H` hands over a Connection, `invoke` a plain Context: both become a Site over our own
    connection, and a chain of tasks shares one SSH session. The settings come from the executor
    (executor.py), which has chosen the server.

    :param unless: positional arguments by name, each with the flag that makes it needless.
    :param reads: it only looks, so over several servers it goes on after one that fails.
    :param may_name: an option that is positional too, and may be left out.
    :param letters: short names of options; given with `auto_shortflags=False`, since a short name
        hides what the programs themselves call so.
    :param at_terminal: whether it needs the terminal for itself, by the options that were given;
        then it is for one server.
    :param endless: the option with which it goes on until Ctrl-C.
    :param documents: with --json its run prints a document too, and not its plan alone.
    :param migrates: it applies migrations, so each must be what it is meant to be.
    """

    def __init__(
        self,
        body: Callable[..., Any],
        *,
        unless: Mapping[str, str] | None = None,
        reads: bool = False,
        may_name: str = "",
        letters: Mapping[str, str] | None = None,
        at_terminal: Callable[[Mapping[str, Any]], bool] = lambda given: False,
        endless: str = "",
        migrates: bool = False,
        documents: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(body, **kwargs)
        self.migrates = migrates
        self.documents = documents
        self.unless = unless or {}
        self.reads = reads
        self.may_name = may_name
        self.letters = letters or {}
        self.at_terminal = at_terminal
        self.endless = endless

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        given = {a.name: a for a in super().get_arguments(ignore_unknown_help=ignore_unknown_help)}
        for name, flag in self.unless.items():
            given[name] = PositionalUnless(given[flag], given[name])
        if self.may_name:
            given[self.may_name] = PositionalIfGiven(given[self.may_name])
        for name, letter in self.letters.items():
            given[name].names = (*given[name].names, letter)
        options = [_option(name) for name in OPTIONS]
        if self.name in FORWARD:
            options.append(
                Argument(
                    names=("all-or-nothing",),
                    attr_name="all_or_nothing",
                    kind=bool,
                    help=ALL_OR_NOTHING,
                )
            )
        return [*given.values(), *options]

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
        return super().arg_opts(name, default, taken_names | set(SHORT.values()))

    def __call__(
        self,
        context: Context,
        *args: Any,
        settings: Settings,
        origins: Origins,
        console: Console,
        release: str = "",
        packed: Archive | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the body on the site.

        :param settings: the chosen server's.
        :param origins: where they came from.
        :param console: the command's.
        :param release: the stamp that several servers share; by default one is made.
        :param packed: what several servers get alike; by default it is packed when it is sent.
        """
        from .interrupts import listening
        from .running import explained, finished, site_of

        with explained(console, origins), listening():
            site = site_of(context, settings, release, console)
            site.packed = packed
            result = self.body(site, *args, **kwargs)
            finished.append(self.name)
            return result


class NewcomerTask(Task):  # type: ignore[type-arg]
    """A task that runs before there are settings: its body gets a Newcomer."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        return [*super().get_arguments(ignore_unknown_help=ignore_unknown_help), _option("set")]

    def __call__(self, context: Context, *args: Any, **kwargs: Any) -> Any:
        from .interrupts import listening
        from .report.console import Console
        from .running import explained, newcomer_of
        from .settings_file import Origins

        assignments = kwargs.pop("set", None) or []
        console = Console()
        with explained(console, Origins()), listening():
            return self.body(newcomer_of(context, assignments, console), *args, **kwargs)


def _option(name: str) -> Argument:
    kind, text = OPTIONS[name]
    names = (name, SHORT[name]) if name in SHORT else (name,)
    return Argument(names=names, kind=kind, help=text)


site_task = partial(task, klass=SiteTask)
newcomer_task = partial(task, klass=NewcomerTask)
