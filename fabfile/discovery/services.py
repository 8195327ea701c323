"""The services of a compose project, from its file or from its containers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..commands.docker import COMPOSE_SERVICE
from ..errors import DeployError
from ..server.containers import Mount

_COLOUR = re.compile(r"-(blue|green)$")
# A health check that asks a URL: by curl, wget, or the app's own language.
_URL = re.compile(r"""https?://[^\s/"'|;)]+(?P<path>/[\w./@%+-]*)?""")


@dataclass(frozen=True)
class Service:
    """One service, and its container where there is one.

    :param container: its container's name; empty where there is none to be seen.
    :param given_name: what the compose file calls the container; empty: nothing.
    :param names: whatever nginx may call it.
    :param ports: ports on the server, by the port inside.
    :param exposed: further ports inside.
    :param health: words of its health check.
    :param build: folder that its image is built in; empty: it is not.
    :param dockerfile: in that folder, where it has another name.
    :param profiles: one of which must be on; empty: it always counts.
    :param origin: where this was read.
    :param address: of its running container; empty where it does not run.
    """

    name: str
    image: str
    origin: str
    container: str = ""
    given_name: str = ""
    names: frozenset[str] = frozenset()
    ports: Mapping[int, int] = field(default_factory=dict)
    exposed: tuple[int, ...] = ()
    health: str = ""
    build: str = ""
    dockerfile: str = ""
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    address: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # holds secrets

    @property
    def health_path(self) -> str:
        """The path that its health check asks for; empty where it asks for none."""
        found = _URL.search(self.health)
        return (found["path"] or "/") if found else ""


def in_document(document: Mapping[str, Any], origin: str) -> list[Service]:
    """The services of a compose file, or of several merged.

    :param origin: their names.
    :raises DeployError: it is not made like one.
    """
    try:
        entries = document["services"].items()
        return [_in_document(str(name), entry or {}, origin) for name, entry in entries]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DeployError(
            f"{origin} is no compose file that can be read",
            evidence=f"{type(error).__name__}: {error}",
            next_command="docker compose config, in its folder, says what is wrong",
        ) from None


def _in_document(name: str, entry: Mapping[str, Any], origin: str) -> Service:
    build = entry.get("build") or ""
    options = build if isinstance(build, Mapping) else {"context": build}
    container = str(entry.get("container_name") or "")
    networks = entry.get("networks")
    aliases = [
        str(alias)
        for options in (networks.values() if isinstance(networks, Mapping) else ())
        for alias in (options or {}).get("aliases") or ()
    ]
    return Service(
        name=name,
        image=str(entry.get("image") or ""),
        origin=f"{origin}, service {name}",
        given_name=container,
        names=_names(name, container, str(entry.get("hostname") or ""), *aliases),
        ports=dict(filter(None, map(_published, entry.get("ports") or ()))),
        exposed=tuple(int(port) for port in map(_bare, entry.get("expose") or ()) if port),
        health=_words((entry.get("healthcheck") or {}).get("test")),
        build=str(options.get("context", ".")),
        dockerfile=str(options.get("dockerfile") or ""),
        env_files=tuple(_env_files(entry.get("env_file"))),
        profiles=tuple(map(str, entry.get("profiles") or ())),
        mounts=tuple(filter(None, map(_mount, entry.get("volumes") or ()))),
        environment=_environment(entry.get("environment")),
    )


def in_container(entry: Mapping[str, Any]) -> Service:
    """The service of a container, as `docker inspect` has it."""
    config, networks = entry["Config"], entry["NetworkSettings"]["Networks"]
    container = entry["Name"].lstrip("/")
    aliases = [alias for network in networks.values() for alias in network.get("Aliases") or ()]
    name = _COLOUR.sub("", (config.get("Labels") or {}).get(COMPOSE_SERVICE, ""))
    bindings = entry["HostConfig"].get("PortBindings") or {}
    return Service(
        name=name,
        image=config["Image"],
        origin=f"container {container}",
        container=container,
        names=_names(name, container, _COLOUR.sub("", container), *aliases),
        ports={
            int(port.partition("/")[0]): int(hosts[0]["HostPort"])
            for port, hosts in bindings.items()
            if hosts and hosts[0].get("HostPort")
        },
        exposed=tuple(int(port.partition("/")[0]) for port in config.get("ExposedPorts") or {}),
        health=_words((config.get("Healthcheck") or {}).get("Test")),
        mounts=tuple(Mount(m.get("Source", ""), m["Destination"]) for m in entry["Mounts"]),
        address=next((n["IPAddress"] for n in networks.values() if n.get("IPAddress")), ""),
        environment=_environment(config.get("Env")),
    )


def _names(*names: str) -> frozenset[str]:
    return frozenset(name for name in names if name)


def _bare(port: Any) -> str:
    """A port without its protocol; empty for a range or a variable."""
    text = str(port).partition("/")[0]
    return text if text.isdigit() else ""


def _words(test: Any) -> str:
    return " ".join(map(str, test)) if isinstance(test, list) else str(test or "")


def _environment(entry: Any) -> dict[str, str]:
    if isinstance(entry, Mapping):
        return {str(key): "" if value is None else str(value) for key, value in entry.items()}
    pairs = (str(pair).partition("=") for pair in entry or ())
    return {name: value for name, _, value in pairs}


def _env_files(entry: Any) -> Iterable[str]:
    """`env_file: a`, a list of them, or of `{path: a}`."""
    for file in entry if isinstance(entry, list) else [entry] if entry else []:
        yield str(file["path"] if isinstance(file, Mapping) else file).removeprefix("./")


def _published(port: Any) -> tuple[int, int] | None:
    """The port inside, and on the server: `8080:80`, `127.0.0.1:8080:80/tcp` or a mapping."""
    if isinstance(port, Mapping):
        target, published = str(port.get("target", "")), str(port.get("published", ""))
    else:
        *before, target = str(port).partition("/")[0].split(":")
        published = before[-1] if before else ""
    return (int(target), int(published)) if target.isdigit() and published.isdigit() else None


def _mount(volume: Any) -> Mount | None:
    """A mounted file or folder; a named volume is none."""
    if isinstance(volume, Mapping):
        source, target = str(volume.get("source", "")), str(volume.get("target", ""))
    else:
        source, _, rest = str(volume).partition(":")
        target = rest.partition(":")[0]
    return Mount(source, target) if target and source.startswith(("/", ".", "~")) else None
