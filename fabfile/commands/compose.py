"""Docker Compose, v2 or v1: argument lists and the override. Pure: nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ..errors import DeployError
from .templates import render


def up_one(
    compose: Sequence[str], *, project: str, folder: str, files: Sequence[str], service: str
) -> list[str]:
    """Create and start one service, and nothing that it depends on."""
    argv = [*compose, "--project-name", project, "--project-directory", folder]
    for file in files:
        argv += ["--file", file]
    return [*argv, "up", "--detach", "--no-deps", "--no-build", "--force-recreate", service]


# Of the plain service, what must not be repeated: its names, its ports, and what it waits for.
_LEFT_OUT = ("build", "container_name", "depends_on", "hostname", "links", "ports", "profiles")


def override(
    compose_file: str,
    app: str,
    *,
    project: str,
    file_name: str,
    colour: str,
    release: str,
    container: str,
    image: str,
    host_port: int,
    port: int,
    labels: Mapping[str, str],
) -> str:
    """The compose override that runs one release as one colour.

    The app's service is repeated under another name, as it stands in the site's own file, so
    that environment, volumes and health check are the site's, whatever they are. Repeated, not
    `extends`: Compose 1.29 refuses that for a service with `depends_on`, and ports would add up.

    :param compose_file: text of the site's compose file.
    :param app: the app's service in it.
    :param host_port: port on the server's loopback.
    :raises DeployError: it is no compose file, or has no such service.
    """
    try:
        document = yaml.safe_load(compose_file)
        plain = dict(document["services"][app])
    except (yaml.YAMLError, KeyError, TypeError):
        raise DeployError(f"{file_name} has no service {app}") from None
    definition = {key: value for key, value in plain.items() if key not in _LEFT_OUT}
    if "networks" in definition:
        definition["networks"] = _without_names(definition["networks"])
    definition |= {
        "container_name": container,
        "image": image,
        "ports": [f"127.0.0.1:{host_port}:{port}"],
        "labels": {**_as_mapping(plain.get("labels")), **labels},
    }
    return render(
        "docker-compose.blue-green.yml.j2",
        {
            "release": release,
            "colour": colour,
            "project": project,
            "compose_file": file_name,
            "app": app,
            "version": document.get("version"),
            "service": f"{app}-{colour}",
            "definition": yaml.safe_dump(definition, sort_keys=False).rstrip("\n"),
        },
    )


def _without_names(networks: Any) -> Any:
    """The networks without aliases and fixed addresses: two colours must not share either."""
    if not isinstance(networks, Mapping):
        return networks
    private = ("aliases", "ipv4_address", "ipv6_address", "mac_address")
    return {
        name: {k: v for k, v in (options or {}).items() if k not in private} or None
        for name, options in networks.items()
    }


def _as_mapping(labels: Any) -> dict[str, str]:
    if isinstance(labels, Mapping):
        return {str(key): str(value) for key, value in labels.items()}
    pairs = (str(entry).partition("=") for entry in labels or ())
    return {key: value for key, _, value in pairs}
