"""The containers' output: both colours in one, each line with the colour that it is from."""

from __future__ import annotations

import contextlib
import queue
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from rich.text import Text

from .. import interrupts
from ..documents.logs import Line, Logs
from ..errors import BadSettings
from ..server.container_logs import Follower, LogLine, merged, recent
from ..server.containers import Container
from ..settings import COLOURS
from ..site import Site
from .chosen import ALL, chosen, resolved, sources, words_of

TURN = 0.25  # seconds in which lines of several containers are brought into order
LOOK = 2.0  # seconds between two looks for containers that have started
_STYLES = {"blue": "blue", "green": "green"}
_OTHERS = ("magenta", "yellow", "cyan")
_AGE = re.compile(r"(?:[0-9]{1,9}[smhd])+")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def logs(
    site: Site,
    *,
    colour: str,
    follow: bool,
    since: str,
    grep: str,
    lines: str,
    as_document: bool,
) -> None:
    """Print what containers have printed.

    :param colour: words of `chosen`, comma separated; empty: both colours.
    :param since: an age or a time; empty: the last lines.
    :param grep: a regular expression of Python's; empty: every line.
    :param lines: how many of the last; empty: all since a time, else the settings' number.
    :raises BadSettings: an option cannot be read; nothing was contacted.
    """
    words = words_of(colour) if colour else []
    wanted, from_ = _pattern(grep), since_when(since)
    most = number_of(lines, "--lines") or (None if since else site.settings.look.log_lines)
    if follow and as_document:
        raise BadSettings("--follow has no end, and --json is one document; allowed: one of them")
    begun = f"{site.server.now()[:-1]}.{0:09}Z"
    found = chosen(site, words, later=follow)
    seen = recent(site.server, found, since=from_, wanted=wanted, most=most)
    if as_document:
        shown = [Line(time=one.time or None, source=one.source, text=one.text) for one in seen]
        Logs(lines=shown).show()
        return
    printer = _Printer(site, found)
    printer.lines(seen)
    if follow:
        after = dict.fromkeys(found, begun)
        after |= {line.source: line.time for line in seen if line.time}
        with interrupts.until_told():
            _Following(site, words, wanted, printer, found, after).run()


def since_when(text: str) -> str | None:
    """`--since` as the engine takes it: an age in seconds, or a time in UTC.

    :raises BadSettings: it is neither.
    """
    if not text:
        return None
    if _AGE.fullmatch(text):
        parts = re.findall(r"(\d+)([smhd])", text)
        return f"{sum(int(count) * _UNITS[unit] for count, unit in parts)}s"
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise BadSettings(
            f"--since is {text!r}; allowed: an age such as 90s, 10m, 2h or 1d, or a time in UTC "
            "such as 2026-11-23T08:06"
        ) from None
    zoned = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return zoned.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def number_of(text: str, option: str, most: int = 1_000_000) -> int | None:
    """A whole number from 1; None where none is given.

    :raises BadSettings: it is none.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
        raise BadSettings(f"{option} is {text!r}; allowed: a whole number from 1 to {most}")
    return int(text)


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise BadSettings(
            f"--grep is {text!r}: {error}; allowed: a regular expression, as Python's"
        ) from None


class _Printer:
    """Prints lines with the mark of what they are from.

    :param found: the containers that are known already, for the width of the marks.
    """

    def __init__(self, site: Site, found: Iterable[str]) -> None:
        self.rich = site.console.rich
        self._width = max(map(len, [*found, *COLOURS]))
        self._styles = dict(_STYLES)

    def lines(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            # Its own colours stay; whatever else would move a terminal's cursor goes.
            self._print(line.source, line.time[11:19], Text.from_ansi(line.text))

    def note(self, source: str, text: str) -> None:
        """What happened to a container, between its lines."""
        self._print(source, "", Text(f"({text})", style="dim"))

    def _print(self, source: str, time: str, text: Text) -> None:
        style = self._styles.setdefault(source, _OTHERS[len(self._styles) % len(_OTHERS)])
        mark = Text(f"{source:<{self._width}} │ ", style=style)
        self.rich.print(Text.assemble(mark, (f"{time:<8}  ", "dim"), text), soft_wrap=True)


class _Following:
    """Goes on as lines come; goes over to containers that start later.

    :param words: as `chosen` takes them; `live` and `idle` stay what they were at the beginning.
    :param after: by source, the time of the last line that was printed.
    """

    def __init__(
        self,
        site: Site,
        words: list[str],
        wanted: re.Pattern[str] | None,
        printer: _Printer,
        found: Mapping[str, Container],
        after: dict[str, str],
    ) -> None:
        self.site = site
        self.wanted = wanted
        self.printer = printer
        self._names = [] if ALL in words else resolved(site, words)
        self._after = after
        self._queue: queue.SimpleQueue[LogLine] = queue.SimpleQueue()
        self._followers: dict[str, Follower] = {}
        self._known = {source: _started(container) for source, container in found.items()}

    def run(self) -> None:
        """:raises Interrupted: Ctrl-C, the usual end."""
        try:
            for source in self._names:
                if source in COLOURS and source not in self._known:
                    self.printer.note(source, "not there yet")
            while True:
                self._start()
                for _ in range(int(LOOK / TURN)):
                    interrupts.pause(TURN)
                    self._print()
        finally:
            for follower in self._followers.values():
                follower.close()

    def _start(self) -> None:
        """Follow what runs and is not followed: at first all, later what has started anew."""
        present = self._present()
        for source in [one for one, follower in self._followers.items() if follower.ended]:
            self._print()
            del self._followers[source]
            now = present.get(source)
            if now is None or not now.running:
                self.printer.note(source, f"{now.name} is {now.status}" if now else "gone")
        for source, container in present.items():
            if container.running and source not in self._followers:
                self._follow(source, container)

    def _present(self) -> dict[str, Container]:
        """What is meant and there at this moment; a service may be made anew just now."""
        named = sources(self.site.containers.all(), self.site.settings)
        return {name: named[name] for name in self._names or named if name in named}

    def _follow(self, source: str, container: Container) -> None:
        known, now = self._known.get(source), _started(container)
        if known != now:
            self.printer.note(source, f"{container.name} started")
            if not known or known[0] != container.id:
                self._after.pop(source, None)  # another container: all that it has printed
        self._known[source] = now
        after = self._after.get(source, "")
        self._followers[source] = Follower(self.site.server, source, container, self._queue, after)

    def _print(self) -> None:
        lines = []
        with contextlib.suppress(queue.Empty):
            while True:
                lines.append(self._queue.get_nowait())
        for line in lines:
            self._after[line.source] = max(line.time, self._after.get(line.source, ""))
        wanted = self.wanted
        self.printer.lines(
            line for line in merged(lines) if wanted is None or wanted.search(line.text)
        )


def _started(container: Container) -> tuple[str, str]:
    return container.id, container.since if container.running else ""
