"""The archive of a commit, and the programs of the operator's machine that are asked for it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DeployError


@dataclass(frozen=True)
class Archive:
    """A commit that was packed; of one folder, which may be a part of a working copy.

    :param path: the file on this machine, which only its owner may read.
    :param folder: what was packed, as `whole` writes it.
    :param commit: all of its digits.
    """

    path: str
    folder: str
    commit: str

    def holds(self, folder: str | Path, commit: str) -> bool:
        """Whether it is this commit of this folder, and still there."""
        return (self.folder, self.commit) == (whole(folder), commit) and Path(self.path).is_file()


def pack(folder: str | Path, commit: str, path: Path) -> Archive:
    """Pack a commit into a new file.

    :param path: whole, as git is started in the folder.
    :raises DeployError: git is missing, or refuses.
    """
    path.touch(mode=0o600, exist_ok=False)
    local(["git", "archive", "--format=tar.gz", f"--output={path}", commit], cwd=Path(folder))
    return Archive(str(path), whole(folder), commit)


def whole(folder: str | Path) -> str:
    """A folder's one name, however the settings write it."""
    return str(Path(folder).resolve())


def local(argv: Sequence[str], cwd: Path | None = None) -> str:
    """Run a command on the operator's machine and return what it printed.

    :raises DeployError: it is missing or failed.
    """
    try:
        done = subprocess.run(
            list(argv), cwd=cwd, capture_output=True, text=True, timeout=120, check=False
        )
    except FileNotFoundError:
        raise DeployError(f"on this machine: {argv[0]} is not installed") from None
    if done.returncode != 0:
        raise DeployError(
            f"on this machine, exit code {done.returncode}: {shlex.join(argv)}",
            evidence=done.stderr or done.stdout,
        )
    return done.stdout.strip()
