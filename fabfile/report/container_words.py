"""A container's state and what it uses, as a person reads them."""

from __future__ import annotations

from ..documents.pieces import ContainerState, Usage
from .words import age, size

MISSING = "-"


def state_words(one: ContainerState, *, since: bool = False) -> str:
    """`running (healthy)`, `exited (0)`, `none`.

    :param since: with `, up 2 h` or `, 3 min ago`.
    """
    if one.state == "gone":
        return "none"
    inner = one.health if one.exit_code is None else one.exit_code
    words = one.state if inner is None else f"{one.state} ({inner})"
    if not since or one.seconds is None:
        return words
    long = age(one.seconds)
    return f"{words}, up {long}" if one.exit_code is None else f"{words}, {long} ago"


def cpu_words(one: Usage | None) -> str:
    """Percent of one processor; a dash where that is not known."""
    return MISSING if one is None or one.cpu_percent is None else f"{one.cpu_percent:.1f} %"


def memory_words(one: Usage | None) -> str:
    """`81.2 MB of 268.4 MB (30 %)`."""
    if one is None or one.memory is None:
        return MISSING
    if one.memory_limit is None or one.memory_percent is None:
        return size(one.memory)
    return f"{size(one.memory)} of {size(one.memory_limit)} ({one.memory_percent:.0f} %)"
