"""What is around a task while it runs: its site, and the one place where a failure is explained."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping

from fabric import Connection
from invoke.context import Context
from invoke.exceptions import Exit

from .errors import DeployError
from .newcomer import Newcomer
from .report.console import Console
from .server.connection import Server
from .settings import Settings, load, overrides
from .settings_file import Origins
from .site import Site

sites: dict[tuple[str, str], Site] = {}  # of this process
finished: list[str] = []  # the tasks that this process has done to their end


@contextlib.contextmanager
def explained(console: Console, origins: Origins | None = None) -> Iterator[None]:
    """Every failure becomes one message and an exit code here, and nowhere else.

    :param origins: where the settings came from, for what is found wrong with one.
    """
    try:
        yield
    except DeployError as error:
        console.trace(error)
        if debugging():
            console.errors.print_exception()
        if origins:
            origins.explain(error)
        console.failure(error)
        raise Exit(code=error.exit_code) from None
    except Exit:
        raise
    except Exception as error:
        console.trace(error)
        if debugging():
            raise
        reason = f"unexpected {type(error).__name__}: {error}"
        console.failure(DeployError(reason, next_command="again with --debug"))
        raise Exit(code=1) from None


def debugging() -> bool:
    return logging.getLogger().isEnabledFor(logging.DEBUG)  # what -d/--debug turns on


def newcomer_of(context: Context, assignments: list[str], console: Console) -> Newcomer:
    """For a task that runs before there are settings.

    Of the settings only how a server is reached: the rest is another site's."""
    section = context.config._config.get("site")
    ssh = section.get("ssh") if isinstance(section, Mapping) else None
    given = overrides({}, assignments)
    if not isinstance(context, Connection):
        return Newcomer(console, None, given)
    reach = overrides(os.environ, assignments, {"ssh": dict(ssh or {})})["ssh"]
    settings = load({"ssh": reach})
    server = Server(settings, context, console)
    atexit.register(server.close)
    return Newcomer(console, server, given)


def site_of(context: Context, settings: Settings, release: str, console: Console) -> Site:
    """A task's site; the tasks of a chain share it."""
    server = Server(settings, context if isinstance(context, Connection) else None, console)
    key = (str(server), settings.model_dump_json())
    if key not in sites:
        server.look_up()
        atexit.register(server.close)
        sites[key] = Site(settings, server, console, release)
    return sites[key]
