"""The guide's pre-deployment checklist in one run: what was found, why it matters, the mend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from ...documents.doctor import Doctor, DoctorCheck
from ...errors import DeployError
from ...report.diagnosis import Diagnosis, count, show
from ...site import Site
from .check import Patient, diagnose
from .checklist import questions


def doctor(site: Site, *, as_document: bool = False, verbose: bool = False) -> None:
    """Ask everything, and say all of it; takes no lock and changes nothing.

    :param as_document: print one JSON document instead.
    :param verbose: say of what is well, too, why it matters.
    :raises DeployError: a check failed; warnings are none.
    """
    diagnoses = diagnose(Patient(site), questions(site.settings))
    if as_document:
        document(site, diagnoses).show()
    else:
        show(site.console, diagnoses, verbose=verbose)
    failed = [one.name for one in diagnoses if one.verdict == "fail"]
    if failed:
        raise DeployError(
            f"not ready for a deploy: {', '.join(failed)}",
            evidence=count(diagnoses) if as_document else "",
            state="nothing was changed",
            next_command="mend what stands above, then fab doctor again",
        )
    if not as_document:
        site.console.line("next: fab deploy")


def document(site: Site, diagnoses: Sequence[Diagnosis]) -> Doctor:
    """What a program reads of it."""
    return Doctor(
        site=site.settings.name,
        server=str(site.server),
        ready=all(one.verdict != "fail" for one in diagnoses),
        checks=[DoctorCheck(**(asdict(one) | {"mend": one.mend or None})) for one in diagnoses],
    )
