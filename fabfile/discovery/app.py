"""The settings of the app: image, container, ports, health, pages, and where releases come from."""

from __future__ import annotations

import json
import re

from ..probes.answer import Answer
from .asking import Asking
from .facts import Facts
from .find import Found
from .place import Place
from .services import Service

HEALTH_PATHS = ("/api/health", "/health", "/healthz", "/health/", "/up", "/ping", "/status")
LOGIN_PATHS = ("/login", "/signin", "/sign-in", "/accounts/login/", "/users/sign_in", "/login/")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_UNPRIVILEGED = 1024
_NOT_ASKED = "not asked; please check"


def add_app(facts: Facts, place: Place, found: Found, asking: Asking) -> None:
    """Image, container, ports and health."""
    app, project = found.app, place.project
    named = project.name or project.folder.rstrip("/").rpartition("/")[2]
    default = f"{named}-{app.name}"
    repository = app.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    good = bool(_NAME.fullmatch(repository))
    facts.add("app.image", repository if good else default, "releases are IMAGE:YYYYMMDD-HHMMSS")
    facts.add(
        "app.container", app.given_name or default, "releases run as NAME-blue and NAME-green"
    )
    facts.add("app.port", found.target.port, f"{found.target.file} names {found.target.host}")
    _add_ports(facts, place, app)
    _add_health(facts, place, app, asking)
    _add_source(facts, place, app)


def _add_ports(facts: Facts, place: Place, app: Service) -> None:
    """Blue's port is where the plain app is published: it will be taken as blue."""
    port = facts["app.port"]
    wanted = port if port >= _UNPRIVILEGED else 3000
    published = app.ports.get(port)
    blue = published or place.free_ports([wanted])[0]
    origin = f"{app.origin} publishes it" if published else "blue's, on the server's loopback"
    facts.add("app.blue_port", blue, origin)
    green = place.free_ports([facts["app.blue_port"] + 1])[0]
    facts.add("app.green_port", green, "green's, on the server's loopback")


def _add_health(facts: Facts, place: Place, app: Service, asking: Asking) -> None:
    if app.health_path:
        facts.add("app.health_path", app.health_path, f"{app.origin}, its health check")
    for path in HEALTH_PATHS if "app.health_path" not in facts else ():
        if _status(_ask(facts, place, app, path)) == 200:
            facts.add("app.health_path", path, "asked: it answers 200")
            break
    asking.fill("app.health_path", "path of the app's health page", "/", "no health page was found")
    answer = _ask(facts, place, app, facts["app.health_path"])
    if answer and answer.status != 200:
        asking.console.warn(f"{facts['app.health_path']} answers {answer.found}, not 200")
    said = _json(answer)
    status, database = said.get("status"), said.get("database")
    if isinstance(status, str):
        facts.add("app.health_status", [status], f"its answer: status {status}")
    facts.add("app.health_status", [], "any answer 200 is healthy")
    has = isinstance(database, str)
    facts.add("app.health_database", database if has else "", "its answer" if has else "not said")


def _add_source(facts: Facts, place: Place, app: Service) -> None:
    """Built from a working copy, unless the image comes from a registry."""
    if not app.build and "/" in app.image:
        facts.add("source.kind", "registry", f"{app.origin} is not built")
        facts.add("source.image", app.image, "what is pulled for a release")
        return
    facts.add("source.kind", "git", "the working copy's commit; or server, registry, stream")
    where = (
        f"build: {app.build} in {place.project.file_names}"
        if app.build
        else "where its Dockerfile is"
    )
    facts.add("source.folder", ".", f"on this machine: {where}")
    if app.dockerfile:
        facts.add("source.dockerfile", app.dockerfile, f"dockerfile: in {place.project.file_names}")


def add_pages(facts: Facts, place: Place, found: Found) -> None:
    """Pages that a visitor gets, as they answer now."""
    app, health = found.app, facts["app.health_path"]
    root = _ask(facts, place, app, "/")
    login = next((p for p in LOGIN_PATHS if _status(_ask(facts, place, app, p)) == 200), "")
    told = "asked: it answers 200" if login else ("none of the usual" if root else _NOT_ASKED)
    facts.add("app.login_path", login, told)
    login = facts["app.login_path"]
    pages = {"/": _status(root) or 200} if _status(root) < 500 else {}
    pages |= {path: 200 for path in (health, login) if path and path not in pages}
    value = {path: {"status": [status]} for path, status in pages.items()}
    origin = "a visitor who is not signed in; add yours"
    facts.add("public.pages", value, origin if root else _NOT_ASKED)
    icon = _status(_ask(facts, place, app, "/favicon.ico")) == 200
    facts.add("public.static_paths", ["/favicon.ico"] if icon else [], "add yours")
    shown = [path for path, status in pages.items() if status < 400]
    facts.add("meter.paths", shown, "measured during each deploy")


def _ask(facts: Facts, place: Place, app: Service, path: str) -> Answer | None:
    return place.ask(app, facts["app.port"], path)


def _status(answer: Answer | None) -> int:
    return answer.status if answer else 0


def _json(answer: Answer | None) -> dict[str, object]:
    try:
        body = json.loads(answer.body) if answer else None
    except json.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
