"""The scripts on nginx's files, run by this machine's own shell."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from fabfile.commands import docker, nginx_files

# Of `docker`, what the scripts need: the container's files are this machine's.
DOCKER = """#!/bin/sh
case $1 in
  cp) cp "$2" "${3#*:}" ;;
  exec) shift 2; "$@" ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a docker, and an nginx that says yes."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in {"docker": DOCKER, "nginx": "#!/bin/sh\necho tested\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def run(argv: Sequence[str], programs: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = f"{programs}:{os.environ['PATH']}" if programs else os.environ["PATH"]
    return subprocess.run(
        argv, env={"PATH": path}, capture_output=True, text=True, timeout=20, check=False
    )


def test_one_copy_is_kept_whatever_there_was(tmp_path: Path) -> None:
    config = tmp_path / "nginx conf"
    config.write_text("old\n")
    for stamp in ("1", "2"):
        (tmp_path / f"nginx conf.backup-{stamp}").write_text("older\n")
    copy = tmp_path / "nginx conf.backup-3"
    assert run(nginx_files.keep(str(config), str(copy))).returncode == 0
    assert {one.name for one in tmp_path.iterdir()} == {config.name, copy.name}
    assert copy.read_text() == config.read_text() == "old\n"


def test_where_no_copy_can_be_made_the_one_before_stays(tmp_path: Path) -> None:
    config, older = tmp_path / "nginx.conf", tmp_path / "nginx.conf.backup-1"
    older.write_text("older\n")
    assert run(nginx_files.keep(str(config), str(tmp_path / "nginx.conf.backup-2"))).returncode
    assert older.exists()


def test_a_file_is_written_in_place(tmp_path: Path) -> None:
    config, candidate = tmp_path / "nginx.conf", tmp_path / "candidate.conf"
    config.write_text("old and longer\n")
    candidate.write_text("new\n")
    inode = config.stat().st_ino
    assert run(nginx_files.write_in_place(str(config), str(candidate))).returncode == 0
    assert (config.read_text(), config.stat().st_ino) == ("new\n", inode)


@pytest.mark.parametrize(("last", "code"), [("as written", 0), ("another", nginx_files.UNSEEN)])
def test_nginx_tests_what_it_sees_only_if_it_is_what_was_written(
    last: str, code: int, tmp_path: Path, programs: Path
) -> None:
    sums = {}
    for name, text in {"block": "as written", "site": last}.items():
        (tmp_path / name).write_text(text)
        sums[str(tmp_path / name)] = hashlib.sha256(b"as written").hexdigest()
    done = run(nginx_files.seen_and_tested(sums), programs)
    assert done.returncode == code, done.stderr
    assert ("tested" in done.stdout) == (code == 0)


def test_a_file_that_nginx_cannot_see_at_all_is_no_other_file(programs: Path) -> None:
    done = run(nginx_files.seen_and_tested({"/nowhere": "0" * 64}), programs)
    assert done.returncode not in (0, nginx_files.UNSEEN)


@pytest.mark.parametrize("code", [0, 3])
def test_a_file_is_inside_only_while_the_command_runs(
    code: int, tmp_path: Path, programs: Path
) -> None:
    file, inside = tmp_path / "candidate.conf", tmp_path / "inside it"
    file.write_text("new")
    test = ["sh", "-c", f'cat "$1"; exit {code}', "sh", str(inside)]
    done = run(docker.execute_with(str(file), "nginx", str(inside), test), programs)
    assert (done.returncode, done.stdout) == (code, "new")
    assert not inside.exists()
