"""What the lab makes on this machine."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from lab.certificates import authority


def serials(state: Path) -> tuple[int, int]:
    root, intermediate = authority(state)
    return root.certificate.serial_number, intermediate.certificate.serial_number


def test_the_authority_is_one_whoever_asks_first(tmp_path: Path) -> None:
    """On a new machine all of pytest's workers do so at once."""
    with ProcessPoolExecutor(6, get_context("spawn")) as processes:
        found = set(processes.map(serials, [tmp_path / "state"] * 6))
    assert len(found) == 1
