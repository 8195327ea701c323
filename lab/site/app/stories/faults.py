"""Faults that a test switches on, one a line, in the file `faults` in the app's folder."""

from __future__ import annotations

import random
import time
from pathlib import Path

from .incoming import Request

FILE = Path(__file__).resolve().parent.parent / "faults"
_STARTED = time.monotonic()
# Faults of single paths, each a 500.
BROKEN_PATHS = {
    "login-broken": ("/login", "/api/auth/signin"),
    "home-broken": ("/",),
    "signin-broken": ("/api/auth/signin",),
    "roles-broken": ("/api/roles",),
}


def uptime() -> float:
    """Seconds since the app started."""
    return time.monotonic() - _STARTED


class Faults:
    """What the file says, read again at most once a second."""

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._checked = -1.0
        self._values: dict[str, float] = {}

    def value(self, name: str) -> float | None:
        """The number behind a fault (0 if it has none), or None where it is off."""
        now = time.monotonic()
        if now - self._checked > 1:
            self._checked = now
            self._values = self._read()
        return self._values.get(name)

    def _read(self) -> dict[str, float]:
        try:
            lines = self._path.read_text().splitlines()
        except OSError:
            return {}
        words = [line.split() for line in lines if line.strip()]
        return {word[0]: float(word[1]) if len(word) > 1 else 0.0 for word in words}

    def crashes_at_start(self) -> bool:
        """Whether the app is to end before it listens."""
        return self.value("crash-at-start") is not None

    def take_memory(self) -> bytes:
        """As many megabytes as it is to hold on to, for as long as the caller does."""
        return b"x" * int((self.value("memory") or 0) * 1_000_000)

    def database_is_away(self) -> bool:
        """Whether to behave as if no database could be reached."""
        return self.value("no-database") is not None

    def health(self) -> str | None:
        """Why the health check fails on purpose, or None."""
        if self.value("health-fails") is not None:
            return "broken on purpose: health-fails"
        late = self.value("health-late")
        if late is not None and uptime() < late:
            return f"still starting on purpose: {uptime():.0f} of {late:g} s"
        return self.expired()

    def page(self, request: Request) -> str | None:
        """Why this page answers 500 on purpose, or None; sleeps first if it is to be slow."""
        if (seconds := self.value("slow")) is not None:
            time.sleep(min(seconds, 30))
        if self.value("page-500") is not None:
            return "broken on purpose: page-500"
        # A deploy asks for the pages before any visitor does: these two are to come further.
        hidden = self.value("behind-nginx") is not None and not request.proxied
        for fault, paths in BROKEN_PATHS.items():
            if self.value(fault) is not None and request.path in paths and not hidden:
                return f"broken on purpose: {fault}"
        percent = self.value("fails-some")
        if percent is not None and request.proxied and random.random() * 100 < percent:
            return "broken on purpose: fails-some"
        return self.expired()

    def expired(self) -> str | None:
        """Why everything answers 500 from now on, or None."""
        limit = self.value("fails-after")
        if limit is not None and uptime() > limit:
            return f"broken on purpose: fails-after {limit:g}"
        return None
