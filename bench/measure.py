"""What the measurements have in common: medians with their noise, goals, and bench/RESULTS.md.

Two things that are compared are measured in one run, in turns, so that a busy machine slows both.
What counts is then each pair's ratio, and the median of those; seconds alone say little.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

_MANY = 5  # values from which on the lowest and the highest are left out of the noise
_VERDICT = re.compile(r"^- \*\*(holds|holds, within the noise|does not hold[^*]*)\*\*: (.*)$", re.M)


@dataclass(frozen=True)
class Sample:
    """One thing, measured several times."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        """:raises ValueError: there are none."""
        found = tuple(values)
        if not found:
            raise ValueError("nothing was measured")
        return cls(found)

    @classmethod
    def ratios(cls, ours: Sequence[float], floor: Sequence[float]) -> Sample:
        """Of two things that were measured in turns: each pair's ratio.

        :raises ValueError: there are more of one than of the other, or none.
        """
        return cls.of(one / other for one, other in zip(ours, floor, strict=True))

    @property
    def median(self) -> float:
        return float(statistics.median(self.values))

    @property
    def highest(self) -> float:
        return max(self.values)

    @property
    def noise(self) -> float:
        """Half of the span; of many values without the lowest and the highest."""
        values = sorted(self.values)
        if len(values) >= _MANY:
            values = values[1:-1]
        return (values[-1] - values[0]) / 2


@dataclass(frozen=True)
class Goal:
    """What a measurement must not be above.

    :param limit: at most this.
    :param unit: of the limit; empty for a ratio or a count.
    :param digits: behind the point, where it is shown.
    :param missed: the reason, found by measuring, where it is known not to hold; empty: it must,
        and the bench fails where it does not.
    """

    name: str
    limit: float
    unit: str = ""
    digits: int = 2
    missed: str = ""

    def shown(self, value: float) -> str:
        """A value as people read it."""
        return f"{value:,.{self.digits}f}{' ' * bool(self.unit)}{self.unit}"


@dataclass(frozen=True)
class Verdict:
    """Whether a goal holds, by what was measured."""

    goal: Goal
    sample: Sample

    @property
    def holds(self) -> bool:
        return self.sample.median <= self.goal.limit

    @property
    def clear(self) -> bool:
        """Whether the limit is further away than the noise."""
        return abs(self.sample.median - self.goal.limit) >= self.sample.noise

    @property
    def broken(self) -> bool:
        """Whether the bench fails for it: it is above its limit, and by more than noise."""
        return not (self.holds or self.goal.missed) and self.clear

    @property
    def word(self) -> str:
        if self.holds:
            return "holds" if self.clear else "holds, within the noise"
        if not self.clear:
            return "does not hold, within the noise"
        return "does not hold" if self.goal.missed else "does not hold, and should"

    @property
    def line(self) -> str:
        """One line of RESULTS.md, without its mark."""
        goal, sample = self.goal, self.sample
        found = goal.shown(sample.median)
        if len(sample.values) > 1:
            found += f" ± {sample.noise:,.{goal.digits}f}"
        why = f". {goal.missed}" if goal.missed and not self.holds else ""
        return f"**{self.word}**: {goal.name}, at most {goal.limit:g}{_unit(goal)}: {found}{why}"


@dataclass(frozen=True)
class Section:
    """One measurement's part of RESULTS.md.

    :param text: what is measured, and against what.
    :param head: the table's, whose first column is words.
    :param times: how often each was measured.
    :param notes: paragraphs below the table.
    """

    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    verdicts: Sequence[Verdict]
    times: int
    notes: Sequence[str] = ()

    def render(self, machine: str, day: str) -> str:
        """The section in Markdown, from its heading on.

        :param machine: where it was measured.
        :param day: when.
        """
        parts = [f"## {self.title}", self.text, table(self.head, self.rows), *self.notes]
        parts.append("\n".join(f"- {verdict.line}" for verdict in self.verdicts))
        parts.append(f"{day}, {machine}; medians of {self.times}.")
        return "\n\n".join(part for part in parts if part) + "\n"


class Results:
    """bench/RESULTS.md: a section for each measurement, each written when it is there.

    :param order: the sections' titles; others come after them.
    """

    def __init__(self, path: Path, order: Sequence[str]) -> None:
        self.path = path
        self.order = order

    def put(self, section: str) -> None:
        """Put a section in its place; the others stay as they are, whatever happens meanwhile.

        :param section: as `Section.render` makes it.
        """
        text = self.path.read_text() if self.path.exists() else ""
        sections = {_title(part): part for part in _sections(text)}
        sections[_title(section)] = section.rstrip() + "\n"
        known = [title for title in self.order if title in sections]
        ordered = [sections[t] for t in [*known, *(t for t in sections if t not in self.order)]]
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        beside.write_text("\n".join([_head(ordered), *ordered]))
        beside.replace(self.path)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; empty without rows."""
    if not rows:
        return ""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def machine() -> str:
    """This machine's size, in words."""
    processors = len(os.sched_getaffinity(0))
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    system = f"{platform.system()} {platform.release()}"
    return f"{processors} processors, {gigabytes:.0f} GB of memory, {system}"


def today() -> str:
    """The day in UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d")


def seconds(values: Iterable[float]) -> str:
    """The median of times, in the unit that fits it."""
    median = Sample.of(values).median
    return f"{median * 1000:.0f} ms" if median < 1 else f"{median:.1f} s"


def ratio(sample: Sample) -> str:
    """A ratio with its noise."""
    return f"{sample.median:.2f} ± {sample.noise:.2f}"


def _unit(goal: Goal) -> str:
    return f" {goal.unit}" if goal.unit else ""


def _sections(text: str) -> list[str]:
    return [part.rstrip() + "\n" for part in re.split(r"^(?=## )", text, flags=re.M)[1:]]


def _title(section: str) -> str:
    return section.split("\n", 1)[0].removeprefix("## ").strip()


def _head(sections: Sequence[str]) -> str:
    """What stands above the sections: how the goals stand, in a word each."""
    words = [match[0] for section in sections for match in _VERDICT.findall(section)]
    held = sum(word.startswith("holds") for word in words)
    lines = [
        "# Measured",
        "By `make bench`, in the lab, on the machine that each section names. Timing is noisy, so "
        "only the ratios are worth quoting: each compares two things that were measured in one "
        "run, in turns. Behind ± is half of the span of what was seen.",
    ]
    if words:
        lines.append(f"{held} of {len(words)} goals hold; `make bench` fails if one stops to.")
    missed = [
        f"- {_title(section)}: {line}"
        for section in sections
        for word, line in _VERDICT.findall(section)
        if not word.startswith("holds")
    ]
    if missed:
        lines.append("Not reached:\n\n" + "\n".join(missed))
    return "\n\n".join(lines) + "\n"
