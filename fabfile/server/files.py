"""Files of this machine beside those of the server: which are the same, and sending the rest."""

from __future__ import annotations

import hashlib
import io
import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from .connection import Server

LEFT_OUT = {".git"}
PRIVATE = 0o600
# $1 folder; relative names on standard input, ended by NUL. A file that may not be read is no
# missing one.
_SUMS = """
cd -- "$1" 2>/dev/null || exit 0
xargs -0 sh -c '
for name; do
  [ -e "$name" ] || [ -L "$name" ] || continue
  sum=$(sha256sum < "$name" 2>/dev/null) || sum=unreadable
  printf "%s %s\\0" "${sum%% *}" "$name"
done' sh
"""


@dataclass(frozen=True)
class Comparison:
    """Relative names of a folder's files: not on the server, or there with other content."""

    missing: tuple[str, ...]
    different: tuple[str, ...]


def compare(server: Server, folder: Path, there: str) -> Comparison:
    """Compare every file below a folder of this machine with the same name on the server.

    :param there: the server's folder; it need not exist.
    """
    here = {name: _sum(folder / name) for name in _names(folder)}
    listing = io.BytesIO("\0".join(here).encode())
    answer = server.feed(["sh", "-c", _SUMS, "sh", there], listing).stdout
    found = {}
    for line in filter(None, answer.split("\0")):
        digest, _, name = line.partition(" ")
        found[name] = digest
    return Comparison(
        missing=tuple(name for name in here if name not in found),
        different=tuple(name for name in here if name in found and found[name] != here[name]),
    )


def send(
    server: Server, folder: Path, there: str, names: Sequence[str], private: Collection[str]
) -> None:
    """Send files in this order, each whole or not at all, with the rights that they have here.

    :param private: names whose files only their owner may read, whatever their rights here.
    """
    parents = {posixpath.dirname(f"{there}/{name}") for name in names}
    if parents:
        server.make_folders(*sorted(parents))
    for name in names:
        path = folder / name
        mode = PRIVATE if name in private else path.stat().st_mode & 0o777
        server.write(f"{there}/{name}", path.read_bytes(), mode)


def _names(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [path.as_posix() for path in paths if not LEFT_OUT & set(path.parts)]


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
