"""One server's part of a run over several: what its process is told, and what it tells back."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..server.archive import Archive

VARIABLE = "SERVER_PART"  # of the environment; the command line is the whole run's


@dataclass(frozen=True)
class Report:
    """What a part did.

    :param finished: the tasks that it has done to their end.
    :param requests: what its meters sent to the public site; `failed` of them failed.
    """

    finished: tuple[str, ...] = ()
    requests: int = 0
    failed: int = 0

    def __add__(self, later: Report) -> Report:
        return Report(
            self.finished + later.finished,
            self.requests + later.requests,
            self.failed + later.failed,
        )


NOTHING = Report()


@dataclass(frozen=True)
class Part:
    """What the process of one server is told.

    :param server: the server, as `hosts.choose` has it.
    :param release: the stamp that all servers of the run share.
    :param revision: the commit that is sent; empty where none is.
    :param report: a file on this machine, for what it tells back.
    :param packed: that commit, where other servers get it too; None: the part packs it.
    :param takes_back: not the command's own tasks, but taking back what they did here.
    """

    server: str
    release: str
    revision: str
    report: str
    packed: Archive | None = None
    takes_back: bool = False

    @staticmethod
    def given() -> Part | None:
        """The part of this process; None where a person started it."""
        text = os.environ.get(VARIABLE)
        if not text:
            return None
        values = json.loads(text)
        packed = Archive(**values["packed"]) if values["packed"] else None
        return Part(**{**values, "packed": packed})

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process that this is its part."""
        return {VARIABLE: json.dumps(asdict(self))}

    def tell(self, report: Report) -> None:
        """Write the report; where the whole run has died, nobody reads it."""
        with contextlib.suppress(OSError):
            Path(self.report).write_text(json.dumps(asdict(report)))

    def told(self) -> Report:
        """The report; an empty one of a process that was killed."""
        try:
            values = json.loads(Path(self.report).read_text())
        except (OSError, ValueError):
            return NOTHING
        return Report(tuple(values["finished"]), values["requests"], values["failed"])
