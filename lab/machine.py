"""The server's container: made, started, removed."""

from __future__ import annotations

import contextlib
import socket
import time

from lab import keys
from lab.engine import client, container_state, docker, image_identifier
from lab.places import HOST_KEY, LOGIN_KEY, Server
from lab.shell import LabError, feed
from lab.talk import archive, run

KEYS_LABEL = "1001stories-lab.keys"  # whose keys are in the container

# Where --privileged is refused for want of one capability, the rest is asked for by name.
UNPRIVILEGED = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--device-cgroup-rule=a *:* rwm",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
)


def ensure_machine(server: Server) -> str:
    """Make the container run and its engine, or a bare one's sshd, answer; say what was done.

    One that was made from an older image, or by another working copy, whose keys are others, is
    made anew.
    """
    state = container_state(server.name)
    renewed = state is not None and not _is_ours(server)
    if renewed:
        remove_machine(server)
        state = None
    if state is None:
        _create(server)
    if state != "running":
        docker("start", server.name, timeout=60)
    if server.flavour.bare:
        _wait_for_sshd(server)
    else:
        _wait_for_engine(server)
    if renewed:
        return "made anew: the one that was there had another image or other keys"
    return {None: "made", "running": "found running"}.get(state, "started again")


def refuse_unless_local(server: Server) -> None:
    """See that the way to the server stays on this machine.

    Without the engine's bridge the published ports would lead along the default route, and the
    lab's requests out into the network.
    """
    shape = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}"
    address, gateway = docker("inspect", "--format", shape, server.name).stdout.split()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))  # sends nothing; the kernel only picks the way
        if probe.getsockname()[0] != gateway:
            raise LabError(
                f"{address} is not on this machine's bridge {gateway}: restart the Docker engine"
            )


def remove_machine(server: Server) -> None:
    """Stop the container in good order, so that no control group stays behind, and remove it."""
    if container_state(server.name):
        docker("stop", "-t", "20", server.name, check=False, timeout=60)
        docker("rm", "--force", "--volumes", server.name, timeout=60)
    docker("volume", "rm", "--force", server.volume)


def _is_ours(server: Server) -> bool:
    shape = f'{{{{.Image}}}} {{{{index .Config.Labels "{KEYS_LABEL}"}}}}'
    seen = docker("container", "inspect", "--format", shape, server.name).stdout.split()
    return seen == [image_identifier(server.flavour.server_image), keys.fingerprint()]


def _create(server: Server) -> None:
    for port in server.ports:
        _refuse_busy(port)
    docker(
        "create",
        f"--name={server.name}",
        f"--hostname={server.name}",
        f"--label={KEYS_LABEL}={keys.fingerprint()}",
        f"--volume={server.volume}:/var/lib/docker",
        *(f"--publish=127.0.0.1:{port}:{inner}" for port, inner in server.ports.items()),
        *_privileges(server),
        server.flavour.server_image,
    )
    _give_keys(server)


def _privileges(server: Server) -> tuple[str, ...]:
    attempt = docker(
        *("run", "--rm", "--privileged", "--entrypoint=/bin/true", server.flavour.server_image),
        check=False,
    )
    return ("--privileged",) if attempt.returncode == 0 else UNPRIVILEGED


def _give_keys(server: Server) -> None:
    host_key = f"etc/ssh/{HOST_KEY.name}"
    for owner, files, modes in (
        (0, {host_key: HOST_KEY.read_bytes()}, {host_key: 0o600}),
        (1000, {"home/ubuntu/.ssh/authorized_keys": _authorized()}, {}),
    ):
        feed([client(), "cp", "-", f"{server.name}:/"], archive(files, modes, owner))


def _authorized() -> bytes:
    return (keys.public(LOGIN_KEY) + "\n").encode()


def _refuse_busy(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LabError(
                f"port {port} on 127.0.0.1 is taken: set LAB_SERVER to another number"
            ) from error


def _wait_for_sshd(server: Server, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        # The engine's proxy takes every connection: only the greeting says that somebody is there.
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", server.ssh_port), timeout=2) as probe,
        ):
            if probe.recv(4) == b"SSH-":
                return
        time.sleep(0.2)
    raise LabError(f"sshd on {server.name} does not answer: docker logs {server.name}")


def _wait_for_engine(server: Server, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if run(["docker", "info"], server=server, check=False).returncode == 0:
            return
        if container_state(server.name) != "running":
            break
        time.sleep(0.3)
    last = docker("exec", server.name, "tail", "-n", "8", "/var/log/dockerd.log", check=False)
    log = last.stdout or docker("logs", "--tail=8", server.name, check=False).stderr
    raise LabError(f"the engine on {server.name} does not answer; its last words:\n{log.strip()}")
