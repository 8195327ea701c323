"""The containers as they are: `ps`, `stats`; and who the users are: `users`."""

from __future__ import annotations

from ..documents.pieces import ContainerState
from ..documents.ps import Ps
from ..documents.stats import Stats
from ..documents.users import Users
from ..errors import DeployError
from ..report.columns import columns
from ..report.container_words import MISSING, cpu_words, memory_words, state_words
from ..report.words import seconds_between, size
from ..server.containers import GONE, Container
from ..server.usage import read_usage
from ..settings import Settings
from ..site import Site
from .chosen import colour_of


def ps(site: Site, *, as_document: bool = False) -> None:
    """Print every container of the project."""
    now = site.server.now()
    found = sorted(site.containers.all(), key=lambda container: container.name)
    states = [state_of(container, site.settings, now) for container in found]
    if as_document:
        Ps(containers=states).show()
        return
    rows = [
        (
            one.name,
            state_words(one, since=True),
            one.image or MISSING,
            ", ".join(one.ports) or MISSING,
        )
        for one in states
    ]
    columns(site.console, ("name", "status", "image", "ports"), rows)


def stats(site: Site, *, as_document: bool = False) -> None:
    """Print what every running container uses.

    :raises DeployError: none runs.
    """
    usage = read_usage(site.server, site.containers.all())
    if as_document:
        Stats(containers=usage).show()
        return
    if not usage:
        raise DeployError(f"no container of {site.containers.project} runs", next_command="fab ps")
    head = ("container", "CPU", "memory", "network in / out", "disk in / out", "processes")
    rows = [
        (
            one.name,
            cpu_words(one),
            memory_words(one),
            f"{_size(one.received)} / {_size(one.sent)}",
            f"{_size(one.read)} / {_size(one.written)}",
            str(one.processes) if one.processes is not None else MISSING,
        )
        for one in usage
    ]
    columns(site.console, head, rows, right=("CPU", "processes"))


def users(site: Site, *, as_document: bool = False) -> None:
    """Print the users by role."""
    database, people = site.settings.database, site.database.people()
    if as_document:
        Users(
            table=database.user_table,
            users=people.users if people.known else None,
            roles=dict(people.roles),
            sessions=people.sessions if database.session_table else None,
        ).show()
        return
    if not people.known or (people.users and not people.roles):
        site.console.line(str(people))
    else:
        rows = [(role, f"{number:,}") for role, number in sorted(people.roles.items())]
        rows.append(("in all", f"{people.users:,}"))
        columns(site.console, (database.role_column or "", "count"), rows, right=("count",))
    if database.session_table:
        site.console.line(f"{people.sessions:,} sessions")


def state_of(container: Container, settings: Settings, now: str) -> ContainerState:
    """A container as a document has it.

    :param now: the server's time.
    """
    ended = not container.running and container.state != GONE
    return ContainerState(
        name=container.name,
        service=container.service or None,
        colour=colour_of(container, settings),
        release=container.release,
        image=container.image or None,
        state=container.state,
        health=(container.health or None) if container.running else None,
        exit_code=container.exit_code if ended else None,
        restarts=container.restarts,
        since=container.since or None,
        seconds=max(0.0, seconds_between(container.since, now)) if container.since else None,
        ports=list(container.ports),
    )


def _size(number: int | None) -> str:
    return MISSING if number is None else size(number)
