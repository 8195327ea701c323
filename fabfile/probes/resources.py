"""The containers and the server itself: state, health, memory, processor, disk, log."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..commands import docker
from ..report.checks import Check
from ..server.connection import Server
from ..server.containers import Container
from ..server.machine import Machine
from ..settings import Limits

CONTAINERS = "Containers"
SERVER = "Server"
LOGS = "Logs"
BUSY_PERCENT = 90  # of the server's processors, by one container
MEMORY = " memory"
GIGABYTE = 1024**3
NGINX_ERRORS = r"\[(error|crit|alert|emerg)\]"
APP_ERRORS = r"(^|[^[:alnum:]])(error|exception|fatal|panic|unhandled|traceback)([^[:alnum:]]|$)"

# $1 container, $2 since, $3 pattern. Only a number travels: log lines may hold secrets. What
# the rate limiter turned away is logged as an error too, and is none.
_COUNT_ERRORS = r"""
docker inspect --type container "$1" >/dev/null || exit 1
docker logs --since "$2" "$1" 2>&1 | grep -v 'limiting requests' | grep -Eic -- "$3" || true
"""


def check_containers(needed: Sequence[Container], others: Sequence[Container]) -> list[Check]:
    """State and health.

    :param needed: those that the site cannot do without: live app, nginx, database.
    :param others: the project's other containers; one that runs unhealthy warns.
    """
    checks = []
    for container in needed:
        checks.append(_state(container, critical=True))
        restarts = f"{container.restarts}" + (", out of memory" * container.out_of_memory)
        good = not container.restarts and not container.out_of_memory
        name = f"{container.name} restarts"
        checks.append(Check.of(CONTAINERS, name, good, "0", restarts, critical=False))
    return checks + [_state(c, critical=False) for c in others if c.running]


def check_use(server: Server, running: Sequence[Container], limits: Limits) -> list[Check]:
    """Memory against each container's limit (or the server's), and processor time.

    :raises CommandFailed: the engine gives no figures.
    """
    if not running:
        return []
    processors = int(server.run(["nproc"]).text)
    lines = server.run(docker.stats(*(container.name for container in running))).lines
    checks = []
    for line in lines:
        reading = json.loads(line)
        memory, busy = _percent(reading["MemPerc"]), _percent(reading["CPUPerc"]) / processors
        checks.append(
            Check.of(
                CONTAINERS,
                f"{reading['Name']}{MEMORY}",
                memory < limits.memory_percent,
                f"under {limits.memory_percent} %",
                f"{memory:.1f} % ({reading['MemUsage']})",
                critical=False,
            )
        )
        name, found = f"{reading['Name']} CPU", f"{busy:.0f} % of {processors}"
        good = busy < BUSY_PERCENT
        wanted = f"under {BUSY_PERCENT} %"
        checks.append(Check.of(CONTAINERS, name, good, wanted, found, critical=False))
    return checks


def check_machine(machine: Machine, limits: Limits) -> list[Check]:
    """Disk and memory of the server."""
    disks = [
        Check.of(
            SERVER,
            f"disk {disk.mount}",
            disk.percent < limits.disk_full_percent and disk.free >= limits.free_disk_gb * GIGABYTE,
            f"under {limits.disk_full_percent} % and {limits.free_disk_gb:g} GB free",
            f"{disk.percent} %, {disk.free / GIGABYTE:.1f} GB free",
            critical=False,
        )
        for disk in machine.disks
    ]
    used = 100 - 100 * machine.memory_available / machine.memory
    wanted = f"under {limits.memory_percent} %"
    good = used < limits.memory_percent
    return [*disks, Check.of(SERVER, "memory", good, wanted, f"{used:.0f} %", critical=False)]


def check_log(server: Server, container: Container, since: str, pattern: str) -> Check:
    """Error lines in a container's log.

    :param since: a time stamp or an age, as `docker logs --since` takes it.
    :raises CommandFailed: there is no such container.
    """
    found = int(server.shell(_COUNT_ERRORS, container.name, since, pattern).text or 0)
    words = f"{found}" + (f"; docker logs --since {since} {container.name}" if found else "")
    name = f"{container.name} error lines"
    return Check.of(LOGS, name, not found, "0", words, critical=False)


def _state(container: Container, *, critical: bool) -> Check:
    good = container.running and container.health in ("", "healthy")
    found = container.status + (
        f": {container.health_log[:200]}" if container.running and not good else ""
    )
    wanted = "running and healthy"
    return Check.of(CONTAINERS, container.name, good, wanted, found, critical=critical)


def _percent(text: str) -> float:
    """`1.23%`; `--` where the engine cannot tell."""
    try:
        return float(text.rstrip("%"))
    except ValueError:
        return 0.0
