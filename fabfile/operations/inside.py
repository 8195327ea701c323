"""Inside a container: psql, a shell, one command."""

from __future__ import annotations

from invoke.exceptions import Exit

from ..commands import docker, postgres
from ..errors import BadSettings
from ..server.database import account
from ..server.terminal import attach, is_terminal, stream
from ..site import Site
from .chosen import one_running, one_word


def psql(site: Site, command: str) -> None:
    """psql in the database's container, at this terminal; or one command's answer.

    :raises BadSettings: no terminal and no command; nothing was contacted.
    :raises Exit: psql's own exit code.
    """
    if not command:
        _refuse_no_terminal("psql", "fab psql --command 'SELECT …'")
    container = site.database.container
    user, name = account(container.environment)
    if command:
        limit = site.settings.database.statement_timeout
        argv = postgres.psql_command(container.id, command, user=user, database=name, limit=limit)
        _leave(stream(site.server, argv))
    else:
        _leave(attach(site.server, postgres.psql_terminal(container.id, user=user, database=name)))


def shell(site: Site, colour: str) -> None:
    """A shell in a container.

    :param colour: a word of `chosen`; empty: the live colour.
    :raises BadSettings: no terminal; nothing was contacted.
    :raises Exit: the shell's own exit code.
    """
    word = one_word(colour)
    _refuse_no_terminal("shell", "fab exec 'COMMAND'")
    container = one_running(site, word)
    site.console.line(f"{container.name}: exit or Ctrl-D leaves", style="dim")
    _leave(attach(site.server, docker.shell(container.id)))


def execute(site: Site, command: str, colour: str) -> None:
    """One command in a container, by its own shell; at the terminal, where there is one.

    :param colour: as `shell` has it.
    :raises Exit: the command's own exit code.
    """
    word = one_word(colour)
    if not command.strip():
        raise BadSettings("exec: the command is empty; allowed: for instance 'nginx -t'")
    container = one_running(site, word)
    if is_terminal():
        _leave(attach(site.server, docker.command_line(container.id, command, terminal=True)))
    else:
        _leave(stream(site.server, docker.command_line(container.id, command)))


def _refuse_no_terminal(task: str, instead: str) -> None:
    if not is_terminal():
        raise BadSettings(
            f"{task} needs a terminal to be typed at, and there is none", next_command=instead
        )


def _leave(exit_code: int) -> None:
    if exit_code:
        raise Exit(code=exit_code)
