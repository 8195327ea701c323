"""How long an application rollback takes: from the command to the last answer by the bad release.

`python -m bench.rollback` deploys to the lab, rolls back, and writes the medians to
bench/RESULTS.md. Warm: the former release's container is there, stopped. Cold: it is gone, and is
made again from its image and its kept settings. The floor is the container's own way from its
start to `healthy`, as the engine's clock has it, in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lab import server as lab
from lab.places import Server
from lab.website import fetch

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench/RESULTS.md"
FAB = Path(sys.executable).with_name("fab")
VISITORS = 4


@dataclass(frozen=True)
class Measured:
    """One rollback, in seconds.

    :param last_bad: from the command to the last answer by the release that was left.
    :param floor: the former container's own way from its start to `healthy`.
    :param answered: requests while it ran, of which `failed` got no good answer.
    """

    last_bad: float
    whole: float
    floor: float
    answered: int
    failed: int


class Watch:
    """Visitors who note which release answered them, and when."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str]] = []
        self.failed = 0
        self._guard = threading.Lock()
        self._enough = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask on loopback for as long as the block takes."""
        threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(VISITORS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._enough.set()
            for thread in threads:
                thread.join()

    def last_by(self, release: str) -> float:
        """When the last answer by a release came."""
        return max(moment for moment, name in self.seen if name == release)

    def _visit(self) -> None:
        while not self._enough.wait(0.02):
            try:
                status, release, _ = fetch(Server(), "/")
            except OSError:
                status, release = 0, ""
            with self._guard:
                self.seen.append((time.monotonic(), release))
                self.failed += status != 200


def main() -> int:
    """Measure, print, and write bench/RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="rollbacks of each kind")
    options = parser.parse_args()
    lab.up()
    lab.reset()
    _fab("deploy", "--set=deploy.watch_seconds=0")
    kinds: dict[str, list[Measured]] = {"warm": [], "cold": []}
    for number in range(options.times):
        for kind, found in kinds.items():
            _fab("deploy", "--set=deploy.watch_seconds=0")
            found.append(_measure(cold=kind == "cold"))
            print(f"{kind} {number + 1}: {found[-1]}", flush=True)
    text = _report(kinds)
    RESULTS.write_text(text)
    print(text)
    return 0


def _measure(*, cold: bool) -> Measured:
    if cold:
        lab.run("docker rm $(docker ps -aq --filter name=1001-stories-app --filter status=exited)")
    bad = fetch(Server(), "/")[1]
    watch = Watch()
    with watch.running():
        time.sleep(0.5)
        began = time.monotonic()
        _fab("rollback")
        ended = time.monotonic()
        time.sleep(0.3)
    return Measured(
        last_bad=watch.last_by(bad) - began,
        whole=ended - began,
        floor=_start_to_healthy(),
        answered=len(watch.seen),
        failed=watch.failed,
    )


def _start_to_healthy() -> float:
    """Of the app container that runs: from its start to its first good health check."""
    names = lab.run("docker ps --filter name=1001-stories-app --format '{{.Names}}'").stdout
    state = json.loads(lab.run(["docker", "inspect", names.split()[0]]).stdout)[0]["State"]
    started = _moment(state["StartedAt"])
    # The engine keeps the checks of an earlier run of the same container.
    good = (_moment(c["End"]) for c in state["Health"]["Log"] if c["ExitCode"] == 0)
    return (next(end for end in good if end > started) - started).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26].rstrip("Z").replace("T", " ")[:26])


def _fab(*arguments: str) -> None:
    argv = [str(FAB), "-f", "lab/settings.yaml", "-H", Server().host, *arguments]
    there = {**os.environ, **Server().environment}
    done = subprocess.run(argv, cwd=ROOT, env=there, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"fab {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")


def _report(kinds: dict[str, list[Measured]]) -> str:
    rows = [
        f"| {kind} | {_median(found, 'last_bad'):.1f} s | {_median(found, 'floor'):.1f} s | "
        f"{_median(found, 'last_bad') / _median(found, 'floor'):.1f} | "
        f"{_median(found, 'whole'):.1f} s | {sum(m.answered for m in found):,} | "
        f"{sum(m.failed for m in found)} |"
        for kind, found in kinds.items()
    ]
    times = len(next(iter(kinds.values())))
    return "\n".join(
        [
            "# Measured",
            "",
            f"By `make bench`, on {os.cpu_count()} processors, {platform.system()} "
            f"{platform.release()}, against the lab. Medians of {times}; timing is noisy, so only "
            "the ratios are worth quoting.",
            "",
            "## Application rollback",
            "",
            "From the command (with the start of Python and the sign-in) to the last answer by the "
            "release that was left; the floor is the former container's own way from its start to "
            "`healthy`.",
            "",
            "| | last bad answer | floor | ratio | whole command | requests | failed |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _median(found: list[Measured], name: str) -> float:
    return float(statistics.median(getattr(one, name) for one in found))


if __name__ == "__main__":
    sys.exit(main())
