"""Response times: measured, summed up in three numbers, and judged against the baseline."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .. import interrupts
from ..report.words import milliseconds
from ..settings import Limits
from .http import Visitor

# Less than this is not felt by a visitor: 2 ms that become 5 ms are three times as much and
# still no degradation, only a busy processor.
NOTICEABLE = 0.05  # seconds
MEASUREMENTS = 3  # a busy moment is no degradation
BAD_IN_A_ROW = 5  # failed answers after which there is nothing to measure
MEASURE_SECONDS = 60.0  # seconds for all samples; a site that is down must not hold a phase up
LIMITER_PAUSE = 0.5  # seconds to wait where a rate limit turned a sample away


@dataclass(frozen=True)
class Timing:
    """What a number of answers took, in seconds."""

    samples: int
    p50: float
    p95: float
    maximum: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Sum up single times, in any order."""
        if not seconds:
            return cls(0, 0.0, 0.0, 0.0)
        ordered = sorted(seconds)
        return cls(len(ordered), percentile(ordered, 50), percentile(ordered, 95), ordered[-1])

    def to_json(self) -> dict[str, Any]:
        """For the ledger and the report."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Timing:
        """What `to_json` gave; fields of another version are left out."""
        return cls(
            int(values["samples"]),
            float(values["p50"]),
            float(values["p95"]),
            float(values["maximum"]),
        )

    def __str__(self) -> str:
        if not self.samples:
            return "no samples"
        return (
            f"p50 {milliseconds(self.p50)}, p95 {milliseconds(self.p95)}, "
            f"at most {milliseconds(self.maximum)} ({self.samples} samples)"
        )


@dataclass(frozen=True)
class Verdict:
    """How a timing is judged; no data is a verdict of its own.

    :param reason: one line with the numbers.
    """

    word: Literal["good", "slow", "too few samples"]
    reason: str


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of values that are sorted already."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def measure(visitor: Visitor, paths: Sequence[str], samples: int) -> Timing:
    """Ask the paths in turn over one kept-alive connection, and time the good answers.

    :param samples: good answers wanted in all. One answer a path comes before them and is not
        counted: it opens the connection, and a new release's first answer warms it up.
    :returns: the timing; with fewer samples where answers failed or were turned away.
    :raises Interrupted: a signal came.
    """
    end = time.monotonic() + MEASURE_SECONDS
    for path in paths:
        visitor.ask(path, new_connection=False)
    seconds: list[float] = []
    bad = 0
    # As many attempts again for answers that a rate limit turns away; then it is what it is.
    for attempt in range(2 * samples):
        interrupts.check()
        if len(seconds) == samples or bad == BAD_IN_A_ROW or time.monotonic() > end:
            break
        answer = visitor.ask(paths[attempt % len(paths)], new_connection=False)
        if answer.limited:
            interrupts.pause(LIMITER_PAUSE)
            continue
        bad = 0 if answer.ok else bad + 1
        if answer.ok:
            seconds.append(answer.seconds)
    return Timing.of(seconds)


def measure_patiently(
    visitor: Visitor, paths: Sequence[str], baseline: Timing | None, limits: Limits
) -> tuple[Timing, Verdict]:
    """Measure and judge; what is slow is measured again, and is slow only if it is each time.

    :returns: the last measurement and its verdict.
    :raises Interrupted: a signal came.
    """
    for _ in range(MEASUREMENTS):
        timing = measure(visitor, paths, max(limits.minimum_samples, 20))
        verdict = judge(baseline, timing, limits)
        if verdict.word != "slow":
            break
    return timing, verdict


def judge(baseline: Timing | None, now: Timing, limits: Limits) -> Verdict:
    """Whether the site is as fast as it has to be.

    :param baseline: measured before the deploy; None or too few samples: only the limit counts.
    """
    least = limits.minimum_samples
    if now.samples < least:
        return Verdict("too few samples", f"{now.samples} good answers, {least} are needed")
    if now.p95 > limits.response_seconds:
        return Verdict(
            "slow", f"p95 {milliseconds(now.p95)}, the limit is {limits.response_seconds:g} s"
        )
    if baseline is None or baseline.samples < least:
        return Verdict("good", f"p95 {milliseconds(now.p95)}; no baseline to compare with")
    times = f"p95 {milliseconds(now.p95)}, {milliseconds(baseline.p95)} before"
    limit = limits.slower_than_baseline
    if now.p95 > limit * baseline.p95 and now.p95 - baseline.p95 > NOTICEABLE:
        return Verdict("slow", f"{times}: more than {limit:g} times the baseline")
    return Verdict("good", times)
