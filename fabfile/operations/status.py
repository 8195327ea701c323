"""What is live and how the site is: once, or again and again."""

from __future__ import annotations

import contextlib
import math

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .. import interrupts
from ..errors import BadSettings, ServerUnreachable
from ..report.status_text import status_text
from ..site import Site
from .status_reading import read_status

_LEAST, _MOST = 0.5, 86_400.0  # seconds

Shown = list[Text | Table]


def status(site: Site, *, as_document: bool = False) -> None:
    """Print it once."""
    if as_document:
        read_status(site).show()
    else:
        _print(site, _read(site))


def watch(site: Site, interval: str) -> None:
    """Show it anew until Ctrl-C: in place on a terminal, else one block after the other.

    A connection that is lost is said, and opened again when that is possible.

    :param interval: seconds between two readings; empty: the settings' number.
    :raises BadSettings: it is no such number; nothing was contacted.
    """
    seconds = seconds_of(interval) if interval else site.settings.look.watch_interval
    with interrupts.until_told():
        shown = _read(site)  # a server that cannot be reached at all ends it here
        if site.console.rich.is_terminal:
            _in_place(site, seconds, shown)
        while True:
            _print(site, shown)
            site.console.line()
            interrupts.pause(seconds)
            shown = _read_again(site)


def seconds_of(text: str) -> float:
    """`--interval`.

    :raises BadSettings: it is no number of seconds, or none that is allowed.
    """
    with contextlib.suppress(ValueError):
        seconds = float(text)
        if math.isfinite(seconds) and _LEAST <= seconds <= _MOST:
            return seconds
    raise BadSettings(
        f"--interval is {text!r}; allowed: seconds, a number from {_LEAST:g} to {_MOST:g}"
    )


def _in_place(site: Site, seconds: float, shown: Shown) -> None:
    foot = Text(f"every {seconds:g} s; Ctrl-C ends it", style="dim")
    with Live(console=site.console.rich, auto_refresh=False) as live:
        while True:
            live.update(Group(*shown, foot), refresh=True)
            interrupts.pause(seconds)
            shown = _read_again(site)


def _read(site: Site) -> Shown:
    limits, public = site.settings.limits, site.settings.public
    return status_text(
        read_status(site),
        certificate_days=public.certificate_days,
        disk_percent=limits.disk_full_percent,
    )


def _read_again(site: Site) -> Shown:
    try:
        return _read(site)
    except ServerUnreachable as error:
        return [Text(f"{site.server}: {error.reason}", "bold red")]


def _print(site: Site, shown: Shown) -> None:
    for one in shown:
        if isinstance(one, Table):
            site.console.table(one)
        else:
            site.console.line(one.plain, style=str(one.style) or None)
