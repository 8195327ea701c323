"""A check of the doctor as data, and how all of them are asked in one go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...errors import DeployError, Interrupted, ServerUnreachable
from ...probes.tls import Certificate, certificate
from ...report.diagnosis import Diagnosis, Outcome
from ...server.containers import Container
from ...server.machine import Machine, read_machine
from ...site import Site


@dataclass(frozen=True)
class Finding:
    """What one check found.

    :param mend: what to do about it; empty where it is well.
    """

    verdict: Outcome
    found: str
    mend: str = ""


def well(found: str) -> Finding:
    return Finding("pass", found)


def warning(found: str, mend: str) -> Finding:
    return Finding("warn", found, mend)


def failing(found: str, mend: str) -> Finding:
    return Finding("fail", found, mend)


class Patient:
    """The site, and what several checks want to know of it, read once."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.settings = site.settings
        self.server = site.server

    @cached_property
    def refusal(self) -> ServerUnreachable | None:
        """Why there is no session; None where there is one."""
        try:
            self.server.open()
        except ServerUnreachable as error:
            return error
        return None

    @cached_property
    def machine(self) -> Machine:
        folders = self.settings.folders
        return read_machine(self.server, folders.project, folders.backups, "/var/lib/docker")

    @cached_property
    def containers(self) -> list[Container]:
        """The site's containers; none where they cannot be read."""
        with contextlib.suppress(DeployError):
            return self.site.containers.all()
        return []

    @cached_property
    def nginx_dump(self) -> str:
        return self.site.nginx.dump()

    @cached_property
    def certificate(self) -> Certificate:
        return certificate(self.settings.public)


@dataclass(frozen=True)
class Question:
    """One check.

    :param why: why it matters, one sentence.
    :param ask: looks, and changes nothing; a `DeployError` of its own is a failure.
    :param needs: names of the checks before it without which it cannot be asked.
    """

    group: str
    name: str
    why: str
    ask: Callable[[Patient], Finding]
    needs: Sequence[str] = field(default=())


def diagnose(patient: Patient, questions: Sequence[Question]) -> list[Diagnosis]:
    """Ask every question; one that fails hides no other.

    :raises Interrupted: Ctrl-C.
    """
    blocked: dict[str, str] = {}  # by name: the check that is to blame
    diagnoses = []
    for question in questions:
        culprit = next((blocked[name] for name in question.needs if name in blocked), "")
        if culprit:
            finding = Finding("skip", f"not asked, because “{culprit}” failed")
        else:
            finding = _asked(patient, question)
        if finding.verdict in ("fail", "skip"):
            blocked[question.name] = culprit or question.name
        diagnoses.append(
            Diagnosis(
                question.group,
                question.name,
                finding.verdict,
                found=finding.found,
                why=question.why,
                mend=finding.mend or ("mend that one first" if culprit else ""),
            )
        )
    return diagnoses


def _asked(patient: Patient, question: Question) -> Finding:
    try:
        return question.ask(patient)
    except Interrupted:
        raise
    except DeployError as error:
        evidence = " ".join(error.evidence.split())[:300]
        found = f"{error.reason}: {evidence}" if evidence else error.reason
        return failing(found, error.next_command or "mend what it says")
    except Exception as error:  # the rest is worth the more
        return failing(f"unexpected {type(error).__name__}: {error}", "again with --debug")
