"""What happened, on the server, append-only. It explains; it never decides."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import DeployError
from ..probes.timing import Timing
from .connection import Server

# One write with O_APPEND: entries of two operators never mix. sync: it outlives a power cut.
# A line that a crash has torn is ended first, so that it swallows nothing.
_APPEND = """
umask 077
if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >> "$1"; fi
printf "%s\\n" "$2" >> "$1" || exit 1
sync -d "$1" 2>/dev/null || sync
"""


WATCHER = "monitor"  # the task whose entries stand between those of a run
NEEDS_PERSON = "needs a person"  # the outcome of a run whose way back failed too


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
    """A run that began to change something and has no good end: its process died, or a person
    was needed. Where a later one that took it up was cut off too, this is the last of them.

    :param runs: the marks of all of them, as `started` and `ended` have them.
    :param phase: the last that it began.
    :param entries: what they wrote, oldest first.
    """

    runs: tuple[str, ...]
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

    @property
    def releases(self) -> set[str]:
        """The stamps of all of its runs."""
        return {entry.release for entry in self.entries}

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
        """What began to change something and has neither ended well nor been settled since."""
        return cut_off_in(self.entries())

    def last_baseline(self) -> Timing | None:
        """The response times that the last assessment measured; None where none did."""
        for entry in reversed(self.entries()):
            if entry.event == "baseline":
                return Timing.from_json(entry.detail["timing"])
        return None


def cut_off_in(entries: Iterable[Entry]) -> CutOff | None:
    """The runs that are still open at the end of a ledger, as one."""
    open_runs: dict[str, list[Entry]] = {}
    current: list[Entry] = []
    for entry in entries:
        if entry.task == WATCHER:
            continue  # beside every run, and part of none
        run = entry.detail.get("run", "")
        if entry.event == "started":
            current = open_runs.setdefault(run, []) if entry.detail.get("changes") else []
        current.append(entry)
        if entry.event == "settled" or (
            entry.event == "ended" and entry.detail.get("outcome") != NEEDS_PERSON
        ):
            open_runs.pop(run, None)
    if not open_runs:
        return None
    start, *rest = list(open_runs.values())[-1]
    phases = [e.detail["phase"] for e in rest if e.event == "phase-started"]
    return CutOff(
        runs=tuple(open_runs),
        task=start.task,
        release=start.release,
        time=start.time,
        who=start.who,
        host=start.host,
        phase=phases[-1] if phases else "",
        entries=tuple(entry for written in open_runs.values() for entry in written),
    )


def operator() -> str:
    """Who runs this, on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in a container's /etc/passwd
        return "unknown"
