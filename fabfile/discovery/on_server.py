"""A site as its server has it: running containers, nginx's own dump, the database itself."""

from __future__ import annotations

import contextlib
import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..commands import docker, postgres
from ..errors import DeployError
from ..probes.answer import Answer
from ..probes.http import direct
from ..server.connection import Server
from ..server.containers import COLOUR_LABEL, made_from
from ..server.database import account
from .documents import merged, profiles_by, read, variables
from .nginx_files import split_dump
from .place import Project
from .ports import listening, next_free
from .services import Service, in_container, in_document
from .tables import SQL, Table, parse

Entry = dict[str, Any]


class OnServer:
    """One compose project whose containers run.

    :param wanted: its folder, or its name; empty: the only one there is.
    :raises DeployError: none runs, or several and nobody said which.
    """

    def __init__(self, server: Server, wanted: str) -> None:
        self.server = server
        self._containers = self._inspected()
        self._entries = self._chosen(wanted)
        labels = self._entries[0]["Config"]["Labels"]
        folder = labels.get(docker.COMPOSE_FOLDER, "")
        name = labels[docker.COMPOSE_PROJECT]
        files, origin = made_from(labels) or ("docker-compose.yml",), "the containers' label"
        self.project = Project(folder, files, origin, name, origin)
        services = self._services()
        profiles = self._profiles(services)
        self.project = replace(self.project, services=services, profiles=profiles)

    def has(self, path: str) -> bool:
        return self.server.run(["test", "-e", self._path(path)], check=False).ok

    def read(self, path: str) -> str | None:
        return self.server.read(self._path(path))

    def nginx_files(self, nginx: Service) -> Mapping[str, str]:
        """:raises DeployError: with nginx's own words."""
        output = self.server.run(docker.execute(nginx.container, ["nginx", "-T"]), check=False)
        if not output.ok:
            raise DeployError(
                f"{nginx.container} does not say its configuration (nginx -T)",
                evidence=output.stdout[-2000:] + output.stderr[-2000:],
                next_command="mend it first; or name another service: --set compose.nginx=NAME",
            )
        return split_dump(output.stdout)

    def tables(self, database: Service) -> Sequence[Table] | None:
        user, name = account(database.environment)
        argv = ["psql", "-X", "-q", "-A", "-t", "-U", user, "-d", name, "-c", SQL]
        output = self.server.run(postgres.inside(database.container, argv), check=False)
        return parse(json.loads(output.stdout)) if output.ok else None

    def ask(self, app: Service, port: int, path: str) -> Answer | None:
        return direct(self.server, app.address, port, path) if app.address else None

    def free_ports(self, wanted: Sequence[int]) -> list[int]:
        tables = self.server.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"], check=False)
        colours = [e for e in self._entries if COLOUR_LABEL in e["Config"]["Labels"]]
        taken = (listening(tables.stdout) | _bound(self._containers)) - _bound(colours)
        return next_free(wanted, taken)

    def folders(self) -> Mapping[str, str]:
        """The project's folder, and two beside it; in the home folder where that is not ours."""
        folder = self.project.folder
        beside = posixpath.dirname(folder)
        if not self.server.run(["test", "-w", beside], check=False).ok:
            beside = self.server.shell('printf %s "$HOME"').text
        base = posixpath.join(beside, self.project.name)
        return {"project": folder, "state": f"{base}-deploy", "backups": f"{base}-backups"}

    # -- how it is read ------------------------------------------------------------------------

    def _inspected(self) -> list[Entry]:
        ids = self.server.run(docker.list_containers()).lines
        output = self.server.run(docker.inspect(*ids), check=False) if ids else None
        return json.loads(output.stdout or "[]") if output else []

    def _chosen(self, wanted: str) -> list[Entry]:
        projects: dict[tuple[str, str], list[Entry]] = {}
        for entry in self._containers:
            labels = entry["Config"].get("Labels") or {}
            name = labels.get(docker.COMPOSE_PROJECT)
            if name and labels.get(docker.COMPOSE_ONE_OFF) != "True":
                key = (name, labels.get(docker.COMPOSE_FOLDER, ""))
                projects.setdefault(key, []).append(entry)
        of_names = {name for name, _ in projects}
        fitting = [key for key in projects if not wanted or wanted.rstrip("/") in key]
        if len({name for name, _ in fitting}) == 1:
            # Ours, that run with an override of their own, are the site's too.
            return [entry for key in fitting for entry in _plain_first(projects[key])]
        there = "\n".join(f"{name}: {folder}" for name, folder in projects)
        if not of_names:
            raise DeployError(
                f"no compose project runs on {self.server}",
                next_command="start the site first: docker-compose up -d in its folder",
            )
        what = f"no compose project {wanted} runs" if wanted else "several compose projects run"
        raise DeployError(
            f"{what} on {self.server}",
            evidence=there,
            next_command="fab -H … init --project FOLDER, one of these",
        )

    def _services(self) -> list[Service]:
        """Each service as its container is, with what only the compose file knows."""
        written = {service.name: service for service in self._in_files()}
        running: dict[str, Service] = {}
        for entry in self._entries:
            service = in_container(entry)
            if service.name not in running or entry["State"]["Running"]:
                running[service.name] = service
        for name, service in running.items():
            if name in written:
                file = written[name]
                running[name] = replace(
                    service,
                    names=service.names | file.names,
                    given_name=file.given_name,
                    build=file.build,
                    dockerfile=file.dockerfile,
                    env_files=file.env_files,
                    profiles=file.profiles,
                    origin=file.origin,
                )
        return list(running.values())

    def _in_files(self) -> list[Service]:
        """What the files themselves say; Compose's own reading of them has no env_file any more."""
        documents = []
        for file in self.project.files:
            text = self.read(file)
            if text is None:
                raise DeployError(
                    f"no {self._path(file)} on {self.server}",
                    evidence="the containers were started from it",
                    next_command="put it back; or start the site anew from what is there",
                )
            documents.append(read(text, f"{self._path(file)} on {self.server}"))
        return in_document(merged(documents), self.project.file_names)

    def _profiles(self, services: Sequence[Service]) -> tuple[str, ...]:
        """What must have been said with --profile, by what runs; empty where `.env` says it all."""
        text = ""
        with contextlib.suppress(DeployError):
            text = self.read(".env") or ""
        given = profiles_by(variables(text))
        on = list(given)
        for service in services:
            if service.address and service.profiles and not {*service.profiles, "*"} & set(on):
                on.append(service.profiles[0])
        return tuple(on) if len(on) > len(given) else ()

    def _path(self, path: str) -> str:
        return posixpath.join(self.project.folder, path)


def _bound(entries: list[Entry]) -> set[int]:
    """The server's ports that containers are to have, running or not."""
    bindings = [entry["HostConfig"].get("PortBindings") or {} for entry in entries]
    hosts = [host for ports in bindings for found in ports.values() for host in found or ()]
    return {int(host["HostPort"]) for host in hosts if host.get("HostPort")}


def _plain_first(entries: list[Entry]) -> list[Entry]:
    """The site's own containers, the youngest first, before the colours, which have a file of
    their own."""
    youngest = sorted(entries, key=lambda entry: str(entry["Created"]), reverse=True)
    return sorted(youngest, key=lambda entry: COLOUR_LABEL in (entry["Config"]["Labels"] or {}))
