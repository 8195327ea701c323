"""Several servers: the time of one deploy to 1, 2, 4 and 8 of them, side by side.

All of them are on this machine. So it is also measured what its processors were busy with: what
the operator's processes took, and what everything took, the servers' engines and sites included.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import server as lab
from lab.engine import container_state
from lab.places import MOST_SERVERS, Server, several
from lab.shell import LabError

from .frame import Asked, say
from .measure import Goal, Sample, Section, Verdict, ratio, seconds
from .tool import NO_WATCH, fab

TIMES = 3
MISSED = (
    "the processors are busy all the time, and what goes by the second (each run's meter, each "
    "site's health checks) takes the more of them the longer all of it lasts: the operator 14 s "
    "for each server, not 5.4 s; four at a time take 0.62"
)
COUNTS = (1, 2, 4, 8)
AT_ONCE = 2  # servers that are made ready at a time
# Idle ones have health checks too, some of them twice a second: eight take half a processor.
STOP = "docker ps --quiet | xargs --no-run-if-empty docker stop"


@dataclass(frozen=True)
class Took:
    """One deploy to some servers.

    :param seconds: from the command to its end.
    :param operator: seconds of a processor that our own processes took.
    :param busy: of all processors, for whatever it was.
    """

    seconds: float
    operator: float
    busy: float

    @property
    def against_busy(self) -> float:
        """Its time against the time in which these processors can do as much: 1 is their limit."""
        return self.seconds * len(os.sched_getaffinity(0)) / self.busy


def measure(asked: Asked) -> Section:
    """Every number of servers, in turns; each deploy begins at plain production."""
    there = MOST_SERVERS + 1 - Server().number
    counts = [count for count in COUNTS if count <= min(there, asked.servers or there)]
    servers, times = several(str(counts[-1])), asked.often(TIMES)
    ours = [server for server in servers if container_state(server.name) is None]
    took: dict[int, list[Took]] = {count: [] for count in counts}
    try:
        _each(_up, servers)
        for number in range(times):
            for count in counts:
                took[count].append(_deploy_to(servers[:count], servers[count:]))
                say(f"{count} servers, {number + 1}: {took[count][-1]}")
    finally:
        for server in ours:
            lab.down(server)
    return section(took, times)


def _deploy_to(servers: list[Server], others: list[Server]) -> Took:
    _each(lambda server: lab.run(STOP, server=server, timeout=120), others)
    _each(lab.reset, servers)
    names = ",".join(server.alias for server in servers)
    parallel = [f"--parallel={len(servers)}"] if len(servers) > 1 else []
    before = busy()
    run = fab("deploy", NO_WATCH, *parallel, hosts=names)
    return Took(run.seconds, run.processor, busy() - before)


def _up(server: Server) -> None:
    """A measurement that was broken off has left some whose site is stopped."""
    try:
        lab.up(server)
    except LabError:
        lab.reset(server)


def _each(work: Callable[[Server], object], servers: Iterable[Server]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, servers))


def busy(stat: Path = Path("/proc/stat")) -> float:
    """Seconds that all processors were at work since the machine's start."""
    user, nice, system, _idle, _waiting, hard, soft = map(int, stat.read_text().split()[1:8])
    return (user + nice + system + hard + soft) / os.sysconf("SC_CLK_TCK")


def section(took: dict[int, list[Took]], times: int) -> Section:
    """What was measured, as RESULTS.md has it.

    :param took: by the number of servers; 1 is among them.
    """
    one, most = took[1], max(took)
    rows = [
        [
            f"{count}",
            seconds(run.seconds for run in runs),
            ratio(_against(runs, one)),
            ratio(_against(runs, one, count)),
            seconds(run.operator for run in runs),
            seconds(run.busy for run in runs),
            ratio(Sample.of(run.against_busy for run in runs)),
        ]
        for count, runs in took.items()
    ]
    together = Goal(f"{most} servers side by side, against one after the other", 1.0, missed=MISSED)
    limit = Goal(f"{most} servers: time against the processors' own limit", 1.25)
    verdicts = [
        Verdict(together, _against(took[most], one, most)),
        Verdict(limit, Sample.of(run.against_busy for run in took[most])),
    ]
    return Section(
        title="Several servers",
        text="A first deploy to each, all of them at a time, from the command to its end. All the "
        "servers are on this one machine and share its processors: what can be gained is a "
        "server's waiting, and what the operator does once (the archive is packed once). The "
        "operator: seconds of a processor that our own processes took; all: that all of the "
        "machine took, engines and sites included. The limit: the time in which its processors "
        "can do as much.",
        head=(
            "servers",
            "time",
            "against one",
            "of one after the other",
            "the operator",
            "all",
            "against the limit",
        ),
        rows=rows,
        verdicts=verdicts if most > 1 else [],
        times=times,
    )


def _against(runs: list[Took], one: list[Took], count: int = 1) -> Sample:
    return Sample.ratios([run.seconds for run in runs], [run.seconds * count for run in one])
