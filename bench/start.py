"""`fab --list` and `invoke --list` against an empty fabfile: what importing the tool costs."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .frame import Asked, BenchError, say
from .measure import Goal, Sample, Section, Verdict, ratio, seconds
from .tool import PROGRAMS, ROOT, users_environment

TIMES = 15
LIMIT = 1.3
# With nothing in it the programs would refuse to list anything.
EMPTY = "from invoke import task\n\n\n@task\ndef nothing(context):\n    pass\n"
PROGRAM_FILES = {"fab": "fabfile.py", "invoke": "tasks.py"}


def measure(asked: Asked) -> Section:
    """Start both programs here and in a folder with an empty fabfile, in turns."""
    times, rows, verdicts = asked.often(TIMES), [], []
    for program, file in PROGRAM_FILES.items():
        ours, empty = _in_turns(program, file, times)
        found = Sample.ratios(ours, empty)
        rows.append([f"`{program} --list`", seconds(ours), seconds(empty), ratio(found)])
        verdicts.append(Verdict(Goal(f"`{program} --list` against an empty fabfile", LIMIT), found))
        say(f"{program} --list: {ratio(found)}")
    return Section(
        title="The start of the programs",
        text="From the start of the process to its end, against the same program with a fabfile "
        "that holds one empty task. One start of each, not measured, comes before.",
        head=("", "ours", "empty", "ratio"),
        rows=rows,
        verdicts=verdicts,
        times=times,
    )


def _in_turns(program: str, file: str, times: int) -> tuple[list[float], list[float]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder, file).write_text(EMPTY)
        argv, ours, empty = [str(PROGRAMS / program), "--list"], list[float](), list[float]()
        for number in range(times + 1):
            one, other = _timed(argv, ROOT), _timed(argv, Path(folder))
            if number:  # the first start reads the disk, and writes the byte code
                ours.append(one)
                empty.append(other)
        return ours, empty


def _timed(argv: Sequence[str], folder: Path) -> float:
    began = time.monotonic()
    done = subprocess.run(
        argv,
        cwd=folder,
        env=users_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    took = time.monotonic() - began
    if done.returncode:
        raise BenchError(f"{argv[0]} --list in {folder}: {done.stderr or done.stdout}")
    return took
