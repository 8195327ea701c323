"""What a phase that only looks says to a program, once its command has ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..documents import Document
from ..documents.pieces import PhaseCheck
from ..errors import DeployError
from ..report.recorder import PhaseNote
from .assess import Assess
from .phase import Phase
from .record import outcome_of, without_secrets
from .validate import Validate


@contextlib.contextmanager
def documented(phase: Assess | Validate, document: type[Document]) -> Iterator[None]:
    """Print the document when the body has ended, however that came; without secrets, as all that
    the phase prints is. A phase that did not begin, because somebody has the lock, has none.

    :param document: the phase's own, a `PhaseRun`.
    """
    error: BaseException | None = None
    try:
        yield
    except BaseException as ended_by:
        error = ended_by
        raise
    finally:
        notes = phase.site.recorder.phases
        if note := next((one for one in notes if one.checks is phase.checks), None):
            found = {**_run(phase, note, error), **phase.document()}
            document.model_validate(without_secrets(found)).show()


def _run(phase: Phase, note: PhaseNote, error: BaseException | None) -> dict[str, Any]:
    why = error if isinstance(error, DeployError) else DeployError(repr(error))
    return {
        "site": phase.settings.name,
        "server": str(phase.server),
        "release": phase.site.release,
        "seconds": round(note.seconds, 3),
        "outcome": outcome_of(error),
        "reason": why.reason if error else None,
        "taken_back": why.taken_back or None if error else None,
        "checks": [
            PhaseCheck(**vars(check), seconds=round(step.seconds, 3)).model_dump()
            for step in note.steps
            for check in step.checks
        ],
    }
