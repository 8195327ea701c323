"""The report of a deploy, of a failed one and of a rollback, here and on the server.

The tests run in their order; each starts from the state that the one before it left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fabfile.documents.report import ReportList, RunReport
from lab import server as lab_server
from tests.lab.conftest import Fab
from tests.programs import Done

OnServer = Callable[..., "Done"]
THERE = "1001-stories-deploy/reports"
PAGE = re.compile(r"^report: (\S+/(\d{8}-\d{6})\.html)$", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


def report_of(done: Done, on_server: OnServer) -> RunReport:
    """Its record, after a look at page, text and record here and there."""
    found = PAGE.search(done.stdout)
    assert found, done.stdout + done.stderr
    page, name = Path(found[1]), found[2]
    here = {kind: page.with_suffix(f".{kind}").read_text() for kind in ("json", "html", "txt")}
    for kind, content in here.items():
        assert on_server(f"cat {THERE}/{name}.{kind}").stdout == content
    modes = on_server(f"stat -c %a {THERE}/{name}.*").stdout.split()
    assert modes == ["600"] * 3
    report = RunReport.model_validate_json(here["json"])
    [traffic] = report.traffic
    for content in (here["html"], here["txt"]):
        assert f"{traffic.failed:,}" in content
        assert f"of {traffic.sent:,} requests failed" in content
    return report


def test_a_deploy_leaves_its_page_its_text_and_its_record_here_and_there(
    fab: Fab, on_server: OnServer, folder: Path
) -> None:
    done = fab("deploy", f"--set=report.folder={folder}", "--set=deploy.watch_seconds=2")
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_of(done, on_server)
    assert (report.outcome, report.exit_code, report.failure) == ("done", 0, None)
    assert f"New version: 1001stories:{report.release}" in done.stdout
    [traffic] = report.traffic
    assert traffic.failed == 0
    good = sum(sum(moment.by_release.values()) for moment in traffic.moments)
    assert good + traffic.limited == traffic.sent
    assert f"{traffic.sent:,} requests, 0 failed" in done.stdout
    [mark] = report.marks
    assert (mark.colour, mark.release, mark.back) == ("green", report.release, False)
    after = [moment for moment in traffic.moments if moment.at > mark.at + 5]
    assert {name for moment in after for name in moment.by_release} == {report.release}
    assert report.former and report.former.colour == "blue"
    assert report.live and (report.live.colour, report.live.release) == ("green", report.release)
    assert [phase.name for phase in report.phases] == [
        "assess-infrastructure",
        "run-migration",
        "blue-green-deploy",
        "validate-deployment",
    ]
    assert report.people_before and report.people_before.roles == {"LEARNER": 2, "ADMIN": 2}
    assert report.people_after and report.people_after.roles == {"CUSTOMER": 2, "ADMIN": 2}
    assert {backup.kind for backup in report.backups} == {"assessment", "pre-migration"}
    assert all(backup.verified and backup.bytes > 1000 for backup in report.backups)
    assert report.image and report.image.bytes > 1_000_000
    assert {check.phase for check in report.checks} == {
        "assess-infrastructure",
        "validate-deployment",
    }
    assert report.bounds.baseline and report.bounds.baseline.samples
    assert any(one.release == report.release and one.requests for one in report.visitors)


def test_a_failed_deploy_leaves_the_same_with_its_evidence(
    fab: Fab, on_server: OnServer, working_copy: Callable[..., str], folder: Path
) -> None:
    done = fab(
        "blue-green-deploy",
        working_copy("fails-after 6"),
        f"--set=report.folder={folder}",
        "--set=deploy.watch_seconds=20",
    )
    assert done.returncode == 3, done.stdout + done.stderr
    report = report_of(done, on_server)
    assert (report.outcome, report.exit_code) == ("taken back", 3)
    why = report.failure
    assert why
    for words in (why.reason, why.trigger, why.taken_back, why.state, why.next_command):
        assert words
        assert words in done.stderr
    assert why.evidence.splitlines()[0] in done.stderr
    assert [mark.back for mark in report.marks] == [False, True]
    assert report.live == report.former
    assert report.people_before == report.people_after
    [phase] = report.phases
    assert phase.outcome == "failed"
    assert [step.takes_back for step in phase.steps if step.outcome == "failed"] == [False]
    assert any(step.takes_back for step in phase.steps)


def test_a_report_is_fetched_where_it_is_not_and_all_are_listed(
    fab: Fab, folder: Path, tmp_path: Path
) -> None:
    elsewhere = f"--set=report.folder={tmp_path}"
    listed = ReportList.model_validate_json(fab("report", "--list", "--json", elsewhere).stdout)
    assert [one.outcome for one in listed.reports] == ["taken back", "done"]
    assert not any(one.here for one in listed.reports)
    first = listed.reports[1].id
    done = fab("report", first, elsewhere)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Deployed: 0 of ")
    found = PAGE.search(done.stdout)
    assert found
    written = next(folder.glob(f"*/{first}.html"))
    assert Path(found[1]).read_text() == written.read_text(), "made again from its record"
    data = fab("report", first, "--json", elsewhere).stdout
    assert json.loads(data) == json.loads(written.with_suffix(".json").read_text())
    assert (
        fab("report", first, "--text", elsewhere).stdout == written.with_suffix(".txt").read_text()
    )
    table = fab("report", "--list", elsewhere).stdout
    assert re.search(rf"^{first} +deploy .* done .* here, server$", table, re.MULTILINE), table


def test_a_report_that_cannot_be_written_here_costs_a_rollback_one_warning(
    fab: Fab, on_server: OnServer
) -> None:
    done = fab("rollback", "--set=report.folder=/dev/null/reports", "--set=report.keep=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("! report: not on this machine") == 1
    found = re.search(r"^report: ubuntu@\S+:(/\S+\.html)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    assert "Rolled back" in on_server(f"cat {found[1]}").stdout
    kept = on_server(f"ls {THERE}").stdout.split()
    assert sum(name.endswith(".html") for name in kept) == 2


def test_a_run_that_was_killed_is_said_to_have_left_none(
    fab: Fab, on_server: OnServer, tmp_path: Path
) -> None:
    entry = {"event": "started", "task": "deploy", "release": "20990101-000000", "time": "then"}
    entry |= {"who": "ann", "host": "desk"}
    line = json.dumps(entry | {"detail": {"run": "dead", "changes": True}})
    on_server(
        f"install -d -m 0700 1001-stories-deploy; echo '{line}' >> 1001-stories-deploy/ledger.jsonl"
    )
    try:
        there = f"--set=report.folder={tmp_path}"
        last, of_it = fab("report", there), fab("report", "20990101-000000", there)
    finally:
        on_server("sed -i '/20990101-000000/d' 1001-stories-deploy/ledger.jsonl")
    words = "no report was left by a run that was cut off, deploy of release 20990101-000000"
    assert last.returncode == 0
    assert f"not the last run: {words}" in last.stderr
    assert of_it.returncode == 1
    assert words in of_it.stderr
