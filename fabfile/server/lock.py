"""One at a time: a lock file on the server, taken atomically, with a heartbeat."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from .. import interrupts
from ..errors import DeployError, LockLost
from ..report.words import age
from ..settings_rules import HEARTBEAT
from .connection import Output, Server
from .ledger import operator
from .process import is_gone, mark

# Everything under one flock, so that reading, judging and taking are one act. Ages come from
# the server's own clock. $1 lock, $2 content, $3 seconds after which an owner counts as dead.
# Prints the heartbeat's age, then what stood in the lock. $4 is the token of an owner that is
# known to be dead; empty for none.
_TAKE = """
umask 077
exec 9>"$1.guard" && flock -w 10 9 || { echo "busy"; exit 11; }
if [ -e "$1" ]; then
  age=$(( $(date +%s) - $(stat -c %Y "$1") ))
  echo "$age"
  cat "$1"
  if [ "$age" -lt "$3" ] && ! { [ -n "$4" ] && grep -qF -- "$4" "$1"; }; then exit 10; fi
  mv "$1" "$1.dead"
fi
printf '%s' "$2" > "$1.new" && mv "$1.new" "$1"
"""
# Exit code 1, and no other, says that the lock is not ours any more. $2 is our token.
_BEAT = 'exec 9>"$1.guard"; flock -w 10 9 || exit 11; grep -qs "$2" "$1" || exit 1; touch "$1"'
_DROP = 'exec 9>"$1.guard"; flock -w 10 9; grep -q "$2" "$1" && rm -f "$1"'
_PHASE = """
exec 9>"$1.guard"; flock -w 10 9 || exit 11
grep -qs "$2" "$1" || exit 1
printf '%s' "$3" > "$1.new" && mv "$1.new" "$1" || exit 12
"""
# Prints the time, the last heartbeat, the checksum and the content; nothing where it is free.
_LOOK = """
[ ! -e "${1%/*}" ] || [ -x "${1%/*}" ] || { echo "no right to read ${1%/*}" >&2; exit 13; }
[ -e "$1" ] || exit 0
{ date +%s; stat -L -c %Y /dev/stdin; sha256sum /dev/stdin; cat; } < "$1" || [ ! -e "$1" ]
"""
# $2 the token or checksum that was seen, $3 seconds that it must be quiet for; empty: any.
_CLEAR = """
exec 9>"$1.guard" && flock -w 10 9 || exit 11
[ -e "$1" ] || exit 12
{ cat "$1"; sha256sum < "$1"; } | grep -qaF -- "$2" || exit 13
[ -z "$3" ] || [ $(( $(date +%s) - $(stat -c %Y "$1") )) -ge "$3" ] || exit 10
rm -f "$1"
"""
_GONE = 12
_NOT_CLEARED = {
    10: "the lock's owner is at work",
    11: "somebody else is at the lock this very moment",
    13: "the lock has another owner by now",
}
_EVIDENCE = 500  # characters of an unreadable lock that are shown


@dataclass(frozen=True)
class Owner:
    """Who holds the lock.

    :param process: the process's mark, by which its own machine can see that it has ended.
    """

    token: str
    who: str
    host: str
    pid: int
    task: str
    release: str
    phase: str
    since: str
    process: str = ""

    @property
    def gone(self) -> bool:
        """Whether its process has ended, as far as this machine can know."""
        return self.host == socket.gethostname() and is_gone(self.pid, self.process)

    def __str__(self) -> str:
        return (
            f"{self.who}@{self.host} (pid {self.pid}), {self.task} of release {self.release}, "
            f"phase {self.phase}, since {self.since}"
        )


@dataclass(frozen=True)
class Held:
    """The lock as it stood at one moment, by the server's own clock.

    :param owner: None where the file is none that this version can read.
    :param text: what stands in the file.
    :param age: seconds since the owner took it; None where that cannot be read.
    :param quiet: seconds since the last heartbeat.
    :param beating: the last heartbeat is young enough for the owner to count as at work.
    :param mark: what no other lock has: the owner's token, or the file's checksum.
    """

    owner: Owner | None
    text: str
    age: int | None
    quiet: int
    beating: bool
    mark: str

    def __str__(self) -> str:
        return str(self.owner or "a file that cannot be read as a lock of this version")


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
            process=mark(os.getpid()),
        )
        answer = self._try_to_take(owner)
        quiet, _, text = answer.stdout.partition("\n")
        former = _parse(text)
        if answer.exit_code == 10 and former and former.gone:
            answer = self._try_to_take(owner, dead=former.token)
            quiet, _, text = answer.stdout.partition("\n")
        if answer.exit_code == 10:
            raise self._refusal(text, int(quiet))
        if not answer.ok:
            raise DeployError(f"cannot take the lock {self.path}", evidence=answer.stderr)
        self.owner = owner
        self._lost = False
        self._stop.clear()
        self._beating = threading.Thread(target=self._beat, daemon=True, name="lock heartbeat")
        self._beating.start()
        return _parse(text)

    def _try_to_take(self, owner: Owner, dead: str = "") -> Output:
        limit = f"{self.dead_after:.0f}"
        return self.server.shell(_TAKE, self.path, _content(owner), limit, dead, check=False)

    def _refusal(self, text: str, quiet: int) -> DeployError:
        owner = _parse(text)
        return DeployError(
            f"the site is locked by {owner or f'a file that cannot be read: {self.path}'}; "
            f"last heartbeat {age(quiet)} ago",
            evidence="" if owner else text[:_EVIDENCE],
            state="nothing was touched",
            next_command="fab lock shows how far it is; wait for it (a dead owner's lock is free "
            f"{self.dead_after:.0f} s after its last heartbeat)",
        )

    def enter(self, phase: str, step: str = "") -> None:
        """Say in the lock what is under way, for who else looks at it; one round trip.

        :param step: the step of that phase.
        """
        if not self.owner:
            return
        self.owner = replace(self.owner, phase=f"{phase}: {step}" if step else phase)
        written = self.server.shell(
            _PHASE, self.path, self.owner.token, _content(self.owner), check=False
        )
        self._note(written.exit_code)

    def _note(self, exit_code: int) -> None:
        # A full disk or a busy guard is no loss; what is lost does not come back.
        self._lost = self._lost or exit_code == 1

    def refuse_lost(self) -> None:
        """:raises LockLost: no heartbeat came through for so long that another run began."""
        if self._lost:
            raise LockLost(
                f"the lock is not ours any more; now: {self.holder() or 'nobody'}",
                evidence=f"no heartbeat reached the server for {self.dead_after:.0f} s (did this "
                "machine sleep?), or somebody released it: the ledger says which",
                state="as the other run leaves it; this one stopped where it was",
                next_command="fab status",
            )

    def holder(self) -> Owner | None:
        """Who has the lock now; None where it is free."""
        return _parse(self.server.read(self.path) or "")

    def look(self) -> Held | None:
        """The lock as it stands, in one round trip; None where it is free.

        :raises DeployError: no right to read it.
        """
        seen = self.server.shell(_LOOK, self.path, check=False)
        if not seen.ok:
            raise DeployError(f"cannot read the lock {self.path}", evidence=seen.stderr)
        if seen.stdout.count("\n") < 3:
            return None  # free, or given back between two lines of the script
        now, beat, checksum, text = seen.stdout.split("\n", 3)
        quiet, owner = int(now) - int(beat), _parse(text)
        return Held(
            owner=owner,
            text=text,
            age=_age(owner, int(now)),
            quiet=max(0, quiet),
            beating=quiet < self.dead_after and not (owner and owner.gone),
            mark=owner.token if owner else checksum.split()[0],
        )

    def clear(self, held: Held, *, force: bool = False) -> bool:
        """Take away the very lock that was looked at.

        :param force: even while its owner is at work.
        :returns: False where it was gone already.
        :raises DeployError: it has another owner by now, or its owner is at work.
        """
        dead = held.owner is not None and held.owner.gone
        quiet = "" if force or dead else f"{self.dead_after:.0f}"
        done = self.server.shell(_CLEAR, self.path, held.mark, quiet, check=False)
        if done.ok or done.exit_code == _GONE:
            return done.ok
        raise DeployError(
            _NOT_CLEARED.get(done.exit_code, f"the lock {self.path} cannot be removed"),
            evidence=done.stderr,
            state="the lock is as it was",
            next_command="fab lock shows who has it now",
        )

    def release(self) -> None:
        """Give the lock back, if it is still ours; without a connection it is taken over later."""
        if not self.owner:
            return
        self._stop.set()
        if self._beating:
            self._beating.join(timeout=5)
        with interrupts.masked(), contextlib.suppress(DeployError):
            self.server.shell(_DROP, self.path, self.owner.token, check=False)
        self.owner = None

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            try:
                assert self.owner
                beat = self.server.shell(
                    _BEAT, self.path, self.owner.token, check=False, timeout=15
                )
                self._note(beat.exit_code)
            except Exception:
                continue  # the main thread meets the same trouble and explains it


def _content(owner: Owner) -> str:
    return json.dumps(asdict(owner), sort_keys=True)


def _parse(text: str) -> Owner | None:
    try:
        fields: Any = json.loads(text)
        return Owner(**fields)
    except (ValueError, TypeError):
        return None


def _age(owner: Owner | None, now: int) -> int | None:
    try:
        since = datetime.strptime(owner.since if owner else "", "%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, TypeError):
        return None
    return max(0, now - int(since.replace(tzinfo=timezone.utc).timestamp()))
