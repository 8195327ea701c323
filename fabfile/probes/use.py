"""What containers use: memory and processor time, and memory against what it was before."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..commands import docker
from ..report.checks import Check
from ..report.words import size
from ..server.connection import Server
from ..server.containers import Container
from ..server.ledger import Entry

CONTAINERS = "Containers"
AGAINST = " memory against the baseline"
NOTICEABLE = 64 * 10**6  # bytes; a small container that doubles harms nobody
_SIZE = re.compile(r"([0-9.]+) *([kKMGT]?)(i?)B")
_POWERS = "kMGT"


@dataclass(frozen=True)
class Use:
    """One reading of one container.

    :param memory: in bytes; 0 where the engine cannot tell.
    :param memory_percent: of its limit, or of the server's memory where it has none.
    :param processor_percent: 100 is one processor.
    :param words: memory and its limit, as the engine writes them.
    """

    name: str
    memory: int
    memory_percent: float
    processor_percent: float
    words: str


def read_use(server: Server, names: Sequence[str]) -> list[Use]:
    """One reading of these containers, which takes the engine some two seconds.

    :raises CommandFailed: the engine gives no figures.
    """
    if not names:
        return []
    return [_use(json.loads(line)) for line in server.run(docker.stats(*names)).lines]


def by_role(use: Iterable[Use], containers: Mapping[str, Container]) -> dict[str, int]:
    """Memory by role, for the ledger: the app's container has another name after a switch.

    :param containers: by role, as `app` or `nginx`.
    """
    memory = {one.name: one.memory for one in use}
    known = {role: memory.get(container.name, 0) for role, container in containers.items()}
    return {role: amount for role, amount in known.items() if amount}


def baseline(entries: Iterable[Entry]) -> dict[str, int]:
    """Memory by role before the last deploy; empty where nobody has measured it."""
    found = [e.detail["memory"] for e in entries if e.event == "memory"]
    return {str(role): int(amount) for role, amount in found[-1].items()} if found else {}


def check_growth(
    now: Mapping[str, int],
    before: Mapping[str, int],
    containers: Mapping[str, Container],
    times: float,
) -> list[Check]:
    """Memory against the baseline, for each container that both readings have.

    :param times: how many times the baseline is too much, where it can be felt.
    """
    checks = []
    for role in (role for role in now if before.get(role)):
        good = now[role] <= times * before[role] or now[role] - before[role] <= NOTICEABLE
        checks.append(
            Check.of(
                CONTAINERS,
                f"{containers[role].name}{AGAINST}",
                good,
                f"at most {times:g} x {size(before[role])}, or {size(NOTICEABLE)} more",
                f"{size(now[role])}, {now[role] / before[role]:.1f} x",
                critical=False,
            )
        )
    return checks


def _use(reading: Mapping[str, Any]) -> Use:
    words = str(reading["MemUsage"])
    return Use(
        name=str(reading["Name"]),
        memory=in_bytes(words.partition("/")[0]),
        memory_percent=_percent(str(reading["MemPerc"])),
        processor_percent=_percent(str(reading["CPUPerc"])),
        words=words,
    )


def in_bytes(text: str) -> int:
    """`45.3MiB`, `1.2kB`; 0 for `--`, where the engine cannot tell."""
    found = _SIZE.search(text)
    if found is None:
        return 0
    number, letter, binary = found.groups()
    power = _POWERS.index(letter.lower() if letter == "K" else letter) + 1 if letter else 0
    return int(float(number) * (1024 if binary else 1000) ** power)


def _percent(text: str) -> float:
    """`1.23%`; `--` where the engine cannot tell."""
    try:
        return float(text.rstrip("%"))
    except ValueError:
        return 0.0
