"""Argument lists for the docker engine. Pure: nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_FOLDER = "com.docker.compose.project.working_dir"
COMPOSE_FILES = "com.docker.compose.project.config_files"
COMPOSE_ONE_OFF = "com.docker.compose.oneoff"


_LEAVE_CONTAINERS = (
    *("build", "cp", "exec", "images", "inspect", "logs", "ps", "pull", "rmi", "stats", "tag"),
    *("top", "version"),
)

# $1 file, $2 container, $3 the file's path inside; then a command, behind which the file goes.
_WITH_FILE = """
docker cp "$1" "$2:$3" || exit
container=$2 inside=$3
shift 3
docker exec "$container" sh -c '
file=$1
shift
"$@"
code=$?
rm -f -- "$file"
exit "$code"' sh "$inside" "$@"
"""


def may_change_containers(argv: Sequence[str]) -> bool:
    """Whether a container may be another, or in another state, after this command.

    :param argv: what is sent to the server; a script that calls the engine may.
    """
    if list(argv[:3]) == ["sh", "-c", _WITH_FILE]:
        return False
    if argv[:1] == ["docker"]:
        return argv[1] not in _LEAVE_CONTAINERS
    return any("docker" in word for word in argv)


def engine_version() -> list[str]:
    """The engine's version; fails where none runs or the user may not use it."""
    return ["docker", "version", "--format", "{{.Server.Version}}"]


def publishers(port: int) -> list[str]:
    """Names of the running containers that publish a port of the server."""
    return ["docker", "ps", "--filter", f"publish={port}", "--format", "{{.Names}}"]


def list_containers(*, label: str | None = None, value: str | None = None) -> list[str]:
    """Ids of all containers, running or not, optionally with a label."""
    argv = ["docker", "ps", "--all", "--quiet", "--no-trunc"]
    if label:
        argv += ["--filter", f"label={label}" + (f"={value}" if value is not None else "")]
    return argv


def inspect(*names: str) -> list[str]:
    """Everything the engine knows of these containers, as a JSON list."""
    return ["docker", "inspect", "--type", "container", *names]


def started(*names: str) -> list[str]:
    """`id time` of each container: when it was started last, as ISO 8601."""
    return ["docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", *names]


def inspect_image(*names: str) -> list[str]:
    """Everything the engine knows of these images, as a JSON list."""
    return ["docker", "inspect", "--type", "image", *names]


def list_images(repository: str) -> list[str]:
    """`tag<TAB>id<TAB>created` of each image of a repository."""
    return ["docker", "images", "--no-trunc", "--format", "{{.Tag}}\t{{.ID}}", repository]


def build(
    context: str,
    *,
    tag: str,
    dockerfile: str,
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    builder: Literal["auto", "buildkit", "legacy"] = "auto",
) -> list[str]:
    """Build an image from a folder on the server; a failed build leaves no container behind.

    :param builder: which of the engine's two; auto: its own choice.
    """
    chosen = {"auto": [], "buildkit": ["DOCKER_BUILDKIT=1"], "legacy": ["DOCKER_BUILDKIT=0"]}
    argv = [*(["env"] if chosen[builder] else []), *chosen[builder], "docker", "build"]
    argv += ["--force-rm", "--tag", tag, "--file", f"{context}/{dockerfile}"]
    for name, value in arguments.items():
        argv += ["--build-arg", f"{name}={value}"]
    for name, value in labels.items():
        argv += ["--label", f"{name}={value}"]
    return [*argv, context]


def tag(image: str, name: str) -> list[str]:
    return ["docker", "tag", image, name]


def pull(image: str) -> list[str]:
    return ["docker", "pull", image]


def load() -> list[str]:
    """Read an image from standard input."""
    return ["docker", "load"]


def remove_image(name: str) -> list[str]:
    """Take one tag away; the image goes with its last tag, unless a container uses it."""
    return ["docker", "rmi", name]


def start(name: str) -> list[str]:
    return ["docker", "start", name]


def restart(name: str) -> list[str]:
    """Start a container, whatever state it is in."""
    return ["docker", "restart", "--time", "5", name]


def run_like(
    name: str, *, image: str, network: str, argv: Sequence[str], mounts: Mapping[str, str]
) -> list[str]:
    """Run one program in a container for it alone, which sees what `name` would see.

    :param network: so that the names that `name` can resolve are resolved.
    :param mounts: further files of the server, read-only, by their path inside.
    """
    options = ["--rm", "--volumes-from", f"{name}:ro", "--network", network]
    for source, inside in mounts.items():
        options += ["--volume", f"{source}:{inside}:ro"]
    return ["docker", "run", *options, "--entrypoint", argv[0], image, *argv[1:]]


def stop(name: str, grace: float) -> list[str]:
    """SIGTERM, and `grace` seconds to finish."""
    return ["docker", "stop", "--time", f"{grace:.0f}", name]


def remove(name: str) -> list[str]:
    """Remove a container, running or not; its named volumes stay."""
    return ["docker", "rm", "--force", name]


def rename(name: str, new_name: str) -> list[str]:
    """Rename a container while it runs."""
    return ["docker", "rename", name, new_name]


def logs(
    name: str,
    *,
    tail: int | None = None,
    since: str | None = None,
    times: bool = False,
    follow: bool = False,
) -> list[str]:
    """A container's output; `since` is a time stamp or seconds such as `90s`.

    :param times: each line begins with its time, as `2026-11-23T08:06:01.123456789Z`.
    :param follow: go on until the container stops.
    """
    argv = ["docker", "logs", *(["--timestamps"] if times else []), *(["--follow"] * follow)]
    if tail is not None:
        argv += ["--tail", str(tail)]
    if since is not None:
        argv += ["--since", since]
    return [*argv, name]


def execute(
    name: str, argv: Sequence[str], *, interactive: bool = False, terminal: bool = False
) -> list[str]:
    """Run a command inside a container.

    :param interactive: keep its standard input open.
    :param terminal: with a pty, for a person; never for data, which it changes.
    """
    options = [*(["--interactive"] * interactive), *(["--tty"] * terminal)]
    return ["docker", "exec", *options, name, *argv]


def shell(name: str) -> list[str]:
    """A person's shell in a container: bash where it has one."""
    script = 'exec "$(command -v bash || echo sh)"'
    return execute(name, ["sh", "-c", script], interactive=True, terminal=True)


def command_line(name: str, text: str, *, terminal: bool = False) -> list[str]:
    """Run a line that a person wrote, by the container's own shell.

    :param terminal: at a pty.
    """
    return execute(name, ["sh", "-c", text], interactive=terminal, terminal=terminal)


def copy_into(path: str, name: str, inner_path: str) -> list[str]:
    """Copy a file of the server into a container."""
    return ["docker", "cp", path, f"{name}:{inner_path}"]


def execute_with(path: str, name: str, inner_path: str, argv: Sequence[str]) -> list[str]:
    """Run a command inside a container on a file of the server, which is there only meanwhile."""
    return ["sh", "-c", _WITH_FILE, "sh", path, name, inner_path, *argv]


def processes(name: str) -> list[str]:
    """`pid args` of every process of a container."""
    return ["docker", "top", name, "-eo", "pid,args"]


def stats(*names: str) -> list[str]:
    """One reading of memory and CPU, a JSON object a line."""
    return ["docker", "stats", "--no-stream", "--format", "{{json .}}", *names]
