"""The containers and the server itself: state, health, memory, processor, disk, log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..report.checks import Check
from ..server.connection import Server
from ..server.containers import Container
from ..server.machine import Machine
from ..settings import Limits
from ..settings_checks import Expect
from .use import Use, read_use

CONTAINERS = "Containers"
SERVER = "Server"
LOGS = "Logs"
BUSY_PERCENT = 90  # of the server's processors, by one container
MEMORY = " memory"
GIGABYTE = 1024**3
NGINX_ERRORS = r"\[(error|crit|alert|emerg)\]"
APP_ERRORS = r"(^|[^[:alnum:]])(error|exception|fatal|panic|unhandled|traceback)([^[:alnum:]]|$)"

# What the rate limiter turned away is logged as an error too, and is none.
HARMLESS = ("limiting requests",)
# $1 container, $2 since, $3 errors, $4 harmless. Only two numbers travel: log lines may hold
# secrets.
_COUNT_ERRORS = r"""
docker inspect --type container "$1" >/dev/null || exit 1
docker logs --since "$2" "$1" 2>&1 | wc -l
docker logs --since "$2" "$1" 2>&1 | grep -Ev -- "$4" | grep -Eic -- "$3" || true
"""


def check_containers(
    needed: Sequence[Container],
    others: Sequence[Container],
    *,
    started: Mapping[str, str] | None = None,
    switched: str = "",
) -> list[Check]:
    """State, health and restarts.

    :param needed: those that the site cannot do without: live app, nginx, database.
    :param others: the project's other containers; one that runs unhealthy warns.
    :param started: when each was started, by id, as ISO 8601.
    :param switched: when visitors came to what is live; empty: not known, and every restart
        counts.
    """
    checks = []
    for container in needed:
        checks.append(_state(container, critical=True))
        checks.append(_restarts(container, (started or {}).get(container.id, ""), switched))
    return checks + [_state(c, critical=False) for c in others if c.running]


def _restarts(container: Container, started: str, switched: str) -> Check:
    """Whether it was started anew since the switch; by hand too, which the engine's count omits."""
    in_all = f"{container.restarts} in all"
    if started and switched:
        good = started[:19] <= switched[:19]
        found = f"none since {switched}" if good else f"started again at {started[:19]}Z"
        found, wanted = f"{found} ({in_all})", "none since the switch"
    else:
        good, found, wanted = not container.restarts, in_all, "0 in all"
    found += ", out of memory" * container.out_of_memory
    good = good and not container.out_of_memory
    name = f"{container.name} restarts"
    return Check.of(CONTAINERS, name, good, wanted, found, critical=False)


def check_use(server: Server, running: Sequence[Container], limits: Limits) -> list[Check]:
    """One reading of these containers, judged.

    :raises CommandFailed: the engine gives no figures.
    """
    return judge_use(server, read_use(server, [one.name for one in running]), limits)


def judge_use(server: Server, use: Sequence[Use], limits: Limits) -> list[Check]:
    """Memory against each container's limit (or the server's), and processor time."""
    processors = int(server.run(["nproc"]).text) if use else 1
    checks = []
    for one in use:
        wanted = f"under {limits.memory_percent} %"
        found = f"{one.memory_percent:.1f} % ({one.words})"
        good = one.memory_percent < limits.memory_percent
        name = f"{one.name}{MEMORY}"
        checks.append(Check.of(CONTAINERS, name, good, wanted, found, critical=False))
        busy = one.processor_percent / processors
        name, found = f"{one.name} CPU", f"{busy:.0f} % of {processors}"
        wanted = f"under {BUSY_PERCENT} %"
        checks.append(
            Check.of(CONTAINERS, name, busy < BUSY_PERCENT, wanted, found, critical=False)
        )
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


def check_log(
    server: Server,
    container: Container,
    since: str,
    pattern: str,
    expect: Expect | None = None,
) -> Check:
    """Error lines in a container's log.

    :param since: a time stamp or an age, as `docker logs --since` takes it.
    :param pattern: what an error line is, an extended regular expression.
    :raises CommandFailed: there is no such container.
    """
    expect = expect or Expect()
    harmless = "|".join(f"({one})" for one in (*HARMLESS, *expect.harmless_lines))
    counts = server.shell(_COUNT_ERRORS, container.name, since, pattern, harmless)
    lines, errors = map(int, counts.text.split())
    good, most = errors <= expect.error_lines, expect.error_lines
    words = f"{errors} of {lines:,} lines since {since}"
    words += "" if good else f"; docker logs --since {since} {container.name}"
    name = f"{container.name} error lines"
    wanted = f"at most {most}" if most else "0"
    return Check.of(LOGS, name, good, wanted, words, critical=False)


def _state(container: Container, *, critical: bool) -> Check:
    good = container.running and container.health in ("", "healthy")
    found = container.status + (
        f": {container.health_log[:200]}" if container.running and not good else ""
    )
    wanted = "running and healthy"
    return Check.of(CONTAINERS, container.name, good, wanted, found, critical=critical)
