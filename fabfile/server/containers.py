"""The site's containers as the engine has them: read from `docker inspect`, never from `ps`."""

from __future__ import annotations

import json
import posixpath
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..commands import docker
from ..errors import DeployError
from ..report.masking import mask
from ..settings import Settings
from .connection import Server

RELEASE_LABEL = "deploy.release"
COLOUR_LABEL = "deploy.colour"
COMMIT_LABEL = "deploy.commit"
FORMER_LABEL = "deploy.former"  # the release that was live before: what a rollback goes to
READS_LABEL = "deploy.reads."  # + the role type: the values that the release can read


@dataclass(frozen=True)
class Mount:
    """A bind mount or volume, as the container sees it."""

    source: str
    target: str


@dataclass(frozen=True)
class HealthCheck:
    """A container's own health check, in seconds."""

    interval: float
    timeout: float
    start_period: float
    retries: int

    @property
    def deadline(self) -> float:
        """Seconds after which a container that would become healthy has done so."""
        return self.start_period + (self.interval + self.timeout) * (self.retries + 1)


GONE = "gone"
# Seconds that a reading of all containers is as good as a new one, which the engine's programs
# take a tenth of a second for: a run asks dozens of times, often twice in one step.
FRESH = 1.0


@dataclass(frozen=True)
class Container:
    """One container, read once; `state` is what the engine calls it, or `gone`."""

    id: str
    name: str
    service: str
    project: str
    image: str
    image_id: str
    state: str
    health: str
    exit_code: int
    restarts: int
    out_of_memory: bool
    labels: dict[str, str]
    addresses: dict[str, str]
    published: frozenset[str]
    mounts: tuple[Mount, ...]
    check: HealthCheck | None
    stop_timeout: int | None
    health_log: str
    environment: dict[str, str] = field(repr=False)  # holds secrets: never printed
    since: str = ""  # started, or ended, by the server's clock; empty: never started
    ports: tuple[str, ...] = ()  # `127.0.0.1:3001->3000/tcp`; `5432/tcp` inside only

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def status(self) -> str:
        """`running (healthy)`, `exited (137)`: what a person wants to read."""
        if self.running:
            return f"running ({self.health})" if self.health else "running"
        return self.state if self.state == GONE else f"{self.state} ({self.exit_code})"

    @property
    def address(self) -> str:
        """Its address on the first network that has one.

        :raises DeployError: it has none, as when it is stopped.
        """
        for address in self.addresses.values():
            if address:
                return address
        raise DeployError(f"{self.name} has no network address; it is {self.status}")

    @property
    def made_from(self) -> tuple[str, ...]:
        """The compose files that it was made from; empty where it does not say."""
        return made_from(self.labels)

    @property
    def release(self) -> str | None:
        return self.labels.get(RELEASE_LABEL)

    def reads(self, role_type: str) -> frozenset[str] | None:
        """The role values that this release says it can read; None where it does not say."""
        text = self.labels.get(READS_LABEL + role_type)
        return None if text is None else frozenset(v.strip() for v in text.split(",") if v.strip())


def made_from(labels: Mapping[str, str]) -> tuple[str, ...]:
    """The compose files that a container was made from, as seen from its project's folder, in the
    order in which Compose took them.

    :param labels: the container's.
    """
    folder = labels.get(docker.COMPOSE_FOLDER) or "."
    files = [file for file in labels.get(docker.COMPOSE_FILES, "").split(",") if file]
    # Compose 1.29 names them as they were typed, from where that was; its project's folder is the
    # first one's.
    inner = posixpath.dirname(files[0]) if files else ""
    typed_in = folder.removesuffix(f"/{inner}") if inner else folder
    return tuple(posixpath.relpath(posixpath.join(typed_in, file), folder) for file in files)


