"""One at a time: a lock file on the server, taken atomically, with a heartbeat."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from .. import interrupts
from ..errors import DeployError, LockLost
from .connection import Server
from .ledger import operator

# Everything under one flock, so that reading, judging and taking are one act. Ages come from
# the server's own clock. $1 lock, $2 content, $3 seconds after which an owner counts as dead.
_TAKE = """
umask 077
exec 9>"$1.guard" && flock -w 10 9 || { echo "busy"; exit 11; }
if [ -e "$1" ]; then
  age=$(( $(date +%s) - $(stat -c %Y "$1") ))
  if [ "$age" -lt "$3" ]; then cat "$1"; exit 10; fi
  cat "$1"
  mv "$1" "$1.dead"
fi
printf '%s' "$2" > "$1.new" && mv "$1.new" "$1"
"""
_BEAT = 'exec 9>"$1.guard"; flock -w 10 9; grep -qs "$2" "$1" || exit 1; touch "$1"'
_DROP = 'exec 9>"$1.guard"; flock -w 10 9; grep -q "$2" "$1" && rm -f "$1"'
_PHASE = """
exec 9>"$1.guard"; flock -w 10 9
grep -qs "$2" "$1" && printf '%s' "$3" > "$1.new" && mv "$1.new" "$1"
"""
HEARTBEAT = 10.0  # seconds


@dataclass(frozen=True)
class Owner:
    """Who holds the lock."""

    token: str
    who: str
    host: str
    pid: int
    task: str
    release: str
    phase: str
    since: str

    def __str__(self) -> str:
        return (
            f"{self.who}@{self.host} (pid {self.pid}), {self.task} of release {self.release}, "
            f"phase {self.phase}, since {self.since}"
        )


class Lock:
    """The site's lock, held by one run.

    :param dead_after: seconds without a heartbeat after which the owner counts as dead.
    """

    def __init__(self, server: Server, folder: str, dead_after: float) -> None:
        self.server = server
        self.path = f"{folder}/lock"
        self.dead_after = dead_after
        self.owner: Owner | None = None
        self._stop = threading.Event()
        self._beating: threading.Thread | None = None
        self._lost = False

    def take(self, task: str, release: str) -> Owner | None:
        """Take the lock, or raise.

        :returns: the dead owner whose lock was taken over; None where it was free.
        :raises DeployError: a live owner has it.
        """
        owner = Owner(
            token=uuid.uuid4().hex,
            who=operator(),
            host=socket.gethostname(),
            pid=os.getpid(),
            task=task,
            release=release,
            phase="start",
            since=self.server.now(),
        )
        answer = self.server.shell(
            _TAKE, self.path, _content(owner), f"{self.dead_after:.0f}", check=False
        )
        if answer.exit_code == 10:
            raise DeployError(
                f"the site is locked by {_parse(answer.stdout) or answer.text}",
                state="nothing was touched",
                next_command="wait for it; a dead owner's lock is free "
                f"{self.dead_after:.0f} s after its last heartbeat",
            )
        if not answer.ok:
            raise DeployError(f"cannot take the lock {self.path}", evidence=answer.stderr)
        self.owner = owner
        self._lost = False
        self._stop.clear()
        self._beating = threading.Thread(target=self._beat, daemon=True, name="lock heartbeat")
        self._beating.start()
        return _parse(answer.stdout)

    def enter(self, phase: str) -> None:
        """Say in the lock which phase is under way."""
        if self.owner:
            self.owner = Owner(**{**asdict(self.owner), "phase": phase})
            written = self.server.shell(
                _PHASE, self.path, self.owner.token, _content(self.owner), check=False
            )
            self._lost = not written.ok

    def refuse_lost(self) -> None:
        """:raises LockLost: no heartbeat came through for so long that another run began."""
        if self._lost:
            raise LockLost(
                f"the lock is not ours any more; now: {self.holder() or 'nobody'}",
                evidence=f"no heartbeat reached the server for {self.dead_after:.0f} s: did this "
                "machine sleep?",
                state="as the other run leaves it; this one stopped where it was",
                next_command="fab status",
            )

    def holder(self) -> Owner | None:
        """Who has the lock now; None where it is free."""
        return _parse(self.server.read(self.path) or "")

    def release(self) -> None:
        """Give the lock back, if it is still ours."""
        if not self.owner:
            return
        self._stop.set()
        if self._beating:
            self._beating.join(timeout=5)
        with interrupts.masked():
            self.server.shell(_DROP, self.path, self.owner.token, check=False)
        self.owner = None

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            try:
                assert self.owner
                beat = self.server.shell(
                    _BEAT, self.path, self.owner.token, check=False, timeout=15
                )
                self._lost = beat.exit_code == 1  # grep's: the lock has another token, or is gone
            except DeployError:
                continue  # the main thread meets the same trouble and explains it


def _content(owner: Owner) -> str:
    return json.dumps(asdict(owner), sort_keys=True)


def _parse(text: str) -> Owner | None:
    try:
        fields: Any = json.loads(text)
        return Owner(**fields)
    except (json.JSONDecodeError, TypeError):
        return None
