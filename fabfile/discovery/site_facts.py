"""The settings of the project, of nginx and of the database."""

from __future__ import annotations

from ..server.database import account
from ..settings import Public
from .asking import Asking
from .documents import NAMES, OVERRIDES
from .facts import Facts
from .find import Found
from .nginx_files import domain, first, has_tls, headers
from .place import Place
from .tables import add_tables

_GUESS = "a guess: please check"


def add_project(facts: Facts, place: Place, found: Found, asking: Asking) -> None:
    """The compose project, and where it lies on the server."""
    project = place.project
    base = project.folder.rstrip("/").rpartition("/")[2]
    facts.add("name", project.name or base, "the project's name")
    for name, value in place.folders().items():
        facts.add(f"folders.{name}", value, "where the site lies" if name == "project" else "new")
    asking.fill("ssh.host", "user@host of the server, if you know it", "", "give it with fab -H")
    question = "folder of the compose file on the server"
    folder = str(asking.fill("folders.project", question, f"/home/ubuntu/{base}", _GUESS))
    for name in ("state", "backups"):
        suffix = "deploy" if name == "state" else name
        facts.add(f"folders.{name}", f"{folder.rstrip('/')}-{suffix}", "new, beside it")
    facts.add("compose.files", list(project.files), project.files_from)
    _warn_of_an_override(place, asking)
    if project.profiles:
        facts.add("compose.profiles", list(project.profiles), "of what runs")
    facts.add("compose.project", project.name, project.name_from)
    for service in (found.app, found.database):
        for file in service.env_files:
            facts.add("compose.env_file", file, f"of {service.name}; goes into backups")
    has = place.has(".env")
    facts.add("compose.env_file", ".env" if has else "", "goes into backups" if has else "none")


def _warn_of_an_override(place: Place, asking: Asking) -> None:
    """Compose may take it by itself, but what runs was made without it."""
    files = place.project.files
    left_out = [name for name in OVERRIDES if place.has(name)] if files[0] in NAMES else []
    if left_out and len(files) == 1:
        asking.console.warn(
            f"{left_out[0]} is there too, and does not count as it is: if it should, add it to "
            "compose.files"
        )


def add_nginx(facts: Facts, found: Found, asking: Asking) -> None:
    """The file that names the app, and what visitors call the site."""
    target, server = found.target, found.target.server
    tls = has_tls(server)
    name = domain(server)
    if name:
        facts.add("public.domain", name, f"server_name in {server.file}")
    asking.need(
        "public.domain",
        "domain of the site",
        f"the server_name in {server.file} is no domain",
    )
    listens = "listens with ssl" if tls else "no listen … ssl"
    facts.add("public.scheme", "https" if tls else "http", f"{server.file}: {listens}")
    sets = headers(found.configuration)
    wanted = [name for name in Public().security_headers if name in sets]
    facts.add("public.security_headers", wanted, "those that nginx adds now; a missing one warns")
    facts.add("nginx.manage", "upstream", "nothing else of your configuration is touched")
    facts.add("nginx.config", target.file, f"it names {target.host}:{target.port}")
    for setting in ("certificate", "certificate_key") if tls else ():
        if path := first(server, f"ssl_{setting}"):
            facts.add(f"nginx.{setting}", path, server.file)


def add_database(facts: Facts, place: Place, found: Found, asking: Asking) -> None:
    """Tables, as the database itself has them; else asked."""
    tables = place.tables(found.database)
    if tables is not None:
        _, name = account(found.database.environment)
        add_tables(facts, tables, f"tables of the database {name}")
    elif found.database.address:
        asking.console.warn("the database did not answer; its tables are asked for")
    question = "table of the users, if they have roles"
    users = asking.fill("database.user_table", question, None, "not known: null counts no users")
    column, enum = ("role", None) if users else (None, None)
    asking.fill("database.role_column", "its column of roles", column, "not known")
    asking.fill("database.role_type", "enum type of the roles", enum, "not known")
    asking.fill("database.session_table", "table of the sessions", None, "not known")
    facts.add("migration.folder", "", "none: put your SQL in a folder and name it here")
