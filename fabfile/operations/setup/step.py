"""One thing that a ready server has, as data: is it so, what would be done, and the doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class SetupStep:
    """One step of `setup`.

    :param already: what is so, in words; empty where it is not so. Only reads, and answers also
        where the steps before it have not been done.
    :param would: what `act` would do, in words that fit after `would`. Only reads.
    :param act: makes it so; right to do again after it failed half way.
    :param root: needs root.
    :param diff: of the file that `act` would write, as unified lines; empty for none. Only reads.
    """

    title: str
    already: Callable[[], str]
    would: Callable[[], str]
    act: Callable[[], None]
    root: bool = False
    diff: Callable[[], str] = lambda: ""
