"""One folder of the server: whether it is there, whose it is, and whether it could be made."""

from __future__ import annotations

from dataclasses import dataclass

from .connection import Server

# $1 folder: the nearest part of its path that exists.
_READ = """
path=$1
while [ ! -e "$path" ]; do path=$(dirname -- "$path"); done
stat -L -c '%F|%U|%a' -- "$path"
[ -w "$path" ] && [ -x "$path" ] && echo yes || echo no
printf '%s' "$path"
"""


@dataclass(frozen=True)
class Folder:
    """A folder as the signed-in user finds it.

    :param nearest: the part of its path that is there: itself, or where it would be made.
    :param kind: of `nearest`, as stat says it: `directory`, `regular file`.
    :param owner: of `nearest`; `mode` is its permission bits, as `700`.
    :param writable: whether we may make things in `nearest`.
    """

    path: str
    nearest: str
    kind: str
    owner: str
    mode: str
    writable: bool

    @property
    def exists(self) -> bool:
        return self.nearest == self.path and self.kind == "directory"

    @property
    def usable(self) -> bool:
        """Whether we can write in it, or make it first."""
        return self.kind == "directory" and self.writable


def read_folder(server: Server, path: str) -> Folder:
    """Look at a folder in one round trip."""
    about, writable, nearest = server.shell(_READ, path).stdout.split("\n", 2)
    kind, owner, mode = about.split("|")
    return Folder(path, nearest, kind, owner, mode, writable == "yes")
