"""What the scripts of a backup say when the engine could not start the program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fabfile.server import backups
from fabfile.server.connection import NOT_BEGUN

REFUSED = ("sh", "-c", f"echo '{NOT_BEGUN}: connection reset by peer'; exit 126")


def _run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = ["sh", "-c", script, "sh", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_a_dump_that_could_not_begin_says_so_and_leaves_no_file(tmp_path: Path) -> None:
    done = _run(backups._WRITE, str(tmp_path / "database.dump"), *REFUSED)
    assert (done.returncode, list(tmp_path.iterdir())) == (126, [])
    assert NOT_BEGUN in done.stderr


def test_a_reading_that_could_not_begin_says_so(tmp_path: Path) -> None:
    archive = tmp_path / "database.dump"
    archive.touch()
    done = _run(backups._READ_THROUGH, str(archive), str(tmp_path / "plain"), *REFUSED)
    assert done.returncode == 126
    assert NOT_BEGUN in done.stderr


@pytest.mark.parametrize(("command", "code"), [("echo whole", 0), ("echo half; exit 1", 1)])
def test_what_was_dumped_is_never_shown(tmp_path: Path, command: str, code: int) -> None:
    done = _run(backups._WRITE, str(tmp_path / "database.dump"), "sh", "-c", command)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert (tmp_path / "database.dump.partial").exists() == (code == 0)
