"""Docker Compose, v2 or v1: argument lists and the override. Pure: nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ..errors import DeployError
from .templates import render


def up_one(
    compose: Sequence[str], *, project: str, folder: str, file: str, service: str
) -> list[str]:
    """Create and start the one service of an override, and nothing else."""
    argv = [*compose, "--project-name", project, "--project-directory", folder, "--file", file]
    return [*argv, "up", "--detach", "--no-deps", "--no-build", "--force-recreate", service]


def whole(
    compose: Sequence[str],
    *,
    folder: str,
    files: Sequence[str],
    profiles: Sequence[str] = (),
    project: str = "",
) -> list[str]:
    """Compose on a whole project: what every call for it begins with.

    :param files: the site's compose files, in Compose's order.
    :param project: the project's name; empty: Compose takes the folder's.
    """
    argv = [*compose, *(["--project-name", project] if project else [])]
    argv += ["--project-directory", folder]
    for file in files:
        argv += ["--file", file]
    for profile in profiles:
        argv += ["--profile", profile]
    return argv


def up_all(compose: Sequence[str]) -> list[str]:
    """Create and start every service that does not run; none that is there is made anew.

    :param compose: as `whole` has it; so below.
    """
    return [*compose, "up", "--detach", "--no-recreate"]


def services(compose: Sequence[str]) -> list[str]:
    """Print the names of the site's services, one a line; a wrong file is explained."""
    return [*compose, "config", "--services"]


def resolved(compose: Sequence[str]) -> list[str]:
    """Print the compose files as Compose understands them: one over the other, variables and env
    files filled in."""
    return [*compose, "config"]


def images_of(resolved_files: str) -> list[str]:
    """The images of the services that are not built.

    :param resolved_files: as `compose config` prints them.
    """
    services = (yaml.safe_load(resolved_files) or {}).get("services") or {}
    names = (s.get("image") for s in services.values() if not s.get("build"))
    return sorted({str(name) for name in names if name})


# Of the plain service, what must not be repeated: its names, its ports, and what it waits for.
_LEFT_OUT = ("build", "container_name", "depends_on", "hostname", "links", "ports", "profiles")
# What the service may name. The rest of the site's file is nobody's concern here.
_NAMED = ("networks", "volumes", "configs", "secrets")


def override(
    resolved_files: str,
    app: str,
    *,
    project: str,
    file_names: Sequence[str],
    colour: str,
    release: str,
    container: str,
    image: str,
    host_port: int,
    port: int,
    labels: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
) -> str:
    """The compose file that runs one release as one colour, whole in itself.

    The app's service is repeated under another name, as Compose resolved it at the time of the
    release: a later start has the environment, volumes and health check of then, whatever the
    site's own files say by now. Repeated, not `extends`: Compose 1.29 refuses that for a service
    with `depends_on`, and ports would add up.

    :param resolved_files: the site's compose files as `compose config` prints them.
    :param app: the app's service in them.
    :param file_names: what they are called, for people.
    :param host_port: port on the server's loopback.
    :param environment: what the container really runs with, where it is there already.
    :raises DeployError: that is no compose file, or has no such service.
    """
    files = ", ".join(file_names)
    try:
        document = yaml.safe_load(resolved_files)
        plain = dict(document["services"][app])
    except (yaml.YAMLError, KeyError, TypeError):
        raise DeployError(
            f"no service {app} in {files}",
            next_command="name it in the setting compose.app; where it has a profile, that one in "
            "compose.profiles",
        ) from None
    definition = {key: value for key, value in plain.items() if key not in _LEFT_OUT}
    if "networks" in definition:
        definition["networks"] = _without_names(definition["networks"])
    if environment is not None:
        definition["environment"] = {k: v.replace("$", "$$") for k, v in environment.items()}
    definition["labels"] = {**_as_mapping(plain.get("labels")), **labels}
    service = _as_colour(definition, container=container, image=image, ports=(host_port, port))
    named = {key: document[key] for key in _NAMED if document.get(key)}
    version = {"version": document["version"]} if document.get("version") else {}
    name = f"{app}-{colour}"
    return render(
        "docker-compose.blue-green.yml.j2",
        {
            "release": release,
            "colour": colour,
            "project": project,
            "compose_files": files,
            "app": app,
            "service": name,
            "document": _text({**version, "services": {name: service}, **named}),
        },
    )


def labels_of(override_text: str) -> dict[str, str]:
    """The labels of the one service of an override that was kept; empty for any other text."""
    try:
        [service] = yaml.safe_load(override_text)["services"].values()
        return _as_mapping(service.get("labels"))
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def repainted(
    override_text: str,
    app: str,
    *,
    colour: str,
    colour_label: str,
    container: str,
    host_port: int,
    port: int,
) -> str:
    """A kept override with the other colour's name and port; all else stays as it was.

    :param colour_label: name of the label that says the colour.
    """
    document = yaml.safe_load(override_text)
    [definition] = document["services"].values()
    definition["labels"] = {**_as_mapping(definition["labels"]), colour_label: colour}
    image = definition["image"]
    service = _as_colour(definition, container=container, image=image, ports=(host_port, port))
    return _text({**document, "services": {f"{app}-{colour}": service}}) + "\n"


def _as_colour(
    definition: Mapping[str, Any], *, container: str, image: str, ports: tuple[int, int]
) -> dict[str, Any]:
    published = {"ports": [f"127.0.0.1:{ports[0]}:{ports[1]}"]}
    return {**definition, "container_name": container, "image": image, **published}


def _text(value: Any) -> str:
    # Not allow_unicode: PyYAML leaves U+0085 bare, and reads it back as a space.
    return str(yaml.safe_dump(value, sort_keys=False)).rstrip("\n")


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
