"""Ages and sizes, as a person says them."""

from __future__ import annotations

from datetime import datetime

_CLOCK = "%Y-%m-%dT%H:%M:%SZ"  # how the server's time is written down
_AGES = ((2 * 86_400, 86_400, "days"), (3600, 3600, "h"), (60, 60, "min"))  # from, unit, name
_SIZES = ((10**9, "GB", 2), (10**6, "MB", 1), (1000, "kB", 0))  # unit, name, decimals


def age(seconds: float) -> str:
    """`3 s`, `4 min`, `47 h`, `2 days`: rounded down to the unit."""
    for least, unit, name in _AGES:
        if seconds >= least:
            return f"{int(seconds // unit)} {name}"
    return f"{max(0, int(seconds))} s"


def size(number: int) -> str:
    """Bytes as `812 B`, `12 kB`, `7.9 MB` or `1.20 GB`."""
    for unit, name, decimals in _SIZES:
        if number >= unit:
            return f"{number / unit:.{decimals}f} {name}"
    return f"{number} B"


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one time of the server's to another.

    :raises ValueError: one of them is no time as the server's clock is written.
    """
    begin, end = datetime.strptime(earlier, _CLOCK), datetime.strptime(later, _CLOCK)
    return (end - begin).total_seconds()


def when(time: str) -> str:
    """`2026-11-23 08:06`: a time of the server's, in UTC, to the minute."""
    return time[:16].replace("T", " ")


def span(seconds: float) -> str:
    """How long something took: `8.1 s`, `1:05 min`, `1:02:03 h`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} h"


def milliseconds(seconds: float) -> str:
    """`41 ms`; under ten with a decimal."""
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def counted(number: int, word: str) -> str:
    """`1 round`, `2 rounds`, `1,204 rounds`."""
    return f"{number:,} {word}{'s' * (number != 1)}"
