"""What the visitors of a switch saw: counted, and when each release gave its last answer."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

KEPT = 10  # failures whose words are kept


@dataclass
class Tally:
    """Of visitors that share one thread.

    ``resent`` counts requests that met a connection which the server had closed or was closing,
    before any byte of an answer: every client sends those once more. Whatever else is no good
    answer is ``failed``. ``cut`` counts streams that ended without having been asked to.
    """

    answered: int = 0
    failed: int = 0
    resent: int = 0
    streams: int = 0
    cut: int = 0
    failed_at: list[float] = field(default_factory=list)  # seconds since the epoch
    failures: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0  # seconds until a good answer
    last: dict[str, float] = field(default_factory=dict)  # by release, seconds since the epoch
    silences: list[float] = field(default_factory=list)  # of streams that came again, in seconds

    def good(self, release: str, seconds: float) -> None:
        """Count a good answer, and how long it took."""
        self.answered += 1
        self.slowest = max(self.slowest, seconds)
        self.last[release] = time.time()

    def fail(self, words: str, requests: int = 1) -> None:
        """Count requests that failed."""
        self.failed += requests
        self.failed_at += [time.time()] * requests
        if words in self.failures or len(self.failures) < KEPT:
            self.failures[words] += requests

    def words(self) -> str:
        """The failures, the most frequent first; empty where there are none."""
        return "; ".join(f"{count} × {words}" for words, count in self.failures.most_common())
