"""`init`: reads a site that runs, or its folder, and writes a commented settings file for it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from ..discovery.app import add_app, add_pages
from ..discovery.asking import Asking
from ..discovery.facts import Facts
from ..discovery.find import Found, find
from ..discovery.on_disk import OnDisk
from ..discovery.on_server import OnServer
from ..discovery.place import Place
from ..discovery.settings_file import render
from ..discovery.site_facts import add_database, add_nginx, add_project
from ..errors import BadSettings, DeployError
from ..newcomer import Newcomer
from ..report.console import Console
from ..server.connection import Server
from ..server.containers import Containers
from ..server.nginx import Nginx
from ..settings import Settings, load


def init(
    newcomer: Newcomer,
    *,
    folder: str,
    project: str,
    output: str,
    yes: bool,
) -> None:
    """Find the settings, ask for the rest, and write them.

    :param folder: on this machine, without a server.
    :param project: folder or name of the compose project on the server; empty: the only one.
    :param yes: ask nothing.
    :raises DeployError: there is no such site, or the file is there already; nothing is changed.
    """
    console, server = newcomer.console, newcomer.server
    path = _free(Path(output))
    facts = Facts()
    if server:
        facts.add("ssh.host", str(server), "fab -H")
        _add_way_in(facts, server)
    facts.add_all(newcomer.given, "given with --set")
    facts.add("complete", True, "nothing of the shipped invoke.yaml's site is mixed in")
    place: Place = OnServer(server, project) if server else OnDisk(Path(folder))
    asking = Asking(console, facts, yes=yes)

    found = find(place, facts, asking)
    add_project(facts, place, found, asking)
    add_app(facts, place, found, asking)
    add_nginx(facts, found, asking)
    add_pages(facts, place, found)
    add_database(facts, place, found, asking)

    settings = load(facts.nested())
    if server:
        _refuse_part_of_the_image(server, settings)
    _write(path, render(facts, str(path)))
    _say(console, path, found, settings)


def _free(path: Path) -> Path:
    """:raises BadSettings: it is there already, or cannot be there."""
    if path.exists():
        raise BadSettings(
            f"{path} is there already; init never writes over a file",
            next_command="init --output ANOTHER.yaml",
        )
    if not path.absolute().parent.is_dir():
        raise BadSettings(f"--output {path}: no such folder {path.parent}")
    if path.suffix not in (".yaml", ".yml"):
        raise BadSettings(f"--output {path}: fab -f takes a file that ends in .yaml")
    return path


def _add_way_in(facts: Facts, server: Server) -> None:
    """How this run signed in, where that is not by default."""
    ssh = server.settings.ssh
    key = ssh.key_file or server.connection.connect_kwargs.get("key_filename") or ""
    for name, value in (
        ("key_file", key if isinstance(key, str) else str(key[0])),
        ("known_hosts", ssh.known_hosts),
    ):
        if value:
            facts.add(f"ssh.{name}", value, "as this run signed in")


def _refuse_part_of_the_image(server: Server, settings: Settings) -> None:
    """:raises DeployError: nginx's configuration is in its image; with the lines to add."""
    Nginx(server, settings, Containers(server, settings)).config_file()


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and never over a file that somebody has made meanwhile."""
    handle, beside = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.link(beside, path)
    except FileExistsError:
        raise DeployError(f"{path} has come meanwhile; it was left as it is") from None
    except OSError as error:
        raise DeployError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            Path(beside).unlink()


def _say(console: Console, path: Path, found: Found, settings: Settings) -> None:
    roles = (("app", found.app), ("nginx", found.nginx), ("database", found.database))
    for name, service in roles:
        console.line(f"  {name:<9} {service.name:<12} {service.image}")
    console.line(f"  site      {settings.public.url}, health {settings.app.health_path}")
    console.line(f"  upstream  {settings.nginx.config} names {found.target.host}")
    console.line()
    console.line(f"Written: {path}. Read it once; each line says where its value was found.")
    host = settings.ssh.host or "user@host"
    console.line(f"Next: fab -f {path} -H {host} doctor")
