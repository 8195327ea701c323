"""The record of a run: what it noted while it ran, and what the server says at its end."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TypeVar

from ..commands import docker
from ..documents import report as documents
from ..documents.report import RunReport
from ..errors import DeployError, NeedsPerson, ServerUnreachable, TakenBack
from ..probes.course import Interval
from ..probes.measurement import Measurement
from ..probes.timing import NOTICEABLE, Timing
from ..report.masking import mask
from ..report.recorder import PhaseNote, Recorder
from ..server.ledger import operator
from ..server.live import Live
from ..server.people import People
from ..site import Site

Found = TypeVar("Found")
EVIDENCE = 20_000  # letters that are kept, of its end


def note_people(site: Site, people: People | None = None) -> None:
    """Note users and roles before anything is changed: the first count of a run holds.

    :param people: as they have just been counted; by default they are counted now. A database
        that is away keeps nobody from going on.
    """
    if site.recorder.people is None:
        with contextlib.suppress(DeployError):
            site.recorder.people = _people(people or site.database.people())


def record(site: Site, name: str, error: BaseException | None) -> RunReport:
    """Everything that is known of the run, without secrets.

    :param name: the report's.
    :param error: what ended it; None: it is done.
    """
    noted = site.recorder
    ask = _Asking()
    live = ask(site.live.read)
    made = RunReport(
        version=1,
        id=name,
        release=site.release,
        task=noted.task,
        site=site.settings.name,
        url=site.settings.public.url,
        server=str(site.server),
        who=f"{operator()}@{socket.gethostname()}",
        began=datetime.fromtimestamp(noted.began, timezone.utc),
        seconds=noted.now,
        outcome=outcome_of(error),
        exit_code=_exit_code(error),
        former=_former(noted),
        live=_release(live) if live else None,
        failure=_failure(error) if error else None,
        phases=tuple(_phase(phase) for phase in noted.phases),
        marks=tuple(documents.Mark(**vars(mark)) for mark in noted.marks),
        traffic=tuple(noted.traffic),
        visitors=tuple(noted.visitors),
        bounds=_bounds(site),
        checks=tuple(
            documents.Check(phase=phase.name, **vars(check))
            for phase in noted.phases
            for check in phase.checks
        ),
        people_before=noted.people,
        people_after=ask(lambda: _people(site.database.people())),
        backups=ask(lambda: _backups(site)) or (),
        image=ask(lambda: _image(site, live)) if live else None,
        notes=tuple(site.console.warnings),
    )
    return RunReport.model_validate(without_secrets(made.model_dump()))


class _Asking:
    """What the server does not say is not known; without a connection it is not asked again."""

    def __init__(self) -> None:
        self._gone = False

    def __call__(self, question: Callable[[], Found]) -> Found | None:
        if self._gone:
            return None
        try:
            return question()
        except ServerUnreachable:
            self._gone = True
        except DeployError:
            pass
        return None


def without_secrets(value: object) -> object:
    """The same, and every text in it masked."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {mask(name): without_secrets(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(without_secrets(entry) for entry in value)
    return value


# -- how it ended ------------------------------------------------------------------------------


def outcome_of(error: BaseException | None) -> documents.Outcome:
    """How a run ended, by what ended it."""
    if error is None:
        return "done"
    if isinstance(error, TakenBack):
        return "taken back"
    return "needs a person" if isinstance(error, NeedsPerson) else "failed"


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    return error.exit_code if isinstance(error, DeployError) else 1


def _failure(error: BaseException) -> documents.Failure:
    why = error if isinstance(error, DeployError) else DeployError(repr(error))
    return documents.Failure(
        reason=why.reason,
        trigger=why.trigger,
        evidence=why.evidence[-EVIDENCE:],
        taken_back=why.taken_back,
        state=why.state,
        next_command=why.next_command,
    )


# -- what it noted -----------------------------------------------------------------------------


def _former(noted: Recorder) -> documents.LiveRelease | None:
    if noted.former is None:
        return None
    colour, release = noted.former
    return documents.LiveRelease(colour=colour, release=release)


def _phase(noted: PhaseNote) -> documents.Phase:
    return documents.Phase(
        name=noted.name,
        began=noted.began,
        seconds=noted.seconds,
        outcome="failed" if noted.failed else "done",
        criteria=noted.criteria,
        triggers=noted.triggers,
        steps=tuple(
            documents.Step(
                title=step.title,
                began=step.began,
                seconds=step.seconds,
                outcome="failed" if step.failed else "done",
                takes_back=step.takes_back,
            )
            for step in noted.steps
        ),
    )


def traffic(seen: Measurement, began: float) -> documents.Traffic:
    """What a meter saw.

    :param began: the run's beginning, seconds since 1970.
    """
    at = seen.began - began
    return documents.Traffic(
        began=at,
        seconds=seen.seconds,
        sent=seen.sent,
        answered=seen.answered,
        failed=seen.failed,
        failed_in_own_network=seen.by_where.get("network", 0),
        limited=seen.limited,
        resent=seen.resent,
        skipped=seen.skipped,
        by_release=dict(seen.by_release),
        longest_gap=seen.longest_gap,
        gap_began=seen.gap_began - began,
        times=tuple(_times(label, timing) for label, timing in seen.windows.items()),
        interval=seen.interval,
        moments=tuple(
            _moment(at + place * seen.interval, interval)
            for place, interval in enumerate(seen.course)
        ),
        failures=tuple(
            documents.FailedRequest(
                at=one.time - began, path=one.path, what=one.what, where=one.where
            )
            for one in seen.failures
        ),
    )


def _moment(at: float, interval: Interval) -> documents.Moment:
    good = interval.good.total()
    return documents.Moment(
        at=round(at, 3),
        by_release=dict(interval.good),
        failed=interval.failed,
        limited=interval.limited,
        mean=round(interval.seconds / good, 6) if good else None,
        slowest=round(interval.slowest, 6) if good else None,
    )


def _times(label: str, timing: Timing) -> documents.Times:
    return documents.Times(label=label, **timing.to_json())


def _bounds(site: Site) -> documents.Bounds:
    limits = site.settings.limits
    return documents.Bounds(
        baseline=_times("baseline", site.baseline) if site.baseline else None,
        factor=limits.slower_than_baseline,
        noticeable=NOTICEABLE,
        limit=limits.response_seconds,
    )


def _people(people: People) -> documents.People | None:
    if not people.known:
        return None
    return documents.People(users=people.users, roles=dict(people.roles), sessions=people.sessions)


# -- what the server says ----------------------------------------------------------------------


def _release(live: Live) -> documents.LiveRelease:
    return documents.LiveRelease(colour=live.colour, release=live.release)


def _backups(site: Site) -> tuple[documents.BackupSize, ...]:
    return tuple(
        documents.BackupSize(
            name=backup.name,
            kind=backup.kind,
            bytes=sum(file.bytes for file in backup.files),
            database_bytes=backup.size,
            verified=backup.verified,
        )
        for backup in site.backups.look().backups
        if backup.release == site.release
    )


def _image(site: Site, live: Live) -> documents.ImageSize:
    command = docker.inspect_image(live.container.image_id)
    size = json.loads(site.server.run(command).stdout)[0]["Size"]
    return documents.ImageSize(name=f"{site.settings.app.image}:{live.release}", bytes=size)
