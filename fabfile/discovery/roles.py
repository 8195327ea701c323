"""Which service is nginx, which the database, which the app. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .services import Service

# Helpers whose images carry the name of what they help.
_NOT_THE_THING = ("exporter", "backup", "postgrest", "admin")


@dataclass(frozen=True)
class Role:
    """How a service of this kind is known: by its image first, then its name, then its port."""

    setting: str
    words: str
    images: tuple[str, ...]
    names: tuple[str, ...]
    ports: tuple[int, ...]

    def weight(self, service: Service) -> int:
        """How much speaks for a service; 0: nothing."""
        image = service.image.rpartition("/")[2].partition(":")[0].lower()
        named = any(word in image for word in self.images)
        helper = any(word in image for word in _NOT_THE_THING)
        inside = {*service.ports, *service.exposed}
        return (
            4 * (named and not helper)
            + 2 * (service.name.lower() in self.names)
            + (not helper and bool(inside & set(self.ports)))
        )


NGINX = Role(
    "compose.nginx",
    "nginx",
    images=("nginx", "openresty", "angie"),
    names=("nginx", "proxy", "reverse-proxy", "gateway"),
    ports=(80, 443),
)
DATABASE = Role(
    "compose.database",
    "PostgreSQL",
    images=("postgres", "postgis", "timescale", "pgvector"),
    names=("db", "postgres", "postgresql", "database", "pg"),
    ports=(5432,),
)
APP = Role(
    "compose.app",
    "the app",
    images=(),
    names=("app", "web", "site", "server", "backend", "api"),
    ports=(3000, 5000, 8000, 8080),
)


def candidates(role: Role, services: Sequence[Service]) -> list[Service]:
    """The services for which most speaks; more than one where that does not tell them apart."""
    weights = [role.weight(service) for service in services]
    best = max(weights, default=0)
    return [s for s, weight in zip(services, weights, strict=True) if best and weight == best]


def apps(services: Sequence[Service], hosts: Collection[str]) -> list[Service]:
    """The services that may be the app: what nginx sends visitors to, what is built, the rest.

    :param services: without nginx and the database.
    :param hosts: names in nginx's upstreams and proxy_pass.
    """
    named = [service for service in services if service.names & set(hosts)]
    built = [service for service in services if service.build]
    for found in (named, built, candidates(APP, services)):
        if len(found) == 1:
            return found
    return named or built or list(services)
