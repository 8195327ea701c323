"""Which runs count as cut off, by what stands in the ledger; and whose process has ended."""

from __future__ import annotations

import os
import subprocess

from fabfile.server import process
from fabfile.server.ledger import CutOff, Entry, cut_off_in


def ledger(*events: str) -> list[Entry]:
    """`deploy A started`, `deploy A switching`, `assess B reads`, `deploy A ended failed`."""
    entries = []
    for text in events:
        task, run, event, *outcome = text.split(maxsplit=3)
        detail: dict[str, object] = {"run": run} if event in ("started", "ended", "settled") else {}
        if event == "reads":
            event, detail = "started", {"run": run, "changes": False}
        elif event == "started":
            detail["changes"] = True
        if outcome:
            detail["outcome"] = outcome[0]
        entries.append(Entry(event, task, f"release-{run}", "now", "ann", "desk", detail))
    return entries


def found(*events: str) -> CutOff:
    cut_off = cut_off_in(ledger(*events))
    assert cut_off is not None
    return cut_off


def test_a_run_that_ended_is_none() -> None:
    assert cut_off_in([]) is None
    assert cut_off_in(ledger("deploy A started", "deploy A ended done")) is None
    assert cut_off_in(ledger("deploy A started", "deploy A ended taken back")) is None


def test_one_without_an_end_is_and_what_only_reads_changes_nothing_of_it() -> None:
    dead = found("deploy A started", "deploy A switching", "assess B reads", "assess B ended done")
    assert (dead.task, dead.release, dead.runs) == ("deploy", "release-A", ("A",))
    assert dead.last("switching") is not None
    assert dead.last("swapped") is None
    assert cut_off_in(ledger("assess B reads")) is None


def test_it_stays_open_until_it_is_settled_whatever_fails_on_the_way() -> None:
    open_still = ("deploy A started", "rollback B started", "rollback B ended failed")
    assert found(*open_still).runs == ("A",)
    assert cut_off_in(ledger(*open_still, "rollback C settled", "rollback A settled")) is None


def test_who_takes_it_up_and_dies_has_its_marks() -> None:
    dead = found("rollback A started", "rollback A swapped", "rollback B started")
    assert dead.runs == ("A", "B")
    assert dead.release == "release-B"
    assert dead.releases == {"release-A", "release-B"}
    assert dead.last("swapped") is not None


def test_a_run_that_needs_a_person_is_open() -> None:
    assert found("deploy A started", "deploy A ended needs a person").runs == ("A",)


def test_a_process_is_gone_once_it_has_ended_and_never_by_a_guess() -> None:
    running = subprocess.Popen(["sleep", "60"])
    marked = process.mark(running.pid)
    assert marked
    assert not process.is_gone(running.pid, marked)
    running.kill()
    running.wait()
    assert process.is_gone(running.pid, marked)
    # The number belongs to somebody else by now.
    assert process.is_gone(os.getpid(), marked)
    # Another machine, another container, a lock without a mark: nobody here can know.
    assert not process.is_gone(running.pid, "another-boot pid:[1] 5")
    assert not process.is_gone(running.pid, "")
