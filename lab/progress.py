"""How the lab says what it is doing."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console

Say = Callable[[str], None]
console = Console()


def silent(line: str) -> None:
    """Say nothing: what tests want."""


def spoken(console: Console) -> Say:
    """Print each line with the seconds since the start."""
    started = time.monotonic()

    def say(line: str) -> None:
        console.print(
            f"[dim]{time.monotonic() - started:6.1f} s[/dim]  {line}",
            highlight=False,
            soft_wrap=True,
        )

    return say
