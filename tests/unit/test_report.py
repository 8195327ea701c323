"""The report: what its page, its text and its files hold, from made-up records."""

from __future__ import annotations

import html
import itertools
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fabfile.documents.report import RunReport
from fabfile.phases.record import without_secrets
from fabfile.report import chart
from fabfile.report.files import ReportsHere, newest_first, rendered, unused
from fabfile.report.masking import mask
from fabfile.report.page import page
from fabfile.report.text import text
from tests import reports
from tests.programs import program

HOSTILE = "<script>alert('x')</script> & \"quoted\" </pre></style>"
LISTS = ("phases", "marks", "traffic", "visitors", "checks", "backups", "notes")
UNKNOWN = ("former", "live", "image", "people_before", "people_after")
EMPTY: dict[str, Any] = {**dict.fromkeys(LISTS, ()), **dict.fromkeys(UNKNOWN)}
RECORDS: dict[str, Callable[[], RunReport]] = {
    "a deploy": reports.deploy,
    "one that was taken back": reports.taken_back,
    "one of which nothing is known": lambda: reports.deploy(**EMPTY),
    "a failed one without a measurement": lambda: reports.taken_back(**EMPTY),
}


@pytest.fixture(params=RECORDS, ids=lambda name: name.replace(" ", "-"))
def report(request: pytest.FixtureRequest) -> RunReport:
    return RECORDS[request.param]()


def seen(report: RunReport) -> str:
    """The page as a reader has it: its words, without its tags and styles."""
    bare = re.sub(r"<(style|title)>.*?</\1>|<[^>]*>", " ", page(report), flags=re.DOTALL)
    return " ".join(html.unescape(bare).split())


def test_the_page_needs_nothing_beside_it(report: RunReport) -> None:
    made = page(report).replace(report.url, "")
    outside = r"https?://|<script|<link[^>]*href=\"(?!data:)|@import|url\("
    assert not re.search(outside, made)
    assert "default-src 'none'" in made


def test_every_number_is_the_records(report: RunReport) -> None:
    shown, plain = seen(report), text(report)
    for traffic in report.traffic:
        assert f"{traffic.failed:,} of {traffic.sent:,} requests failed" in shown
        assert f"{traffic.failed:,} of {traffic.sent:,} requests failed" in plain
        for name in traffic.by_release:
            good = sum(moment.by_release.get(name, 0) for moment in traffic.moments)
            assert f"{name} {good:,}" in shown
            assert re.search(rf"^{name} .* {good:,}$", plain, re.MULTILINE)
    for check in report.checks:
        for words in (check.name, check.expected, check.found):
            assert words in shown
            assert words in plain
    for one in report.visitors:
        assert f"{one.colour} {one.release} {one.requests:,} {one.failed:,}" in shown
    for phase in report.phases:
        assert phase.name in shown
        for step in phase.steps:
            assert step.title in shown
            assert step.title in plain
    if report.failure:
        for words in vars(report.failure).values():
            assert " ".join(words.split()) in shown


def test_nothing_that_comes_from_outside_is_read_as_markup() -> None:
    """Each text of the record in turn; numbers and fixed words cannot carry any."""
    values = reports.taken_back().model_dump()
    fixed = {"outcome", "verdict", "where"}
    paths = [path for path in _texts(values) if path[-1] not in fixed]
    assert len(paths) > 100
    for path in paths:
        _put(values, path, HOSTILE)
    made = page(RunReport.model_validate(values))
    assert "alert(" in html.unescape(made)
    assert "<script" not in made
    assert "</pre></style>" not in made
    assert made.count("</style>") == 1


def test_a_record_without_a_measurement_says_so() -> None:
    bare = reports.deploy(traffic=())
    assert "no requests were measured" in seen(bare)
    assert "not measured" in text(bare)
    assert "0 of 0" not in seen(bare)


def test_the_page_says_how_it_ended_and_what_fired() -> None:
    failed = reports.taken_back()
    assert failed.failure
    assert "Failed, and taken back by itself" in seen(failed)
    assert f"{failed.failure.trigger} fired" in seen(failed)
    assert "fired" not in seen(reports.deploy())


def test_the_picture_has_each_request_once() -> None:
    report = reports.taken_back()
    [traffic] = report.traffic
    found = chart.columns(report)
    good = sum(rate * column.wide for column in found for rate in column.rates.values())
    assert round(good) == traffic.sent - traffic.failed
    assert sum(column.failed for column in found) == traffic.failed
    for before, after in itertools.pairwise(found):
        assert before.at + before.wide <= after.at + 0.01


