"""The tool under measurement, as a process of its own; and bare commands in one shell beside it."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import keys
from lab import server as lab
from lab.places import PROJECT_FOLDER, Server

from .frame import BenchError
from .run_log import RunLog, read

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
STATE_FOLDER = f"{PROJECT_FOLDER}-deploy"
KEPT_FOLDER = "/home/ubuntu/bench"  # on the server; `lab.reset` leaves it alone
MOST_SECONDS = 1_800.0
# Whatever else this machine does: a release must not be called slow, and taken back, for it.
PATIENT = {"DEPLOY_LIMITS__SLOWER_THAN_BASELINE": "100", "DEPLOY_LIMITS__RESPONSE_SECONDS": "9"}
NO_WATCH = "--set=deploy.watch_seconds=0"
# Where it is set, each start translates all modules anew, which nobody's own machine does.
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Run:
    """One command that ended well.

    :param seconds: from its start to its end, Python's own start included.
    :param began: when, in seconds since the epoch.
    :param peak: the most memory that the process had, in bytes.
    :param processor: seconds of a processor that it took, with the processes it waited for.
    """

    seconds: float
    began: float
    peak: int
    processor: float
    output: str
    log: RunLog


def fab(
    *arguments: str,
    hosts: str = "",
    environment: Mapping[str, str] | None = None,
    limit: float = MOST_SECONDS,
) -> Run:
    """Run `fab` on the lab.

    :param hosts: as `-H` takes it; empty: the lab's server.
    :param environment: over this process's own.
    :param limit: seconds after which it is ended.
    :raises BenchError: its exit code was not 0.
    """
    argv = [str(PROGRAMS / "fab"), "-f", "lab/settings.yaml", "-H", hosts or Server().host]
    # For several servers, each has the address of its own from the settings file.
    where = {} if hosts else Server().environment
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        logs, reports = f"{folder}/logs", f"{folder}/reports"
        ours = {"DEPLOY_LOG__FOLDER": logs, "DEPLOY_REPORT__FOLDER": reports}
        there = {**users_environment(), **where, **PATIENT, **ours, **(environment or {})}
        seconds, began, used, output = _process([*argv, *arguments], there, limit)
        kept = sorted(Path(logs).glob("*.log"))
        return Run(
            seconds,
            began,
            used.ru_maxrss * 1024,
            used.ru_utime + used.ru_stime,
            output,
            read(kept[-1].read_text() if kept else ""),
        )


def users_environment() -> dict[str, str]:
    """This process's own, but Python keeps what it has translated, as it does by itself."""
    return {name: value for name, value in os.environ.items() if name != NO_BYTECODE}


def _process(
    argv: Sequence[str], environment: Mapping[str, str], limit: float
) -> tuple[float, float, resource.struct_rusage, str]:
    with tempfile.TemporaryFile() as said:
        began, clock = time.time(), time.monotonic()
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        end = threading.Timer(limit, process.terminate)
        end.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            end.cancel()
        seconds = time.monotonic() - clock
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read().decode(errors="replace")
    if process.returncode:
        tail = "\n".join(output.splitlines()[-25:])
        raise BenchError(f"{Path(argv[0]).name} {argv[-1]}: exit {process.returncode}\n{tail}")
    return seconds, began, used, output


# -- bare commands -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Bare:
    """A script that ran in one shell on the server.

    :param seconds: in all, the sign-in included.
    :param parts: seconds of each part, by the name that `part NAME` gave it.
    """

    seconds: float
    parts: Mapping[str, float]


# `part NAME` at the end of each part of a script says when that was.
_PARTS = """
set -eu
part() { printf 'part %s %s\\n' "$(date +%s.%N)" "$1"; }
part begin
"""


def bare(script: str, *, limit: float = MOST_SECONDS) -> Bare:
    """Run a script in one shell on the server, over one ssh process.

    :param script: of bash; it ends each of its parts with `part NAME`.
    :raises BenchError: it failed.
    """
    # Not on standard input: the first `docker exec -i` would take the rest of it for its own.
    command = keys.ssh_command(Server(), shlex.join(["bash", "-c", _PARTS + script]))
    clock = time.monotonic()
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"the bare commands had no end after {limit:g} s") from None
    seconds = time.monotonic() - clock
    if done.returncode:
        raise BenchError(f"the bare commands: exit {done.returncode}\n{done.stderr[-2000:]}")
    return Bare(seconds, parts_of(done.stdout))


def parts_of(output: str) -> dict[str, float]:
    """Seconds of each part, from the lines that `part` printed; one that comes twice is summed."""
    found: dict[str, float] = {}
    before = 0.0
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        moment, _, name = rest.partition(" ")
        if word != "part":
            continue
        if before:
            found[name] = found.get(name, 0.0) + float(moment) - before
        before = float(moment)
    return found


# -- the lab -----------------------------------------------------------------------------------


def production() -> None:
    """Plain production on the lab's server, which is started if it does not run."""
    lab.up()
    lab.reset()


def deployed(*, fresh: bool = True) -> Run:
    """Deploy to the lab's server.

    :param fresh: from plain production.
    """
    if fresh:
        production()
    return fab("deploy", NO_WATCH)
