"""A canary's figures against those of the live release: is it as good, or worse beyond chance?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..report.words import milliseconds
from ..settings import Limits
from .canary_log import Met
from .timing import judge

# One chance in twenty that a release is called worse than it is.
CONFIDENCE = 1.645


@dataclass(frozen=True)
class Finding:
    """How the new release compares.

    :param word: `failing` is sure, `erring` may still be chance.
    :param reason: one line with the numbers.
    """

    word: Literal["good", "failing", "erring", "slow", "too few"]
    reason: str


def compare(new: Met, live: Met, limits: Limits, enough: int) -> Finding:
    """Judge the new release by what visitors met in the same time.

    :param enough: requests to the new release that say enough to go on.
    """
    acceptable = max(limits.error_percent, live.percent)
    failed = (
        f"{new.failed} of {new.requests} requests to the new release failed "
        f"({new.percent:.1f} %); to the live one {live.failed} of {live.requests}; acceptable: "
        f"{acceptable:.3g} %"
    )
    if new.requests >= limits.minimum_samples and at_least(new) > acceptable:
        return Finding("failing", failed)
    if new.percent > acceptable:
        return Finding("erring", failed)
    if new.requests < enough:
        return Finding("too few", f"{new.requests} requests to the new release, {enough} wanted")
    times = (
        f"p95 {milliseconds(new.timing.p95)}, {milliseconds(live.timing.p95)} on the live one; "
        f"acceptable: {limits.slower_than_baseline:g} times that, and under "
        f"{limits.response_seconds:g} s"
    )
    slow = judge(live.timing, new.timing, limits).word == "slow"
    return Finding("slow" if slow else "good", times)


def at_least(met: Met) -> float:
    """The percentage that fails at the least, by Wilson's bound: few requests prove little."""
    n, share, z = met.requests, met.failed / met.requests, CONFIDENCE
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return 100 * max(0.0, (share + z * z / (2 * n) - spread) / (1 + z * z / n))


def figures(name: str, met: Met) -> str:
    """`new 20260101-000000: 233 requests, 0 failed, p95 12 ms`."""
    timing = met.timing
    p95 = f", p95 {milliseconds(timing.p95)}" if timing.samples else ""
    return f"{name}: {met.requests:,} requests, {met.failed:,} failed{p95}"
