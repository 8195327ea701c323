"""Tasks for the lab, a production look-alike on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task
from rich.console import Console

from lab import keys, server
from lab.places import Server
from lab.progress import spoken
from lab.shell import LabError
from lab.status import table

console = Console()


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say why in words, and end with 1: nobody wants the lab's traceback."""
    try:
        yield
    except LabError as error:
        Console(stderr=True).print(f"[red]lab:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


@task
def up(context: Context) -> None:
    """Start the lab: a server in a container, with the site on it; safe to run again.

    LAB_SERVER=2 is a second one beside it, and so on; LAB_FLAVOUR=bookworm one with Docker 20.10
    and docker-compose 1.29; bare-trixie and bare-bookworm have no Docker and no site: for setup.

    Needs root, and the packages of lab/install-packages.sh. The first run takes some two
    minutes, later ones seconds. A site that is there is left as it is. Next: deploy to it.
    """
    with _plain_errors():
        made = server.up(say=spoken(console))
    ssh = " ".join(keys.ssh_command(made))
    console.print(f"\nLog in:\n  {ssh}\n  (or: invoke lab.ssh)", highlight=False, soft_wrap=True)
    first = made.number == 1  # lab/settings.yaml is about the first one
    where = "" if first else " ".join(f"{k}={v}" for k, v in made.environment.items()) + " "
    if made.flavour.bare:
        console.print(
            f"Set up:\n  {where}fab -f lab/settings.yaml -H {made.host} setup --plan",
            highlight=False,
            soft_wrap=True,
        )
        return
    console.print(
        f"Deploy:\n  {where}fab -f lab/settings.yaml -H {made.host} deploy\n"
        f"Visit:\n  curl --cacert .lab/ca.pem --connect-to ::127.0.0.1:{made.https_port} "
        "https://1001stories.seedsofempowerment.org/",
        highlight=False,
        soft_wrap=True,
    )


@task
def reset(context: Context) -> None:
    """Bring the lab's site back to plain production; what was deployed to it is lost."""
    with _plain_errors():
        server.reset(say=spoken(console))


@task(help={"images": "remove the lab's images from this machine too"})
def down(context: Context, images: bool = False) -> None:
    """Remove the lab's server with all that is on it; `lab.up` makes it anew."""
    with _plain_errors():
        server.down(remove_images=images)
    console.print("The lab's server is gone.")


@task
def status(context: Context) -> None:
    """Show the lab: engines, the server, the site's containers, ports and free disk."""
    with _plain_errors():
        console.print(table(Server()))


@task(help={"command": "run this there instead of opening a shell"})
def ssh(context: Context, command: str = "") -> None:
    """Log in to the lab's server with the lab's key, or run one command there."""
    arguments = keys.ssh_command(Server(), *([command] if command else []))
    os.execvp(arguments[0], arguments)


ns = Collection("lab", up, reset, down, status, ssh)
