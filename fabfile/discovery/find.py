"""Finding nginx, the database and the app, and where nginx names the app."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DeployError
from .asking import Asking
from .facts import Facts
from .nginx_files import MAIN, Node, Target, targets, tree
from .place import Place
from .roles import DATABASE, NGINX, Role, apps, candidates
from .services import Service

# Dockerfile lines that put a configuration into nginx's image.
_COPIED = re.compile(r"^\s*(?:COPY|ADD)\s.*\s(/etc/nginx/\S*\.conf)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """The three services, nginx's configuration, and the place in it that names the app."""

    nginx: Service
    database: Service
    app: Service
    configuration: Node
    target: Target


def find(place: Place, facts: Facts, asking: Asking) -> Found:
    """Tell the services apart.

    :raises DeployError: nginx does not send visitors to the app.
    """
    services = list(place.project.services)
    nginx = _one(NGINX, services, facts, asking)
    services.remove(nginx)
    database = _one(DATABASE, services, facts, asking)
    services.remove(database)
    configuration = tree(place.nginx_files(nginx))
    found = targets(configuration)
    app = _app(services, found, facts, asking)
    target = next((t for t in found if t.host in app.names), None)
    if target is None:
        raise _unnamed(place, nginx, app, found)
    return Found(nginx, database, app, configuration, target)


def _one(role: Role, services: Sequence[Service], facts: Facts, asking: Asking) -> Service:
    fitting = candidates(role, services)
    if role.setting not in facts and len(fitting) == 1:
        facts.add(
            role.setting, fitting[0].name, f"image {fitting[0].image}" * bool(fitting[0].image)
        )
    return _chosen(role.setting, role.words, services, asking)


def _app(
    services: Sequence[Service], found: Sequence[Target], facts: Facts, asking: Asking
) -> Service:
    """What nginx sends visitors to; of several, the one that it names for `/`."""
    for target in found:
        for service in services:
            if target.host in service.names:
                facts.add("compose.app", service.name, f"{target.file} names {target.host}")
    fitting = apps(services, ())
    if len(fitting) == 1:
        facts.add("compose.app", fitting[0].name, fitting[0].origin)
    return _chosen("compose.app", "the app", services, asking)


def _chosen(setting: str, what: str, services: Sequence[Service], asking: Asking) -> Service:
    name = asking.choose(setting, what, [service.name for service in services])
    return next(service for service in services if service.name == name)


def _unnamed(place: Place, nginx: Service, app: Service, found: Sequence[Target]) -> DeployError:
    """Either nobody sends visitors to the app, or the configuration is not to be seen here."""
    if found or nginx.address:
        names = ", ".join(sorted(app.names))
        return DeployError(
            f"nothing in nginx's configuration sends visitors to service {app.name}",
            evidence=f"it is known as: {names}\n"
            f"visitors are sent to: {', '.join(t.host for t in found) or 'nowhere'}",
            next_command="name the app's service: --set compose.app=NAME",
        )
    dockerfile = place.read(f"{nginx.build}/Dockerfile") if nginx.build else None
    copied = _COPIED.search(dockerfile or "")
    inside = copied[1] if copied else MAIN
    copy = f"./nginx/{inside.rpartition('/')[2]}"
    return DeployError(
        f"nginx's configuration is not mounted into service {nginx.name}: it is part of its image",
        evidence=f"two lines to add to service {nginx.name} in {place.project.files[0]}:\n"
        f"    volumes:\n      - {copy}:{inside}:ro",
        state="nothing was written",
        next_command=f"put the configuration at {copy}, add the two lines, then init again",
    )
