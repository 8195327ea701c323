"""The full log of a run: everything that was shown, folded or sent, with the time, in a file on
the operator's machine that only he may read."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from .masking import Mask

_OURS = re.compile(r"\d{8}-\d{6}-.+\.log")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_EARLY = 50  # lines kept until it is known that there is something to log


class RunLog:
    """A file that begins with the first command or step; a run that is refused before has none.

    :param folder: made if it is not there, with a .gitignore above it.
    :param name: of the run, for the file's name: `deploy`, `deploy-web1`.
    :param keep: so many logs stay in the folder, the newest.
    :param complain: told once, in words, when the file cannot be written; the run goes on.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        keep: int,
        mask: Mask,
        complain: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.path: Path | None = None  # once it is there
        self._name = re.sub(r"[^A-Za-z0-9_.@-]+", "-", name).strip("-.")[:80]
        self._keep = keep
        self._mask = mask
        self._complain = complain
        self._guard = threading.RLock()
        self._file: TextIO | None = None
        self._over = False
        self._early: deque[str] = deque(maxlen=_EARLY)

    def write(self, text: str, *, begins: bool = False) -> None:
        """Add lines, each with the time; secrets are masked.

        :param begins: there is something to log from now on: what was said before goes in too.
        """
        entry = _timed(_CONTROL.sub(_escaped, self._mask(text)))
        with self._guard:
            if self._over:
                return
            if self._file is None and not begins:
                self._early.append(entry)
                return
            try:
                if self._file is None:
                    self._file = self._open()
                    self._file.writelines(self._early)
                self._file.write(entry)
                self._file.flush()  # a run that is killed has its last line here
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """End it; what comes later is not written any more."""
        with self._guard:
            self._over = True
            if self._file:
                with contextlib.suppress(OSError):
                    self._file.close()

    def _open(self) -> TextIO:
        new = not self.folder.exists()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if new:
            self._hide_from_git()
        stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
        for again in range(1, 1000):
            suffix = f"-{again}" if again > 1 else ""
            path = self.folder / f"{stamp}-{self._name}{suffix}.log"
            with contextlib.suppress(FileExistsError):
                number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
                self.path = path
                self._prune()
                return os.fdopen(number, "w", encoding="utf-8", errors="replace")
        raise FileExistsError(f"{path} and all before it are there")

    def _hide_from_git(self) -> None:
        """The folder may lie in somebody's working copy."""
        parent = self.folder.parent
        if parent.name.startswith(".") and not (parent / ".gitignore").exists():
            (parent / ".gitignore").write_text("*\n")

    def _prune(self) -> None:
        logs = sorted(path for path in self.folder.iterdir() if _OURS.fullmatch(path.name))
        for path in logs[: -self._keep]:
            with contextlib.suppress(OSError):
                path.unlink()

    def _give_up(self, error: OSError) -> None:
        self._over, path = True, self.path
        self._complain(
            f"no full log of this run{' from here on' if path else ''}: "
            f"{path or self.folder}: {error.strerror or error}"
        )


def _timed(text: str) -> str:
    """Every line with its time; a line that goes on is set in."""
    now = datetime.now(timezone.utc).strftime("%H:%M:%S.%f")[:-3]
    return "".join(f"{now}  {line}\n" for line in text.split("\n"))


def _escaped(found: re.Match[str]) -> str:
    return "" if found[0] == "\r" else f"\\x{ord(found[0]):02x}"
