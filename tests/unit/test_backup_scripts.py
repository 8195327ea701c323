"""The script of a dump: what is left behind, and what is said, however its two programs end."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from fabfile.server import dump
from fabfile.server.connection import NOT_BEGUN

REFUSED = ("sh", "-c", f"echo '{NOT_BEGUN}: connection reset by peer'; exit 126")
SLOW = ("sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.2; done")
ALL = "sh -c 'cat > /dev/null'"


def _dump(
    folder: Path, reader: str, writer: Sequence[str], plain: str = ""
) -> subprocess.CompletedProcess[str]:
    archive, out = str(folder / "database.dump"), plain and str(folder / plain)
    argv = ["sh", "-c", dump._DUMP, "sh", archive, out, reader, *writer]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_slowly_is_read_whole_and_only_then_has_its_name(tmp_path: Path) -> None:
    done = _dump(tmp_path, "cat", SLOW, plain="plain")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert _left(tmp_path) == ["database.dump", "plain"]
    assert (
        (tmp_path / "database.dump").read_text() == (tmp_path / "plain").read_text() == "1\n2\n3\n"
    )
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_much_is_read_to_its_last_byte(tmp_path: Path) -> None:
    done = _dump(tmp_path, "cksum", ["head", "-c", "30000000", "/dev/zero"], plain="sum")
    archive = (tmp_path / "database.dump").read_bytes()
    expected = subprocess.run(["cksum"], input=archive, capture_output=True, check=True).stdout
    assert done.returncode == 0 and len(archive) == 30_000_000
    assert (tmp_path / "sum").read_bytes() == expected


def test_what_a_run_before_has_left_is_no_part_of_it(tmp_path: Path) -> None:
    for name in ("database.dump.partial", "database.dump.said", "plain"):
        (tmp_path / name).write_text("old\n")
    assert _dump(tmp_path, "cat", ["echo", "new"], plain="plain").returncode == 0
    assert (tmp_path / "database.dump").read_text() == (tmp_path / "plain").read_text() == "new\n"
    assert _left(tmp_path) == ["database.dump", "plain"]


def test_a_dump_that_could_not_begin_says_so_and_leaves_no_file(tmp_path: Path) -> None:
    done = _dump(tmp_path, ALL, REFUSED)
    assert (done.returncode, _left(tmp_path)) == (126, [])
    assert NOT_BEGUN in done.stderr


@pytest.mark.parametrize("plain", ["", "plain"])
def test_a_reading_that_could_not_begin_says_so(tmp_path: Path, plain: str) -> None:
    done = _dump(tmp_path, shlex.join(REFUSED), SLOW, plain=plain)
    assert done.returncode == 126
    assert NOT_BEGUN in done.stderr
    assert not (tmp_path / "database.dump").exists()


@pytest.mark.parametrize(
    ("reader", "said"),
    [("sh -c 'cat >&2; echo cut short >&2; exit 1'", "1\n2\n3\ncut short\n"), ("exit 1", "")],
    ids=["at the end", "at once"],
)
def test_what_cannot_be_read_is_no_dump(tmp_path: Path, reader: str, said: str) -> None:
    done = _dump(tmp_path, reader, SLOW)
    assert (done.returncode, done.stdout) == (1, "the dump cannot be read to its end\n")
    assert (done.stderr, _left(tmp_path)) == (said, [])


@pytest.mark.parametrize(("command", "code"), [("echo whole", 0), ("echo half; exit 3", 3)])
def test_what_was_dumped_is_never_shown(tmp_path: Path, command: str, code: int) -> None:
    done = _dump(tmp_path, ALL, ["sh", "-c", command])
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == ("pg_dump failed\n" if code else "")
    assert (tmp_path / "database.dump").exists() == (code == 0)
    assert not (tmp_path / "database.dump.partial").exists()


def test_a_failed_dump_is_told_and_not_that_what_there_is_cannot_be_read(tmp_path: Path) -> None:
    writer = ["sh", "-c", "echo half; echo no such snapshot >&2; exit 1"]
    done = _dump(tmp_path, "sh -c 'echo cut short >&2; exit 1'", writer)
    assert (done.returncode, done.stdout) == (1, "pg_dump failed\n")
    assert (done.stderr, _left(tmp_path)) == ("no such snapshot\n", [])
