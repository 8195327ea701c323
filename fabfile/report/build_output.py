"""How far a build or a pull has come, read from what the engine prints. Nothing depends on it but
a bar on a terminal."""

from __future__ import annotations

import re

_LEGACY = re.compile(r"Step (\d+)/(\d+) : (.*)")
_LEGACY_END = re.compile(r"Successfully built ")
# BuildKit's plain lines; a stage that has no name is the only one: `#5 [2/6]`, `#7 [app  2/6]`.
_VERTEX = re.compile(r"#(\d+) \[(?:(.+?) +)?(\d+)/(\d+)\] (.*)")
_VERTEX_END = re.compile(r"#(\d+) (?:DONE|CACHED|ERROR|CANCELED)\b")
_EXPORT = re.compile(r"#\d+ (exporting .*)")
_LAYER = re.compile(r"([0-9a-f]{6,}): (Pulling fs layer|Already exists|Pull complete)")


class BuildProgress:
    """Steps of a build, or layers of a pull: `done` of `total`, and `what` is done now."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.what = ""
        self._totals: dict[str, int] = {}  # of each stage
        self._numbers: set[str] = set()  # BuildKit's of its steps, or the layers' names
        self._ended: set[str] = set()

    def take(self, line: str) -> bool:
        """Read one line; False where it says nothing of the progress."""
        if found := _LEGACY.match(line):
            self.done, self.total, self.what = int(found[1]) - 1, int(found[2]), found[3]
        elif _LEGACY_END.match(line):
            self.done = self.total
        elif found := _VERTEX.match(line):
            self._totals[found[2] or ""] = int(found[4])
            self._numbers.add(found[1])
            self.what = found[5]
            self.total = sum(self._totals.values())
        elif found := _VERTEX_END.match(line):
            self._end(found[1])
        elif found := _EXPORT.match(line):
            self.what = found[1]
        elif found := _LAYER.match(line):
            self._numbers.add(found[1])
            self.total, self.what = len(self._numbers), ""
            if found[2] != "Pulling fs layer":
                self._end(found[1])
        else:
            return False
        return True

    @property
    def words(self) -> str:
        """`step 3 of 9  RUN pip install`, `2 of 5 layers`; nothing as long as nothing is known."""
        if not self.total:
            return ""
        if not self.what:
            return f"{self.done} of {self.total} layers"
        return f"step {min(self.done + 1, self.total)} of {self.total}  {self.what}"

    def _end(self, number: str) -> None:
        if number in self._numbers:
            self._ended.add(number)
            self.done = len(self._ended)