def test_a_long_run_is_drawn_in_few_columns() -> None:
    report = reports.deploy()
    [traffic] = report.traffic
    many = tuple(
        moment.model_copy(update={"at": float(place)})
        for place, moment in enumerate(traffic.moments * 20)
    )
    longer = traffic.model_copy(update={"moments": many, "seconds": float(len(many))})
    drawn = chart.columns(report.model_copy(update={"traffic": (longer,)}))
    assert len(many) > 1_000
    assert len(drawn) <= chart.COLUMNS
    assert page(report.model_copy(update={"traffic": (longer,)})).count("<rect") == len(drawn)


def test_a_lost_second_is_a_gap_in_the_picture() -> None:
    [traffic] = reports.deploy().traffic
    nothing = {"by_release": {}, "failed": 10, "mean": None, "slowest": None}
    moments = list(traffic.moments)
    moments[10] = moments[10].model_copy(update=nothing)
    broken = reports.deploy(traffic=(traffic.model_copy(update={"moments": tuple(moments)}),))
    found = chart.columns(broken)
    first = chart.areas(found, [reports.FORMER], 12.0)[0]
    assert first.path.count("M") == 2
    assert page(broken).count('class="fell"') == 1


def test_ticks_are_round_and_inside() -> None:
    for top in (0.004, 0.9, 11.5, 250, 12_345):
        values = chart.round_values(top)
        assert 1 <= len(values) <= 4
        assert 0 < values[0] <= values[-1] <= top
    assert [tick.label for tick in chart.time_ticks(70)][:3] == ["0:00", "0:10", "0:20"]


def test_the_record_survives_its_file() -> None:
    report = reports.taken_back()
    assert RunReport.model_validate_json(rendered(report)["json"]) == report


def test_files_are_private_whole_and_kept_by_their_number(tmp_path: Path) -> None:
    here = ReportsHere(str(tmp_path), "ubuntu@127.0.0.1:2222")
    names = ["20261123-115646", "20261123-115646-2", "20261124-080000"]
    for name in names:
        here.write(name, rendered(reports.deploy()))
    (here.folder / "notes.json").write_text("not ours")
    assert here.names() == list(reversed(names))
    assert stat.S_IMODE(here.path(names[0], "html").stat().st_mode) == 0o600
    here.prune(2)
    assert here.names() == ["20261124-080000", "20261123-115646-2"]
    assert sorted(path.suffix for path in here.folder.iterdir()) == sorted(
        [".html", ".json", ".txt"] * 2 + [".json"]
    )


def test_two_runs_of_one_stamp_have_a_report_each() -> None:
    assert unused("20261123-115646", []) == "20261123-115646"
    assert unused("20261123-115646", ["20261123-115646"]) == "20261123-115646-2"
    taken = ["20261123-115646", "20261123-115646-2"]
    assert unused("20261123-115646", taken) == "20261123-115646-3"
    assert newest_first([*taken, "20261123-115646-10", "x", "20261123-1"]) == [
        "20261123-115646-10",
        "20261123-115646-2",
        "20261123-115646",
    ]


def test_what_was_learned_as_a_secret_is_in_no_report() -> None:
    """The record goes through the mask before it is rendered; see phases/record.py."""
    mask.learn("hunter2-of-the-database")
    evidence = "connect postgres://app:hunter2-of-the-database@db/stories"
    values = reports.taken_back().model_dump()
    values["failure"]["evidence"] = evidence
    made = RunReport.model_validate(without_secrets(values))
    for content in rendered(made).values():
        assert "hunter2" not in content
        assert "connect postgres" in content


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--text", "--json"), "--text goes with neither"),
        (("--list", "20261123-115646"), "either it or a stamp"),
        (("yesterday",), "'yesterday': no run's stamp; allowed: YYYYMMDD-HHMMSS"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: tuple[str, ...], words: str) -> None:
    done = program("fab", "-H", "nobody@127.0.0.1:9", "report", *arguments)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr


def test_the_release_may_be_left_out_and_another_task_follow() -> None:
    for arguments in (("report",), ("report", "20261123-115646"), ("report", "--json")):
        done = program("fab", "-H", "nobody@127.0.0.1:9", *arguments)
        assert done.returncode == 1, done.stderr
        assert "cannot connect to nobody@127.0.0.1:9" in done.stderr


def _texts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, str):
        return [path]
    below = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, (list, tuple))
        else ()
    )
    return [found for key, entry in below for found in _texts(entry, (*path, key))]


def _put(values: Any, path: tuple[Any, ...], text: str) -> None:
    for key in path[:-1]:
        if isinstance(values[key], tuple):
            values[key] = list(values[key])
        values = values[key]
    values[path[-1]] = text