class Containers:
    """Finds and reads the containers of one site."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self.server = server
        self.settings = settings
        self._project = settings.compose.project
        self._last: tuple[float, int, list[Container]] | None = None

    @property
    def project(self) -> str:
        """The compose project's name, from the settings or the containers' labels.

        :raises DeployError: no container was started from the project folder.
        """
        if not self._project:
            folder = self.settings.folders.project
            found = self._read(docker.list_containers(label=docker.COMPOSE_FOLDER, value=folder))
            if not found:
                raise DeployError(
                    f"no container on {self.server} was started from {folder}",
                    next_command="check folders.project and that the site runs: docker ps -a",
                )
            self._project = found[0].project
        return self._project

    def all(self) -> list[Container]:
        """Every container of the project, running or not.

        As read less than `FRESH` ago, where no command of ours may have changed one since.
        """
        project, changes = self.project, self.server.changes
        if self._last:
            read, after, found = self._last
            if after == changes and time.monotonic() - read < FRESH:
                return list(found)
        found = self._read(docker.list_containers(label=docker.COMPOSE_PROJECT, value=project))
        self._last = (time.monotonic(), changes, found)
        return list(found)

    def forget(self) -> None:
        """Read anew next time: something has happened."""
        self._last = None

    def service(self, service: str) -> Container:
        """The container of a compose service, a running one first.

        :raises DeployError: there is none.
        """
        found = [c for c in self.all() if c.service == service]
        if not found:
            raise DeployError(
                f"no container of service {service} in project {self.project}",
                next_command="check the services' names under compose: in the settings; "
                "docker ps -a on the server shows what is there",
            )
        return min(found, key=lambda c: not c.running)

    def by_role(self, live: Container) -> dict[str, Container]:
        """What the site cannot do without: the live app, nginx, the database.

        :raises DeployError: nginx or the database is not there.
        """
        compose = self.settings.compose
        return {
            "app": live,
            "nginx": self.service(compose.nginx),
            "database": self.service(compose.database),
        }

    def named(self, name: str) -> Container | None:
        """The container with this name or id; None where there is none."""
        output = self.server.run(docker.inspect(name), check=False)
        return _parse(json.loads(output.stdout)[0]) if output.ok else None

    def image_labels(self, image: str) -> dict[str, str]:
        """The labels of an image on the server."""
        found = json.loads(self.server.run(docker.inspect_image(image)).stdout)
        return dict(found[0]["Config"].get("Labels") or {})

    def last_logs(self, name: str, lines: int = 20) -> str:
        """A container's last output, both streams."""
        output = self.server.run(docker.logs(name, tail=lines), check=False)
        return (output.stdout + output.stderr).strip()

    def _read(self, list_command: list[str]) -> list[Container]:
        ids = self.server.run(list_command).lines
        if not ids:
            return []
        # A container may go between the two commands: inspect then fails but lists the others.
        output = self.server.run(docker.inspect(*ids), check=False)
        return [_parse(entry) for entry in json.loads(output.stdout or "[]")]


def _parse(entry: dict[str, Any]) -> Container:
    config, state = entry["Config"], entry["State"]
    labels = config.get("Labels") or {}
    health = state.get("Health") or {}
    log = health.get("Log") or []
    pairs = (pair.partition("=") for pair in config.get("Env") or [])
    environment = {name: value for name, _, value in pairs}
    mask.learn_environment(environment)
    return Container(
        id=entry["Id"],
        name=entry["Name"].lstrip("/"),
        service=labels.get(docker.COMPOSE_SERVICE, ""),
        project=labels.get(docker.COMPOSE_PROJECT, ""),
        image=config["Image"],
        image_id=entry["Image"],
        state=state["Status"],
        health=health.get("Status", ""),
        exit_code=state["ExitCode"],
        restarts=entry.get("RestartCount", 0),
        out_of_memory=bool(state.get("OOMKilled")),
        labels=labels,
        addresses={
            name: network.get("IPAddress", "")
            for name, network in entry["NetworkSettings"]["Networks"].items()
        },
        published=frozenset(
            port for port, hosts in (entry["HostConfig"].get("PortBindings") or {}).items() if hosts
        ),
        mounts=tuple(
            Mount(mount.get("Source", ""), mount["Destination"]) for mount in entry["Mounts"]
        ),
        check=_health_check(config.get("Healthcheck")),
        stop_timeout=config.get("StopTimeout"),
        health_log=log[-1].get("Output", "").strip() if log else "",
        environment=environment,
        since=_since(state),
        ports=tuple(_ports(entry["NetworkSettings"].get("Ports") or {})),
    )


def _since(state: dict[str, Any]) -> str:
    """To the second; the engine writes the year 1 for what has not happened."""
    time = str(state.get("StartedAt" if state.get("Running") else "FinishedAt") or "")
    return "" if time[:4] in ("", "0001") else f"{time[:19]}Z"


def _ports(bindings: dict[str, list[dict[str, str]] | None]) -> Iterator[str]:
    for port, hosts in sorted(bindings.items()):
        if not hosts:
            yield port
        for host in hosts or ():
            yield f"{host.get('HostIp') or '*'}:{host['HostPort']}->{port}"


def gone(name: str, labels: dict[str, str]) -> Container:
    """A container that is not there any more, as its kept override describes it."""
    return Container(
        id="",
        name=name,
        service="",
        project="",
        image="",
        image_id="",
        state=GONE,
        health="",
        exit_code=0,
        restarts=0,
        out_of_memory=False,
        labels=labels,
        addresses={},
        published=frozenset(),
        mounts=(),
        check=None,
        stop_timeout=None,
        health_log="",
        environment={},
    )


def _health_check(entry: dict[str, Any] | None) -> HealthCheck | None:
    if not entry or not entry.get("Test") or entry["Test"] == ["NONE"]:
        return None
    # The engine's defaults, where the check does not say: 30 s, 30 s, 0 s, 3.
    nano = 1e9
    return HealthCheck(
        interval=(entry.get("Interval") or 30 * nano) / nano,
        timeout=(entry.get("Timeout") or 30 * nano) / nano,
        start_period=(entry.get("StartPeriod") or 0) / nano,
        retries=entry.get("Retries") or 3,
    )
