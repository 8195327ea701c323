"""The guide's schedule after a deploy, as data; and times as people type them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import BadSettings

MINUTE, HOUR, DAY = 60, 3600, 86_400
_UNITS = {"s": 1, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}
LONGEST = 31 * DAY


@dataclass(frozen=True)
class Period:
    """A part of the guide's list of post-deployment tasks.

    :param until: seconds since the switch until it ends.
    :param every: seconds between two rounds.
    """

    name: str
    until: int
    every: int


# The guide names the periods; how often to look is ours: whatever breaks shows early or slowly.
SCHEDULE = (
    Period("immediate", 2 * HOUR, MINUTE),
    Period("short-term", DAY, 5 * MINUTE),
    Period("long-term", 7 * DAY, 15 * MINUTE),
)


def pace(age: float) -> int:
    """Seconds until the next round, so long after the beginning."""
    return next((period.every for period in SCHEDULE if age < period.until), SCHEDULE[-1].every)


def duration(option: str, text: str) -> int:
    """Seconds of `90s`, `5min`, `2h` or `7d`; a bare number is seconds.

    :param option: what it was given for, for the message.
    :raises BadSettings: it is none of these, or more than a month.
    """
    found = re.fullmatch(r"([0-9]{1,9})(s|m|min|h|d)?", text)
    seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else 0
    if not 1 <= seconds <= LONGEST:
        raise BadSettings(f"{option} is {text!r}; allowed: 1s to 31d, for instance 90s, 2h or 7d")
    return seconds
