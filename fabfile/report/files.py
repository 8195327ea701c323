"""A report's files: their names, and the folder on this machine that holds those of one server."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..documents.report import RunReport
from .page import page
from .text import text

KINDS = ("json", "html", "txt")
NAME = re.compile(r"(\d{8}-\d{6})(?:-(\d+))?")


def rendered(report: RunReport) -> dict[str, str]:
    """The content of each of a report's files, by its kind."""
    data = report.model_dump_json(indent=1) + "\n"
    return {"json": data, "html": page(report), "txt": text(report)}


def unused(stamp: str, taken: Iterable[str]) -> str:
    """The stamp, or, where a report has it already, with a number behind it."""
    there, number = set(taken), 2
    if stamp not in there:
        return stamp
    while f"{stamp}-{number}" in there:
        number += 1
    return f"{stamp}-{number}"


def newest_first(names: Iterable[str]) -> list[str]:
    """Reports by when their runs began; of one stamp the last first. Other names are left out."""
    found = [match for name in names if (match := NAME.fullmatch(name))]
    found.sort(key=lambda match: (match[1], int(match[2] or 1)), reverse=True)
    return [match[0] for match in found]


class ReportsHere:
    """The reports of one server on this machine, readable by their owner only.

    :param folder: setting `report.folder`.
    :param server: the server's name, as `user@host:port`.
    """

    def __init__(self, folder: str, server: str) -> None:
        part = re.sub(r"[^\w.@-]", "-", server)
        self.folder = Path(folder).expanduser() / part

    def path(self, name: str, kind: str) -> Path:
        return self.folder / f"{name}.{kind}"

    def names(self) -> list[str]:
        """The reports that are here, newest first."""
        return newest_first(path.stem for path in self.folder.glob("*.json"))

    def read(self, name: str) -> str | None:
        """A report's data; None where it is not here."""
        try:
            return self.path(name, "json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write(self, name: str, files: Mapping[str, str]) -> None:
        """Write a report's files, each whole or not at all.

        :raises OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for kind, content in files.items():
            handle, beside = tempfile.mkstemp(dir=self.folder, prefix=f".{name}.")  # 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
                    file.write(content)
                Path(beside).replace(self.path(name, kind))
            except BaseException:
                Path(beside).unlink()
                raise

    def prune(self, keep: int) -> None:
        """Remove all but the newest."""
        for name in self.names()[keep:]:
            for kind in KINDS:
                self.path(name, kind).unlink(missing_ok=True)
