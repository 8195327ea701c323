"""The reports on the server, beside the ledger: `reports/` in the state folder."""

from __future__ import annotations

from collections.abc import Mapping

from ..report.files import KINDS, newest_first
from .connection import Server

PRIVATE = 0o600
_LIST = 'cd -- "$1" 2>/dev/null || exit 0; for f in *.json; do [ -e "$f" ] && echo "$f"; done; :'
# $1 folder, the rest: names. Each name, then its content, each ended by a NUL.
_ALL = """
cd -- "$1" || exit 1; shift
for name; do printf '%s\\0' "$name"; tr -d '\\000' < "$name.json"; printf '\\0'; done
"""


class ReportsThere:
    """The reports of one site on its server.

    :param state: the state folder.
    """

    def __init__(self, server: Server, state: str) -> None:
        self.server = server
        self.folder = f"{state}/reports"

    def path(self, name: str, kind: str) -> str:
        return f"{self.folder}/{name}.{kind}"

    def names(self) -> list[str]:
        """The reports that are there, newest first."""
        lines = self.server.shell(_LIST, self.folder).lines
        return newest_first(line.removesuffix(".json") for line in lines)

    def read(self, name: str) -> str | None:
        """A report's data; None where it is not there."""
        return self.server.read(self.path(name, "json"))

    def read_all(self, names: list[str]) -> dict[str, str]:
        """The data of several reports, in one round trip."""
        if not names:
            return {}
        parts = self.server.shell(_ALL, self.folder, *names).stdout.split("\0")
        return dict(zip(parts[::2], parts[1::2], strict=False))

    def write(self, name: str, files: Mapping[str, str]) -> None:
        """Write a report's files, each whole or not at all."""
        self.server.make_folders(self.folder, mode="0700")
        for kind, content in files.items():
            self.server.write(self.path(name, kind), content, PRIVATE)

    def prune(self, keep: int) -> None:
        """Remove all but the newest."""
        gone = [self.path(name, kind) for name in self.names()[keep:] for kind in KINDS]
        if gone:
            self.server.run(["rm", "-f", "--", *gone])
