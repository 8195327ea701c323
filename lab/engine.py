"""This machine's Docker engine: find it, or start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence

from lab.places import STATE
from lab.shell import Completed, LabError, run

ENGINE_LOG = STATE / "dockerd.log"
ENGINE_PID = STATE / "dockerd.pid"


def client() -> str:
    """The path of the docker client."""
    path = shutil.which("docker")
    if path is None:
        raise LabError("docker is not installed: run lab/install-packages.sh")
    return path


def docker(*arguments: str, check: bool = True, timeout: float = 60) -> Completed:
    """Run one docker command on this machine's engine."""
    return run([client(), *arguments], check=check, timeout=timeout)


def answers() -> bool:
    """Whether an engine answers."""
    return docker("version", "--format", "{{.Server.Version}}", check=False).returncode == 0


def version() -> str:
    """The engine's version."""
    return docker("version", "--format", "{{.Server.Version}}").stdout.strip()


def ensure_engine(seconds: float = 30) -> None:
    """Start `dockerd` if no engine answers, in a session of its own that outlives us."""
    if answers():
        return
    STATE.mkdir(exist_ok=True)
    process = _start_engine()
    ENGINE_PID.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers():
            return
        if process.poll() is not None:
            break
        time.sleep(0.3)
    tail = "\n".join(ENGINE_LOG.read_text(errors="replace").splitlines()[-8:])
    raise LabError(f"dockerd does not answer; the end of {ENGINE_LOG}:\n{tail}")


def _start_engine() -> subprocess.Popen[bytes]:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    program = shutil.which("dockerd", path=path)
    if program is None:
        raise LabError("dockerd is not installed: run lab/install-packages.sh")
    with ENGINE_LOG.open("ab") as log:
        return subprocess.Popen(
            [program],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": path},
        )


def image_identifier(image: str) -> str | None:
    """The identifier of an image on this machine's engine, or None."""
    result = docker("image", "inspect", "--format", "{{.Id}}", image, check=False)
    return result.stdout.strip() or None if result.returncode == 0 else None


def container_state(name: str) -> str | None:
    """`running`, `exited`, … or None where there is no such container."""
    result = docker("container", "inspect", "--format", "{{.State.Status}}", name, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def stream(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a docker command whose output is read by somebody else."""
    return subprocess.Popen(
        [client(), *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
