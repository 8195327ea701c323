"""Several servers: the time of one deploy to 1, 2, 4 and 8 of them, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lab import server as lab
from lab.engine import container_state
from lab.places import MOST_SERVERS, Server, several

from .frame import Asked, say
from .measure import Goal, Sample, Section, Verdict, ratio, seconds
from .tool import NO_WATCH, fab

TIMES = 3
COUNTS = (1, 2, 4, 8)


def measure(asked: Asked) -> Section:
    """Every number of servers, in turns; each deploy begins at plain production."""
    there = MOST_SERVERS + 1 - Server().number
    counts = [count for count in COUNTS if count <= min(there, asked.servers or there)]
    servers, times = several(str(counts[-1])), asked.often(TIMES)
    ours = [server for server in servers if container_state(server.name) is None]
    for server in servers:
        lab.up(server)
    took: dict[int, list[float]] = {count: [] for count in counts}
    try:
        for number in range(times):
            for count in counts:
                took[count].append(_deploy_to(servers[:count]))
                say(f"{count} servers, {number + 1}: {took[count][-1]:.1f} s")
    finally:
        for server in ours:
            lab.down(server)
    return _section(took, times)


def _deploy_to(servers: list[Server]) -> float:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lab.reset, servers))
    names = ",".join(server.alias for server in servers)
    parallel = [f"--parallel={len(servers)}"] if len(servers) > 1 else []
    return fab("deploy", NO_WATCH, *parallel, hosts=names).seconds


def _section(took: dict[int, list[float]], times: int) -> Section:
    one, most = took[1], max(took)
    rows = [
        [
            f"{count}",
            seconds(values),
            ratio(Sample.ratios(values, one)),
            ratio(_each(values, one, count)),
        ]
        for count, values in took.items()
    ]
    goal = Goal(f"{most} servers side by side, against one after the other", 1.0)
    verdicts = [Verdict(goal, _each(took[most], one, most))] if most > 1 else []
    return Section(
        title="Several servers",
        text="A first deploy to each, all of them at a time, from the command to its end. All the "
        "servers are on this one machine and share its processors, so that what is left of a "
        "server's time is what can be shared: waiting, and what the operator does once.",
        head=("servers", "time", "against one", "of one after the other"),
        rows=rows,
        verdicts=verdicts,
        times=times,
    )


def _each(values: list[float], one: list[float], count: int) -> Sample:
    return Sample.ratios(values, [value * count for value in one])
