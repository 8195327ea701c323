"""What the containers use: one reading of `docker stats`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..commands import docker
from ..documents.pieces import Usage
from .connection import Server
from .containers import Container

# As the engine writes them: memory in steps of 1024, all else in steps of 1000.
_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


def read_usage(server: Server, containers: Sequence[Container]) -> list[Usage]:
    """What the running ones of these use; the engine takes some two seconds for it.

    :raises CommandFailed: the engine gives no figures.
    """
    running = [container.name for container in containers if container.running]
    lines = server.run(docker.stats(*running)).lines if running else []
    return [parse_usage(line) for line in sorted(lines, key=lambda line: json.loads(line)["Name"])]


def parse_usage(line: str) -> Usage:
    """One line of `docker stats` in JSON; what the engine cannot tell is `--` there."""
    reading = json.loads(line)
    memory, limit = _pair(reading["MemUsage"])
    received, sent = _pair(reading["NetIO"])
    read, written = _pair(reading["BlockIO"])
    cpu, processes = reading["CPUPerc"].rstrip("%"), reading["PIDs"]
    return Usage(
        name=reading["Name"],
        cpu_percent=float(cpu) if cpu != "--" else None,
        memory=memory,
        memory_limit=limit,
        received=received,
        sent=sent,
        read=read,
        written=written,
        processes=int(processes) if processes != "--" else None,
    )


def _pair(text: str) -> tuple[int | None, int | None]:
    first, _, second = text.partition(" / ")
    return _bytes(first), _bytes(second)


def _bytes(text: str) -> int | None:
    found = re.fullmatch(r"([\d.]+)\s*([kKMGT]?i?B)", text.strip())
    return round(float(found[1]) * _UNITS[found[2]]) if found else None
