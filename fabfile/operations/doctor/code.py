"""The doctor's checks of what is to be deployed."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import BadSettings
from ...server.source import Source
from .check import Finding, Patient, failing, warning, well


def source(patient: Patient) -> Finding:
    """This machine has what is to be delivered."""
    settings = patient.settings.source
    here = _source(patient)
    try:
        here.check()
    except BadSettings as error:
        return failing(error.reason, f"set source.{_setting(error)}, or commit it")
    if settings.kind == "git":
        return well(f"commit {here.commit()[:10]} of {Path(settings.folder).resolve()}")
    return well(f"{settings.kind}: {settings.image}")


def source_on_server(patient: Patient) -> Finding:
    path = f"{patient.settings.folders.project}/{patient.settings.source.dockerfile}"
    if patient.server.run(["test", "-r", path], check=False).ok:
        return well(path)
    return failing(f"no {path} on {patient.server}", "set source.dockerfile, or source.kind: git")


def uncommitted(patient: Patient) -> Finding:
    changes = _source(patient).uncommitted()
    if not changes:
        return well("none")
    names = ", ".join(line.split(maxsplit=1)[-1] for line in changes[:5])
    more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
    return warning(
        f"{names}{more}: not in the commit that is sent",
        f"git -C {patient.settings.source.folder} commit, or stash, what belongs to the release",
    )


def _source(patient: Patient) -> Source:
    site = patient.site
    return Source(site.server, site.settings, site.release, lambda line: None)


def _setting(error: BadSettings) -> str:
    found = re.match(r"site\.source\.(\w+)", error.reason)
    return found[1] if found else "folder"
