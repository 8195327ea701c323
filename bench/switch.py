"""The switch under load: when the old release gives its last answer, and what fails.

Visitors of one manner after another, 16, 64 and 256 of them, with event streams and web sockets
open beside them, while the tool takes all from one release to the other and back, again and again.
`--long` goes on until a million requests have been answered, `--requests` until so many.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab import server as lab
from lab.places import Server
from lab.website import fetch

from .crowd import MANY_PATHS, PATHS, Crowd, Manner
from .frame import Asked, BenchError, say
from .measure import Goal, Sample, Section, Verdict, seconds
from .tally import Tally
from .tool import NO_WATCH, deployed, fab

TIMES = 3  # switches in each of the settings below
CONNECTIONS = (16, 64, 256)
MANNERS: dict[Manner, str] = {
    "kept": "HTTP/1.1, kept",
    "new": "HTTP/1.1, a new connection each",
    "h2": "HTTP/2",
}
STREAMS = 4  # event streams, and as many web sockets
SHUTDOWN = 5  # seconds after which an old nginx worker ends the streams that are left; else 30
RATE = 200.0  # requests a second
# What two processors can bear beside the tool; a handshake costs as much as ten kept requests.
LONG_RATES: dict[Manner, float] = {"kept": 2_000.0, "new": 250.0, "h2": 2_000.0}
MILLION = 1_000_000
MOST_SECONDS = 1_800.0  # of one setting
# 1,024 requests at once. Found in nginx's log: it waited its five seconds for a connection, in the
# seconds after a reload, and in other runs before the first. A longer listening queue in the app
# (511, 2,048), more kept connections to it (256) and 64 answers at a time left answers that took
# 15 s, or took longer. The app's 500s are its own time limits. Only a long load is so many.
CROWDED: tuple[Manner, int] = ("h2", 256)
MISSED = (
    "1,024 requests at once are more than this machine takes, before any switch too: nginx waits "
    "5 s for a connection to the app (504), the app 5 s for its database (500), and an old worker "
    f"ends what has waited for more than {SHUTDOWN} s (BrokenOff)"
)
RELOAD = "nginx -s reload"
# What nginx says of the requests that failed, without their numbers, each with its count.
NGINX_SAYS = """docker logs --since {since} 1001-stories-nginx 2>&1 >/dev/null \
    | grep -oE '\\[(warn|error|crit|alert)\\] [^,]*' | sed -E 's/[0-9]+#[0-9]+: |\\*[0-9]+ //g' \
    | sort | uniq -c | sort -rn | head -n 4"""
STEP = "switch visitors"
SHORT = f"--set=nginx.worker_shutdown_timeout={SHUTDOWN}"


@dataclass(frozen=True)
class Measured:
    """One setting: who came, how many switches they met, and what they saw.

    :param lasts: of each switch, seconds from the reload to the last answer by the old release.
    :param steps: of each switch, seconds of the whole step, with its test and its proof.
    :param rate: requests a second that were answered.
    :param late: of each request that failed, seconds since the reload before it; none before the
        first reload.
    :param said: what nginx's error log has of this time, where requests failed.
    """

    manner: Manner
    connections: int
    lasts: tuple[float, ...]
    steps: tuple[float, ...]
    tally: Tally
    rate: float
    late: tuple[float, ...] = ()
    said: tuple[str, ...] = ()


def measure(asked: Asked) -> Section:
    """Every manner with every number of connections."""
    deployed()
    fab("deploy", NO_WATCH, SHORT)
    former = _live()
    go = _between(_other(), former)
    settings = [(manner, number) for manner in MANNERS for number in CONNECTIONS]
    times, found = asked.often(TIMES), []
    requests = asked.requests or (MILLION if asked.long else 0)
    for manner, number in settings:
        load = long_load(manner, requests) if requests else Load()
        found.append(_under(manner, number, go, times=times, load=load))
        tally = found[-1].tally
        say(
            f"{manner} {number}: {tally.answered:,} answered, {found[-1].rate:,.0f} a second, "
            f"{len(found[-1].lasts)} switches, {tally.failed} failed, "
            f"{tally.resent} resent, {tally.cut} of {tally.streams} streams cut; last old answers "
            + ", ".join(f"{last:.2f} s" for last in found[-1].lasts)
        )
        if tally.failures:
            say(f"  {_failed(found[-1])}")
    return _section(found, times, MISSED if requests else "")


@dataclass(frozen=True)
class Load:
    """How many come in one setting.

    :param rate: requests a second.
    :param requests: that are answered before it ends, whatever the number of switches.
    """

    rate: float = RATE
    requests: int = 0
    paths: Sequence[str] = PATHS


def long_load(manner: Manner, requests: int) -> Load:
    """One setting's part of many requests: each goes on for as long as any other, and so meets as
    many switches."""
    rate = LONG_RATES[manner]
    seconds = requests / (len(CONNECTIONS) * sum(LONG_RATES.values()))
    return Load(rate, int(rate * seconds) + 1, MANY_PATHS)


def _between(here: str, there: str) -> Callable[[], tuple[str, float, float]]:
    """What takes visitors to the other of two releases.

    It answers the release that they left, the moment of the reload, and the step's seconds.

    :param here: the one that is live.
    """
    releases = deque((here, there))  # nobody is asked: a page may wait long behind the visitors

    def go() -> tuple[str, float, float]:
        left, to = releases
        run = fab("rollback", f"--to={to}", SHORT)
        releases.rotate()
        reloads = run.log.sent(RELOAD)
        if not reloads:
            raise BenchError(f"the run's log has no {RELOAD}")
        return left, reloads[-1], run.log.seconds(STEP)

    return go


def _live() -> str:
    return fetch(Server(), "/login")[1]


def _other() -> str:
    """The release before the live one, by going there."""
    fab("rollback", SHORT)
    return _live()


def _under(
    manner: Manner,
    number: int,
    go: Callable[[], tuple[str, float, float]],
    *,
    times: int,
    load: Load,
) -> Measured:
    """Switch under one manner of visitors.

    :param times: so many switches, or as many as the load's requests take.
    """
    lasts, steps, reloads = list[float](), list[float](), list[float]()
    arrived = time.time()
    end = time.monotonic() + MOST_SECONDS
    with Crowd(manner, number, rate=load.rate, streams=STREAMS, paths=load.paths) as crowd:
        time.sleep(2)
        began, before = time.monotonic(), crowd.tally.answered
        while len(lasts) < times or crowd.tally.answered < load.requests:
            left, reloaded, step = go()
            time.sleep(0.5)
            if crowd.over:
                raise BenchError("the visitors have left by themselves")
            lasts.append(max(0.0, crowd.tally.last.get(left, reloaded) - reloaded))
            steps.append(step)
            reloads.append(reloaded)
            if time.monotonic() > end:
                break
        rate = (crowd.tally.answered - before) / (time.monotonic() - began)
    tally = crowd.tally
    late = tuple(
        at - max(reload for reload in reloads if reload <= at)
        for at in tally.failed_at
        if at >= reloads[0]
    )
    said = _nginx_says(arrived) if tally.failed else ()
    return Measured(manner, number, tuple(lasts), tuple(steps), tally, rate, late, said)


def _nginx_says(since: float) -> tuple[str, ...]:
    text = lab.run(NGINX_SAYS.format(since=int(since)), timeout=300).stdout
    return tuple(" ".join(line.split()) for line in text.splitlines())


def _section(found: list[Measured], times: int, missed: str) -> Section:
    """:param missed: why the largest crowd is known to be too many; empty: it is not."""
    crowded, others = _failures(found, crowded=True), _failures(found, crowded=False)
    crowd = f"{MANNERS[CROWDED[0]]} with {CROWDED[1]} connections"
    answered = sum(one.tally.answered for one in found)
    resent = sum(one.tally.resent for one in found if one.manner != "h2")
    broken = [one for one in found if one.tally.failed]
    switches = sum(len(one.lasts) for one in found)
    notes = [
        f"{answered:,} requests in all, over {switches} switches. Resent: a kept connection was "
        "closed or closing before the request was taken, and the client sent it once more; over "
        "HTTP/2 those above the number that GOAWAY names, which every client sends again by itself "
        "(RFC 9113, 6.8). "
        "Streams: those that were ended, of all that were begun: an old worker ends them after "
        f"nginx.worker_shutdown_timeout, {SHUTDOWN} s here. Each comes again by itself; "
        "silence is the longest on one of them; its visitor comes again in the same crowd as those "
        "whose slowest answer is beside it."
    ]
    notes += [_failed(one) for one in broken]
    return Section(
        title="The switch",
        text="Visitors at a steady pace, while `rollback --to` takes all of them to the other "
        f"release and back; beside them {STREAMS} event streams and {STREAMS} web sockets. From "
        "the moment at which `nginx -s reload` was sent to the last answer by the old release; "
        "and the whole step, with nginx's test, the reload and the proof.",
        head=(
            "visitors",
            "connections",
            "last old answer",
            "whole step",
            "switches",
            "requests",
            "a second",
            "failed",
            "resent",
            "streams cut",
            "slowest answer",
            "silence",
        ),
        rows=[_row(one) for one in found],
        verdicts=[
            Verdict(Goal(f"failed requests, {crowd}", 0, digits=0, missed=missed), crowded),
            Verdict(Goal("failed requests, all others", 0, digits=0), others),
            Verdict(Goal("HTTP/1.1 requests sent again", 0, digits=0), Sample.of([resent])),
        ],
        times=times,
        notes=notes,
    )


def _failures(found: list[Measured], *, crowded: bool) -> Sample:
    ours = [one for one in found if ((one.manner, one.connections) == CROWDED) == crowded]
    return Sample.of([sum(one.tally.failed for one in ours)])


def _failed(one: Measured) -> str:
    spread = f"{one.tally.failed - len(one.late)} before any switch"
    if one.late:
        spread += f", the others {min(one.late):.1f} to {max(one.late):.1f} s after a reload"
    return (
        f"Failed, {MANNERS[one.manner]}, {one.connections} connections: {one.tally.words()}; "
        f"{spread}. nginx says: {'; '.join(one.said) or 'nothing'}."
    )


def _row(one: Measured) -> list[str]:
    tally = one.tally
    return [
        MANNERS[one.manner],
        f"{one.connections}",
        seconds(one.lasts),
        seconds(one.steps),
        f"{len(one.lasts)}",
        f"{tally.answered:,}",
        f"{one.rate:,.0f}",
        f"{tally.failed}",
        f"{tally.resent}",
        f"{tally.cut} of {tally.streams}",
        seconds([tally.slowest]),
        seconds([max(tally.silences)]) if tally.silences else "none",
    ]
