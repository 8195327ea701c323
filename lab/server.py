"""The lab as a whole, for people and for tests: up, down, reset, and a way in."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Sequence

from lab import engine, images, keys, machine, talk, website
from lab.environment import DATABASE_NAME, DATABASE_USER
from lab.places import STATE, Server
from lab.progress import Say, silent
from lab.shell import Completed


def up(server: Server | None = None, say: Say = silent) -> Server:
    """Bring the lab up: the engine, the images, the server and the site; safe to run again.

    A site that is there already is left as it is, whatever was deployed to it. A bare server
    gets no site: that is the work of `setup`.
    """
    server = server or Server()
    with _one_at_a_time():
        engine.ensure_engine()
        say(f"this machine's Docker engine answers ({engine.version()})")
        for line in images.ensure_images(server.flavour):
            say(line)
        keys.ensure_keys(server)
    say(f"server {server.name}: {machine.ensure_machine(server)}")
    if server.flavour.bare:
        return server
    if copied := copy_images(server):
        say(f"copied {', '.join(copied)} to the server's engine")
    if not website.is_installed(server):
        website.build_production(server)
        say("built the old release on the server")
        website.install(server)
        say("put the site on the server and started it")
    release = website.wait_until_public(server)
    say(f"the site answers as release {release}")
    return server


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """What all servers of this working copy share is made by one of them."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "up.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def reset(server: Server | None = None, say: Say = silent) -> None:
    """Bring the site on a running server back to plain production, and wait until it answers.

    A bare server is made anew, without Docker.
    """
    server = server or Server()
    if server.flavour.bare:
        machine.remove_machine(server)
        up(server, say)
        return
    website.wipe(server)
    say("removed the site and what deployments left")
    website.build_production(server)
    website.install(server)
    say("put plain production in place")
    website.wait_until_public(server)
    _wait_until_healthy(server)


def down(server: Server | None = None, remove_images: bool = False) -> None:
    """Remove the server with all that is on it, and the lab's images too if that is wanted."""
    machine.remove_machine(server or Server())
    if remove_images:
        images.remove_images()


def run(
    command: str | Sequence[str],
    *,
    server: Server | None = None,
    user: str = "ubuntu",
    check: bool = True,
    timeout: float = 60,
    text: str | None = None,
) -> Completed:
    """Run a program on the server as ubuntu, past ssh and past the tool under test."""
    return talk.run(
        command, server=server or Server(), user=user, check=check, timeout=timeout, text=text
    )


def psql(sql: str, *, server: Server | None = None, database: str = DATABASE_NAME) -> str:
    """Run SQL in the site's database; answer the rows, one a line, with `|` between values."""
    client = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    return run(
        ["docker", "exec", "-i", "1001-stories-db", *client, "-U", DATABASE_USER, "-d", database],
        server=server,
        text=sql,
    ).stdout.strip()


def copy_images(server: Server) -> list[str]:
    """Copy the site's images to the server's engine, those that are not the very same there."""
    missing = [
        image
        for image in images.site_images(server.flavour)
        if _identifier_there(server, image.alias) != engine.image_identifier(image.tag)
    ]
    if missing:
        talk.send_images(server, [image.tag for image in missing])
    for image in missing:
        talk.run(["docker", "tag", image.tag, image.alias], server=server)
    return [image.tag for image in missing]


def _identifier_there(server: Server, image: str) -> str:
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    return talk.run(command, server=server, check=False).stdout.strip()


def _wait_until_healthy(server: Server) -> None:
    """Wait for Docker's own opinion too: tests that read it start from `healthy`."""
    talk.run(
        """for attempt in $(seq 60); do
               states=$(docker ps --filter name=^1001-stories --format '{{.Status}}')
               case "$states" in *starting*|*unhealthy*) sleep 0.25 ;; *) exit 0 ;; esac
           done
           docker ps -a >&2; exit 1""",
        server=server,
    )
