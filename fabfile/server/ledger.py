"""What happened, on the server, append-only. It explains; it never decides."""

from __future__ import annotations

import getpass
import json
import socket
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import DeployError
from ..probes.timing import Timing
from .connection import Server

# One write with O_APPEND: entries of two operators never mix. sync: it outlives a power cut.
_APPEND = 'umask 077; printf "%s\\n" "$2" >> "$1" && sync -d "$1" 2>/dev/null || sync'


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    :param event: started, switching, switched, failed, taken-back, ended and the like.
    :param release: the release that the run makes or moves.
    """

    event: str
    task: str
    release: str
    time: str = ""
    who: str = ""
    host: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CutOff:
    """A run that began to change something and never ended: its process died.

    :param run: its own mark, as `started` and `ended` have it.
    :param phase: the last that it began.
    :param entries: what it wrote, oldest first.
    """

    run: str
    task: str
    release: str
    time: str
    who: str
    host: str
    phase: str
    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        return (
            f"{self.task} of release {self.release} by {self.who}@{self.host}, begun {self.time}, "
            f"in phase {self.phase or 'start'}"
        )

    def last(self, event: str) -> Entry | None:
        """Its last entry of this kind."""
        return next((entry for entry in reversed(self.entries) if entry.event == event), None)


class Ledger:
    """The site's ledger: `ledger.jsonl` in the state folder."""

    def __init__(self, server: Server, folder: str) -> None:
        self.server = server
        self.path = f"{folder}/ledger.jsonl"

    def add(self, event: str, task: str, release: str, **detail: Any) -> None:
        """Append one entry and have it on disk before going on."""
        entry = Entry(
            event, task, release, self.server.now(), operator(), socket.gethostname(), detail
        )
        line = json.dumps(asdict(entry), ensure_ascii=True, sort_keys=True)
        self.server.shell(_APPEND, self.path, line)

    def entries(self) -> list[Entry]:
        """All entries, oldest first. A line cut by a crash is left out.

        :raises DeployError: an entry has fields that this version does not know.
        """
        entries = []
        for line in (self.server.read(self.path) or "").splitlines():
            try:
                entries.append(Entry(**json.loads(line)))
            except json.JSONDecodeError:
                continue
            except TypeError as error:
                raise DeployError(f"{self.path} was written by another version: {error}") from None
        return entries

    def cut_off(self) -> CutOff | None:
        """The last run that began to change something, if it neither ended nor was settled."""
        entries = self.entries()
        begun = [
            n for n, e in enumerate(entries) if e.event == "started" and e.detail.get("changes")
        ]
        if not begun:
            return None
        start, mine = entries[begun[-1]], entries[begun[-1] :]
        run = start.detail["run"]
        if any(e.event in ("ended", "settled") and e.detail.get("run") == run for e in mine):
            return None
        phases = [e.detail["phase"] for e in mine if e.event == "phase-started"]
        return CutOff(
            run=run,
            task=start.task,
            release=start.release,
            time=start.time,
            who=start.who,
            host=start.host,
            phase=phases[-1] if phases else "",
            entries=tuple(e for e in mine if e.release == start.release),
        )

    def last_baseline(self) -> Timing | None:
        """The response times that the last assessment measured; None where none did."""
        for entry in reversed(self.entries()):
            if entry.event == "baseline":
                return Timing.from_json(entry.detail["timing"])
        return None


def operator() -> str:
    """Who runs this, on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in a container's /etc/passwd
        return "unknown"
