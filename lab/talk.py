"""Speaking to the server by `docker exec`, so that it does not depend on the tool under test."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Mapping, Sequence

from lab.engine import client, stream
from lab.places import Server
from lab.shell import Completed, LabError, feed
from lab.shell import run as run_here


def run(
    command: str | Sequence[str],
    *,
    server: Server,
    user: str = "ubuntu",
    check: bool = True,
    timeout: float = 60,
    text: str | None = None,
) -> Completed:
    """Run a program on the server; a string is for its shell, a list is taken as it is."""
    argv = ["bash", "-c", command] if isinstance(command, str) else list(command)
    return run_here(
        [client(), "exec", "-i", "-u", user, "-w", "/home/ubuntu", server.name, *argv],
        check=check,
        timeout=timeout,
        text=text,
    )


def send(server: Server, command: Sequence[str], content: bytes) -> str:
    """Run a program on the server with these bytes on its standard input."""
    return feed([client(), "exec", "-i", "-u", "ubuntu", server.name, *command], content)


def send_images(server: Server, images: Sequence[str]) -> None:
    """Copy images from this machine's engine into the server's; layers they share go once."""
    with stream(["save", *images]) as source:
        assert source.stdout is not None
        feed([client(), "exec", "-i", server.name, "docker", "load", "--quiet"], source.stdout)
    if source.returncode != 0:
        raise LabError(f"docker save ended with {source.returncode}")


def archive(
    files: Mapping[str, bytes], modes: Mapping[str, int] | None = None, owner: int = 1000
) -> bytes:
    """A tar of files by path, all of one owner; a file without a mode gets 0644."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), int(time.time())
            entry.mode = (modes or {}).get(name, 0o644)
            entry.uid = entry.gid = owner
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
