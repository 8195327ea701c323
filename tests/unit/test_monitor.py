"""The monitor's parts that need no server: its schedule, its findings, its options."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from fabfile import interrupts
from fabfile.errors import BadSettings, Interrupted
from fabfile.monitoring import watch as watching
from fabfile.monitoring.findings import Findings
from fabfile.monitoring.schedule import DAY, HOUR, SCHEDULE, duration, pace
from fabfile.report.checks import Check
from fabfile.server.ledger import Entry, cut_off_in
from fabfile.settings import Settings
from tests.programs import program


def check(name: str, good: bool, group: str = "Logs") -> Check:
    return Check.of(group, name, good, "0", "none" if good else "3", critical=False)


def test_the_schedule_is_the_guides_two_hours_one_day_and_seven_days() -> None:
    assert [period.until for period in SCHEDULE] == [2 * HOUR, DAY, 7 * DAY]
    paces = [period.every for period in SCHEDULE]
    assert paces == sorted(paces)
    assert [pace(0), pace(2 * HOUR), pace(DAY), pace(8 * DAY)] == [*paces, paces[-1]]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5min", 300), ("5m", 300), ("2h", 7200)]
)
def test_a_time_is_read_as_people_type_it(text: str, seconds: int) -> None:
    assert duration("--for", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5h", "2 h", "h", "2w", "32d", "9" * 12, "١h"])
def test_any_other_time_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(BadSettings, match=r"--every is .*; allowed: 1s to 31d"):
        duration("--every", text)


def test_a_finding_is_said_once_and_is_over_after_calm_rounds_in_a_row() -> None:
    findings = Findings(calm_rounds=2)
    rounds = [True, False, False, True, False, True, True, True]
    said = []
    for number, good in enumerate(rounds):
        said += [
            (number, change.state)
            for change in findings.take([check("app", good), check("db", True)], f"t{number}")
        ]
    assert said == [(1, "found"), (6, "over")]
    [only] = findings.all
    assert (only.name, only.since, only.until) == ("Logs: app", "t1", "t6")
    assert findings.open == []


def test_a_check_that_comes_back_bad_after_its_end_is_a_new_finding() -> None:
    findings = Findings(calm_rounds=1)
    for number, good in enumerate([False, True, False]):
        findings.take([check("app", good)], f"t{number}")
    assert [(one.since, one.until) for one in findings.all] == [("t0", "t1"), ("t2", "")]


def test_what_is_no_more_checked_is_well_and_what_could_not_be_seen_is_not() -> None:
    findings = Findings(calm_rounds=1)
    findings.take([check("app", False), check("/", False, "Security")], "t0")
    assert findings.take([], "t1", unseen={"Logs", "Security"}) == []
    over = findings.take([], "t2", unseen={"Security"})
    assert [(change.state, change.finding.name) for change in over] == [("over", "Logs: app")]


class Clock:
    """Time that passes only in pauses and rounds."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("length", "every", "took", "begun"),
    [
        (3, 1, 0.0, [0, 1, 2, 3]),
        (3, 2, 0.5, [0, 2]),
        (4, 1, 1.5, [0, 1.5, 3.0]),  # longer than the pace: at once
        (
            3 * HOUR,
            0,
            0.0,
            [*range(0, 2 * HOUR + 1, 60), *range(2 * HOUR + 300, 3 * HOUR + 1, 300)],
        ),
    ],
)
def test_rounds_are_made_at_their_pace_until_the_time_is_over(
    length: int, every: int, took: float, begun: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, seen = Clock(), []

    class Rounds:
        time, unseen = "2026-11-23T00:00:00Z", frozenset[str]()

        def __init__(self, *_: object) -> None:
            pass

        def look(self) -> list[Check]:
            seen.append(clock.now - 100)
            clock.now += took
            return []

    monkeypatch.setattr(watching, "Rounds", Rounds)
    monkeypatch.setattr(watching, "time", clock)
    monkeypatch.setattr(interrupts, "pause", clock.pause)
    live = SimpleNamespace(read=lambda: SimpleNamespace(release="r"))
    server = SimpleNamespace(now=lambda: Rounds.time)
    site = SimpleNamespace(settings=Settings(), server=server, live=live)
    watch = watching.Watch(site, length, every, only_changes=False, silent=True)  # type: ignore[arg-type]
    watch.run()
    assert seen == begun


def test_a_runs_entries_are_its_own_whatever_the_monitor_writes_between_them() -> None:
    def entry(event: str, task: str, release: str, **detail: Any) -> Entry:
        return Entry(event, task, release, "t", "ann", "laptop", detail)

    started = entry("started", "deploy", "new", run="r1", changes=True)
    dead = cut_off_in([started, entry("monitor", "monitor", "live", state="found")])
    assert dead is not None
    # Else the live release would be cleared away with the dead run's.
    assert dead.releases == {"new"}


def test_a_signal_ends_what_only_looks_without_talk_of_taking_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with interrupts.listening():
        with pytest.raises(Interrupted), interrupts.only_looking():
            signal.raise_signal(signal.SIGINT)
            interrupts.pause(5)
        assert capsys.readouterr().err == ""
        interrupts.settled()
        signal.raise_signal(signal.SIGTERM)
        assert "then taking back" in capsys.readouterr().err
        interrupts.settled()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--for", "soon"], "--for is 'soon'; allowed: 1s to 31d"),
        (["--every=0"], "--every is '0'; allowed: 1s to 31d"),
        (["--install", "--status"], "allowed: one of --install, --uninstall and --status"),
        (["--install", "--json"], "--json is for a watch, or with --status"),
        (["--set=monitor.leave_out=[Pages]"], "site.monitor.leave_out.0 is 'Pages'; allowed: a"),
    ],
)
def test_a_wrong_option_contacts_nothing(arguments: list[str], words: str) -> None:
    done = program("invoke", "monitor", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert done.stdout == ""
