"""`status` for a person: a line a part, a table of the containers."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from ..documents.status import CutOff, Lock, Migrations, Run, Status
from .columns import as_table
from .container_words import MISSING, cpu_words, memory_words, state_words
from .words import age, size, when

_BAD, _WARN = "bold red", "yellow"
_HEAD = ("", "container", "state", "release", "CPU", "memory")


def status_text(status: Status, *, certificate_days: int, disk_percent: int) -> list[Text | Table]:
    """What is shown, from top to bottom.

    :param certificate_days: fewer days left are marked.
    :param disk_percent: a fuller disk is marked.
    """
    rows = [
        *_live(status),
        *_database(status),
        *_certificate(status, certificate_days),
        *_machine(status, disk_percent),
        *_past(status),
    ]
    width = max(len(name) for name, _, _ in rows) + 2
    lines = [
        Text(f"{name + ':' if name else '':<{width}}{text}", style) for name, text, style in rows
    ]
    head = Text(f"{status.site} on {status.server}, {when(status.time)}:{status.time[17:19]} UTC")
    return [head, *lines, *_containers(status)]


Row = tuple[str, str, str]  # name, text, style


def _live(status: Status) -> Iterator[Row]:
    live = status.live
    if live is None:
        yield "live", f"not known: {status.problems.get('live', '')}", _BAD
        return
    state = next((one for one in status.containers if one.colour == live.colour), None)
    words = f" ({state_words(state)})" if state else ""
    yield "live", f"{live.colour}, release {live.release}{words}", "bold"
    yield "former", live.former or "none yet", ""
    if canary := live.canary:
        where = f"{canary.colour} {canary.release}"
        yield "canary", f"{canary.share} % of visitors are with {where}", _WARN


def _database(status: Status) -> Iterator[Row]:
    found = status.database
    if found is None:
        yield "database", _unread(status, "database"), _BAD
        return
    yield (
        "database",
        f"{found.name}, {size(found.size)}, PostgreSQL {found.version}, "
        f"{found.connections} {'connection' if found.connections == 1 else 'connections'}",
        "",
    )
    yield "migrations", _migrations(found.migrations), _WARN if found.migrations.pending else ""


def _migrations(found: Migrations) -> str:
    pending = f": {', '.join(found.pending)}" if found.pending else ""
    return f"{found.applied} stages applied, {len(found.pending)} pending{pending}"


def _certificate(status: Status, least: int) -> Iterator[Row]:
    found = status.certificate
    if found is None:
        if "certificate" in status.problems:
            yield "certificate", _unread(status, "certificate"), _BAD
        return
    ends = f"{found.days_left} days left, until {found.not_after[:10]}"
    bad = "" if found.verified else f"; NOT VALID: {found.problem}"
    yield "certificate", ends + bad, _BAD if bad else _WARN if found.days_left < least else ""


def _machine(status: Status, fullest: int) -> Iterator[Row]:
    found = status.machine
    if found is None:
        yield "server", _unread(status, "machine"), _BAD
        return
    for disk in found.disks:
        full = f"{disk.percent} % full, {size(disk.free)} free"
        yield "disk", f"{disk.mount} {full}", _WARN if disk.percent >= fullest else ""
    used = found.memory - found.memory_available
    yield (
        "server",
        f"memory {size(used)} of {size(found.memory)}, load {found.load:g} on "
        f"{found.processors} processors",
        "",
    )


def _past(status: Status) -> Iterator[Row]:
    if "ledger" in status.problems:
        yield "last run", _unread(status, "ledger"), _BAD
    else:
        yield "last run", _run(status.last_run), ""
    if "lock" in status.problems:
        yield "lock", _unread(status, "lock"), _BAD
    else:
        yield "lock", _lock(status.lock), _WARN if status.lock else ""
    if status.cut_off:
        yield "cut off", _cut_off(status.cut_off), _WARN
        yield "", "fab rollback takes it back; fab deploy starts anew, --resume goes on", _WARN


def _run(run: Run | None) -> str:
    if run is None:
        return "none in the ledger"
    ended = run.outcome or "no end"
    why = f": {run.reason}" if run.reason else ""
    took = f" in {age(run.seconds)}" if run.seconds is not None else ""
    return (
        f"{run.task} of {run.release} by {run.who}@{run.host}, {when(run.began)}: "
        f"{ended}{took}{why}"
    )


def _lock(lock: Lock | None) -> str:
    if lock is None:
        return "free"
    alive = f"last heartbeat {age(lock.quiet)} ago" + ("" if lock.alive else ": DEAD")
    if lock.owner is None:
        return f"held by a file that cannot be read as a lock of this version; {alive}"
    one = lock.owner
    return (
        f"{one.who}@{one.host} (pid {one.pid}), {one.task} of release {one.release}, "
        f"phase {one.phase}, since {when(one.since)}; {alive}"
    )


def _cut_off(run: CutOff) -> str:
    return (
        f"{run.task} of release {run.release} by {run.who}@{run.host}, begun {when(run.began)}, "
        f"in phase {run.phase or 'start'}"
    )


def _containers(status: Status) -> Iterator[Text | Table]:
    if "containers" in status.problems:
        yield Text(f"containers: {_unread(status, 'containers')}", _BAD)
        return
    yield as_table(
        _HEAD,
        [
            (
                one.colour or "",
                one.name,
                state_words(one, since=True),
                one.release or MISSING,
                cpu_words(one.usage),
                memory_words(one.usage),
            )
            for one in status.containers
        ],
        right=("CPU",),
    )
    if "usage" in status.problems:
        yield Text(f"CPU and memory: {_unread(status, 'usage')}", _WARN)


def _unread(status: Status, part: str) -> str:
    return f"cannot be read: {status.problems.get(part, 'not known why')}"
