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

from . import interrupts
from .errors import BadSettings, DeployError
from .newcomer import Newcomer
from .report.console import Console
from .server.connection import Server
from .settings import load, overrides
from .site import Site

_sites: dict[tuple[str, str], Site] = {}
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # we say it in our own words


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

    settled = True  # there are settings, and the body gets the site
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
        console = Console()
        try:
            with interrupts.listening():
                subject = _site if self.settled else _newcomer
                return self.body(subject(context, assignments, console), *args, **kwargs)
        except DeployError as error:
            if _debugging():
                console.errors.print_exception()
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
    :param settled: False for a task that needs no settings: its function gets a Newcomer.
    """
    attributes = {name: kwargs.pop(name) for name in ("unless", "settled") if name in kwargs}
    decorate: Callable[..., Any] = task(*args, klass=SiteTask, **kwargs)
    if not attributes:
        return decorate

    def with_attributes(body: Callable[..., Any]) -> Any:
        made = decorate(body)
        vars(made).update(attributes)
        return made

    return with_attributes


def _debugging() -> bool:
    return logging.getLogger().isEnabledFor(logging.DEBUG)  # what -d/--debug turns on


def _section(context: Context) -> object:
    """What stands under `site:`; of a complete file given with -f, nothing but that."""
    given = context.config._runtime.get("site")
    if isinstance(given, Mapping) and given.get("complete") is True:
        return given
    return context.config._config.get("site")


def _newcomer(context: Context, assignments: list[str], console: Console) -> Newcomer:
    """Of the settings only how a server is reached: the rest is another site's."""
    section = context.config._config.get("site")
    ssh = section.get("ssh") if isinstance(section, Mapping) else None
    given = overrides({}, assignments)
    if not isinstance(context, Connection):
        return Newcomer(console, None, given)
    reach = overrides(os.environ, assignments, {"ssh": dict(ssh or {})})["ssh"]
    settings = load({"ssh": reach})
    server = Server(settings, context)
    atexit.register(server.close)
    return Newcomer(console, server, given)


def _site(context: Context, assignments: list[str], console: Console) -> Site:
    source = str(context.config._runtime_path or "invoke.yaml")
    settings = load(
        _section(context),
        environment=os.environ,
        assignments=assignments,
        source=source,
    )
    connection = context if isinstance(context, Connection) else None
    if connection is None and not settings.ssh.host:
        raise BadSettings(
            "no server is named: ssh.host is empty",
            next_command="fab -H user@host …, or set ssh.host: user@host:port",
        )
    server = Server(settings, connection)
    key = (str(server), settings.model_dump_json())
    if key not in _sites:
        atexit.register(server.close)
        _sites[key] = Site(settings, server, console)
    return _sites[key]
