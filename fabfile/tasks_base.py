"""How a function becomes a task that works the same under `fab -H` and `invoke`."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fabric import Connection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser.argument import Argument
from invoke.tasks import Task, task

from . import interrupts, preflight, settings_guard
from .errors import BadSettings, DeployError
from .report.console import Console
from .server.connection import Server
from .settings import load
from .settings_file import Origins
from .site import Site

_sites: dict[tuple[str, str], Site] = {}
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # we say it in our own words
settings_guard.install()


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
    connection, and a chain of tasks shares one SSH session. Every failure becomes one message
    and an exit code here, and nowhere else.
    """

    unless: Mapping[str, str] = MappingProxyType({})  # positional arguments, and what replaces them

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        setting = Argument(
            names=("set",),
            kind=list,
            help="Override a setting: NAME=VALUE, for instance migration.data=now (repeatable).",
        )
        given = {a.name: a for a in super().get_arguments(ignore_unknown_help=ignore_unknown_help)}
        for name, flag in self.unless.items():
            given[name] = PositionalUnless(given[flag], given[name])
        return [*given.values(), setting]

    def __call__(self, context: Context, *args: Any, **kwargs: Any) -> Any:
        assignments = kwargs.pop("set", None) or []
        console, origins = Console(), Origins(settings_guard.files_of(context.config))
        try:
            with interrupts.listening():
                site = _site(context, assignments, console, origins)
                return self.body(site, *args, **kwargs)
        except DeployError as error:
            if _debugging():
                console.errors.print_exception()
            origins.explain(error)
            console.failure(error)
            raise Exit(code=error.exit_code) from None
        except Exception as error:
            if _debugging():
                raise
            reason = f"unexpected {type(error).__name__}: {error}"
            console.failure(DeployError(reason, next_command="again with --debug"))
            raise Exit(code=1) from None


def site_task(*args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Like Invoke's `@task`, for a function of the site.

    :param unless: positional arguments by name, each with the flag that makes it needless.
    """
    unless = kwargs.pop("unless", None)
    decorate: Callable[..., Any] = task(*args, klass=SiteTask, **kwargs)
    if unless is None:
        return decorate

    def with_flags(body: Callable[..., Any]) -> Any:
        made = decorate(body)
        made.unless = unless
        return made

    return with_flags


def _debugging() -> bool:
    return logging.getLogger().isEnabledFor(logging.DEBUG)  # what -d/--debug turns on


def _site(context: Context, assignments: list[str], console: Console, origins: Origins) -> Site:
    settings = load(
        context.config._config.get(settings_guard.SECTION),
        environment=os.environ,
        assignments=assignments,
        origins=origins,
    )
    preflight.check(settings)
    connection = context if isinstance(context, Connection) else None
    if connection is None and not settings.ssh.host:
        raise BadSettings(
            "no server is named: ssh.host is empty",
            next_command="fab -H user@host …, or set ssh.host: user@host:port",
        )
    server = Server(settings, connection)
    key = (str(server), settings.model_dump_json())
    if key not in _sites:
        server.look_up()
        atexit.register(server.close)
        _sites[key] = Site(settings, server, console)
    return _sites[key]
