"""Tasks for the lab, a production look-alike on this machine.

Each begins by importing what it needs, so that `invoke --list` does not wait for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from lab.shell import LabError


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say why in words, and end with 1: nobody wants the lab's traceback."""
    try:
        yield
    except LabError as error:
        from rich.console import Console

        Console(stderr=True).print(f"[red]lab:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


_SERVERS = {"servers": "how many, from LAB_SERVER on: lab1, lab2 and so on"}


@task(help=_SERVERS)
def up(context: Context, servers: str = "1") -> None:
    """Start the lab: a server in a container, with the site on it; safe to run again.

    LAB_SERVER=2 is a second one beside it, and so on; LAB_FLAVOUR=bookworm one with Docker 20.10
    and docker-compose 1.29; bare-trixie and bare-bookworm have no Docker and no site: for setup.

    Needs root, and the packages of lab/install-packages.sh. The first run takes some two
    minutes, later ones seconds. A site that is there is left as it is. Next: deploy to it.
    """
    from lab import keys, server
    from lab.places import several
    from lab.progress import console, spoken

    with _plain_errors():
        made = [server.up(one, say=spoken(console)) for one in several(servers)]
    for one in made:
        ssh = " ".join(keys.ssh_command(one))
        console.print(
            f"\n{one.alias}, log in:\n  {ssh}\n  (or: LAB_SERVER={one.number} invoke lab.ssh)\n"
            f"Visit:\n  curl --cacert .lab/ca.pem --connect-to ::127.0.0.1:{one.https_port} "
            "https://1001stories.seedsofempowerment.org/",
            highlight=False,
            soft_wrap=True,
        )
    names = ",".join(one.alias for one in made)
    next_one = "setup --plan" if made[0].flavour.bare else "deploy"
    console.print(
        f"\nNext:\n  fab -f lab/settings.yaml -H {names} {next_one}",
        highlight=False,
        soft_wrap=True,
    )


@task(help=_SERVERS)
def reset(context: Context, servers: str = "1") -> None:
    """Bring the lab's site back to plain production; what was deployed to it is lost."""
    from lab import server
    from lab.places import several
    from lab.progress import console, spoken

    with _plain_errors():
        for one in several(servers):
            server.reset(one, say=spoken(console))


@task(help={**_SERVERS, "images": "remove the lab's images from this machine too"})
def down(context: Context, servers: str = "1", images: bool = False) -> None:
    """Remove the lab's server with all that is on it; `lab.up` makes it anew."""
    from lab import server
    from lab.places import several
    from lab.progress import console

    with _plain_errors():
        for one in several(servers):
            server.down(one, remove_images=images)
            console.print(f"The lab's server {one.number} is gone.")


@task
def status(context: Context) -> None:
    """Show the lab: engines, the server, the site's containers, ports and free disk."""
    from lab.places import Server
    from lab.progress import console
    from lab.status import table

    with _plain_errors():
        console.print(table(Server()))


@task(help={"command": "run this there instead of opening a shell"})
def ssh(context: Context, command: str = "") -> None:
    """Log in to the lab's server with the lab's key, or run one command there."""
    from lab import keys
    from lab.places import Server

    arguments = keys.ssh_command(Server(), *([command] if command else []))
    os.execvp(arguments[0], arguments)


ns = Collection("lab", up, reset, down, status, ssh)
