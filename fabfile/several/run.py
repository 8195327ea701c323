"""The tasks of a command on several servers: a process for each, one after the other or side by
side, until one fails."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .. import interrupts
from ..errors import DeployError, Interrupted
from ..report.console import Console
from ..site import stamp
from .child import Child
from .packing import Packed, contents, pack_once
from .part import Part
from .summary import Outcome, failure, table

_TURN = 0.1  # seconds between two looks at the processes
_AT_ONCE = 16  # servers that are asked at a time whether they can be reached


class Several:
    """One run over several servers.

    :param parallel: how many at a time.
    :param all_or_nothing: when one fails, those that this run has moved are taken back.
    :param reads: the tasks only look: a server that fails does not stop the others.
    :param packs: whether what is sent is packed here, for all that get the same.
    """

    def __init__(
        self,
        outcomes: Sequence[Outcome],
        console: Console,
        *,
        parallel: int,
        all_or_nothing: bool,
        reads: bool,
        packs: bool,
    ) -> None:
        self.outcomes = outcomes
        self.console = console
        self.parallel = parallel
        self.all_or_nothing = all_or_nothing
        self.reads = reads
        self.packs = packs
        self._packed: Packed = {}
        self.release = stamp()
        self._width = max(len(one.name) for one in outcomes)

    def run(self) -> None:
        """Do the tasks everywhere, and print who is on which release.

        :raises DeployError: a server failed; the exit code is the run's.
        """
        if not self.reads:
            self._refuse_unreachable()
        quiet = interrupts.only_looking() if self.reads else contextlib.nullcontext()
        with quiet, tempfile.TemporaryDirectory(prefix="servers-") as folder:
            if self.packs:
                self._packed = pack_once(self.outcomes, Path(folder), self.console)
            self._each(self.outcomes, Path(folder))
            if self.all_or_nothing and any(one.code != 0 for one in self.outcomes):
                self._take_back(Path(folder))
        with interrupts.masked():
            table(self.console, self.outcomes)
        if error := failure(self.outcomes):
            raise error

    def _refuse_unreachable(self) -> None:
        """No server is moved while another one cannot be reached."""
        with self.console.step(f"reach all {len(self.outcomes)} servers"):
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                errors = [error for error in pool.map(_reach, self.outcomes) if error]
            if errors:
                errors[0].state = "nothing was begun on any server"
                raise errors[0]
        interrupts.check()

    def _take_back(self, folder: Path) -> None:
        """The last one first, not to be interrupted."""
        moved = [one for one in reversed(self.outcomes) if one.to_take_back]
        with interrupts.masked():
            self._each(moved, folder, takes_back=True)
            interrupts.settled()

    def _each(self, outcomes: Sequence[Outcome], folder: Path, *, takes_back: bool = False) -> None:
        """Start them in their order, and wait for all that were started."""
        waiting, running = list(outcomes), dict[Outcome, Child]()
        stops = not (self.reads or takes_back)
        while waiting or running:
            while waiting and len(running) < self.parallel:
                one = waiting.pop(0)
                running[one] = self._start(one, folder, takes_back)
            for one, child in list(running.items()):
                code = self._follow(one, child)
                if code is None:
                    continue
                del running[one]
                _note(one, child, code)
                if self.parallel > 1:
                    self.console.line(f"══ {one.name}: {one.ended} ══", style="bold")
                if code and stops:
                    waiting.clear()
            if self._interrupted(running.values()):
                waiting.clear()

    def _interrupted(self, running: Collection[Child]) -> bool:
        """Wait a turn; a signal that comes meanwhile is passed on to all."""
        try:
            interrupts.pause(_TURN if running else 0)
        except Interrupted:
            for child in running:
                child.send(interrupts.last())
            interrupts.settled()
            return True
        return False

    def _start(self, one: Outcome, folder: Path, takes_back: bool) -> Child:
        name = f"{self.outcomes.index(one)}{'-back' if takes_back else ''}"
        report = folder / f"{name}.json"
        what = contents(one)
        packed = self._packed.get(what) if what else None
        part = Part(one.name, self.release, one.revision, str(report), packed, takes_back)
        self._headline(one, takes_back)
        return Child(part, folder / name if self.parallel > 1 else None)

    def _headline(self, one: Outcome, takes_back: bool) -> None:
        server = str(one.site.server)
        words = [] if server == one.name else [server]
        if takes_back:
            words.append("taking back")
        else:
            words.append(f"{self.outcomes.index(one) + 1} of {len(self.outcomes)}")
        if self.parallel == 1:
            self.console.line()
        self.console.line(f"══ {one.name}: {', '.join(words)} ══", style="bold")

    def _follow(self, one: Outcome, child: Child) -> int | None:
        mark = f"{one.name:<{self._width}} │ "
        return child.follow(
            lambda line: self.console.line(mark + line),
            lambda line: self.console.errors.print(mark + line, markup=False, soft_wrap=True),
        )


def _note(one: Outcome, child: Child, code: int) -> None:
    one.seconds += time.monotonic() - child.began
    one.report += child.part.told()
    if child.part.takes_back:
        one.back = code
    else:
        one.code = code


def _reach(one: Outcome) -> DeployError | None:
    try:
        one.site.server.open()
    except DeployError as error:
        return error
    finally:
        one.site.server.close()
    return None
