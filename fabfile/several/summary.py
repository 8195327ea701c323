"""What a run over several servers came to: who is on which release, and how each part ended."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..errors import BadSettings, DeployError, NeedsPerson, TakenBack
from ..phases import FORWARD
from ..report.columns import columns
from ..report.console import Console
from ..site import Site
from .part import NOTHING, Report

_HEAD = ("server", "release", "colour", "ended", "seconds", "failed requests")
_ENDED = {
    None: "not begun",
    0: "done",
    DeployError.exit_code: "failed, as it was",
    BadSettings.exit_code: "refused",
    TakenBack.exit_code: "failed, taken back",
    NeedsPerson.exit_code: "needs a person",
}
_KINDS = {kind.exit_code: kind for kind in (DeployError, BadSettings, TakenBack, NeedsPerson)}


@dataclass(eq=False)
class Outcome:
    """One of the servers, and how its part ended.

    :param site: as this process sees it: to look at, not to change.
    :param revision: the commit that is sent there; empty where none is.
    :param code: the exit code of the command's tasks; None: not begun; below 0: killed.
    :param back: the exit code of taking them back; None where that was not done.
    :param seconds: that the tasks took, and taking them back.
    """

    name: str
    site: Site
    revision: str = ""
    code: int | None = None
    back: int | None = None
    seconds: float = 0.0
    report: Report = NOTHING

    @property
    def ended(self) -> str:
        """In a few words."""
        if self.back is not None:
            return "taken back" if self.back == 0 else "NOT taken back"
        if self.code is not None and self.code < 0:
            return f"killed by signal {-self.code}"
        return _ENDED.get(self.code, f"exit code {self.code}")

    @property
    def exit_code(self) -> int:
        """What it is to the exit code of the run; a killed part needs a person."""
        if self.back is not None:
            return TakenBack.exit_code if self.back == 0 else NeedsPerson.exit_code
        if self.code is None:
            return DeployError.exit_code
        return self.code if self.code >= 0 else NeedsPerson.exit_code

    @property
    def to_take_back(self) -> bool:
        """Whether tasks of this run may have moved it; what failed has taken itself back, and
        what needs a person is left to one."""
        if self.code is None or self.code == NeedsPerson.exit_code:
            return False
        return self.code <= 0 or not set(FORWARD).isdisjoint(self.report.finished)


def table(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print a line a server; what is live is read now, from each of them."""
    with ThreadPoolExecutor(len(outcomes)) as pool:
        live = list(pool.map(_live, outcomes))
    console.line()
    console.line("Servers:", style="bold")
    rows = [
        (one.name, release, colour, one.ended, _seconds(one), _requests(one.report))
        for one, (release, colour) in zip(outcomes, live, strict=True)
    ]
    columns(console, _HEAD, rows, right=("seconds",))


def failure(outcomes: Sequence[Outcome]) -> DeployError | None:
    """One message for all, with the run's exit code; None where every server is done."""
    if all(one.code == 0 for one in outcomes):
        return None
    failed = [one for one in outcomes if one.code]
    words = {
        "taken back": [one for one in outcomes if one.back == 0],
        "NOT taken back": [one for one in outcomes if one.back],
        "done": [one for one in outcomes if one.code == 0 and one.back is None],
        "not begun": [one for one in outcomes if one.code is None],
    }
    reasons = [f"failed on {_names(failed)}" if failed else "interrupted"]
    reasons += [f"{what}: {_names(some)}" for what, some in words.items() if some]
    kind = _KINDS.get(max(one.exit_code for one in outcomes), DeployError)
    return kind("; ".join(reasons), next_command=_next(outcomes))


def _next(outcomes: Sequence[Outcome]) -> str:
    stuck = [one for one in outcomes if one.exit_code == NeedsPerson.exit_code]
    if stuck:
        return f"see to {_names(stuck)}, as said above; fab -H {_names(stuck, ',')} status"
    again = [one for one in outcomes if one.exit_code]
    return f"mend it, then the same command for {_names(again, ',')}"


def _names(some: Sequence[Outcome], between: str = ", ") -> str:
    return between.join(one.name for one in some)


def _live(one: Outcome) -> tuple[str, str]:
    try:
        live = one.site.live.read()
    except DeployError as error:
        return f"not known: {error.reason}", ""
    finally:
        one.site.server.close()
    return live.release, live.colour


def _seconds(one: Outcome) -> str:
    return f"{one.seconds:.1f}" if one.code is not None else ""


def _requests(report: Report) -> str:
    return f"{report.failed} of {report.requests:,}" if report.requests else ""
