"""The report at a run's end, where the server cannot be reached any more."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from fabfile.documents.report import RunReport
from fabfile.errors import DeployError, TakenBack
from fabfile.phases.recorded import recorded
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.settings import load
from fabfile.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    settings = load(
        {"ssh": {"host": "nobody@127.0.0.1:9"}, "report": {"folder": str(tmp_path / "reports")}}
    )
    made = Site(settings, Server(settings), Console(), "20261123-115646")
    made.task = "deploy"
    return made


def left_by(site: Site) -> RunReport:
    assert site.report
    return RunReport.model_validate_json(Path(site.report).with_suffix(".json").read_text())


def test_without_the_server_it_is_written_here_and_hides_no_failure(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = TakenBack("watch: 500", trigger="broken", evidence="a\nb", taken_back="all of it")
    noted = site.recorder
    with (
        pytest.raises(TakenBack) as caught,
        recorded(site),
        noted.phase("one", ("good",), ("broken",), []),
    ):
        with noted.step("first"):
            pass
        with noted.step("second"):
            raise failure
    assert caught.value is failure
    report = left_by(site)
    assert (report.task, report.outcome, report.exit_code) == ("deploy", "taken back", 3)
    assert report.failure and report.failure.evidence == "a\nb"
    assert [step.outcome for step in report.phases[0].steps] == ["done", "failed"]
    assert report.live is None
    out = capsys.readouterr().out
    assert out.count("! report: not on the server") == 1
    assert out.splitlines()[-1] == f"report: {site.report}"


def test_nothing_that_goes_wrong_in_it_ends_a_run(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("fabfile.phases.recorded")
    monkeypatch.setattr(module, "record", lambda *_: 1 / 0)
    with recorded(site):
        pass
    out = capsys.readouterr().out
    assert out.strip() == "! report: ZeroDivisionError: division by zero"


def test_a_task_inside_another_leaves_the_report_to_it(site: Site, tmp_path: Path) -> None:
    with recorded(site):
        with recorded(site):
            pass
        with pytest.raises(DeployError), recorded(site, alone=False):
            raise DeployError("inside")
        assert not site.report
    assert left_by(site).outcome == "done"
    assert len(list(tmp_path.glob("reports/*/*.html"))) == 1


def test_each_task_that_moves_visitors_has_one_and_a_validation_adds_to_it(
    site: Site, tmp_path: Path
) -> None:
    with recorded(site, alone=False):
        pass
    assert not site.report, "a validation alone has none"
    with recorded(site):
        pass
    first = site.report
    with pytest.raises(DeployError), recorded(site, alone=False):
        raise DeployError("not valid")
    assert site.report == first
    assert left_by(site).outcome == "failed"
    with recorded(site):
        pass
    assert Path(site.report).stem == "20261123-115646-2"
    assert len(list(tmp_path.glob("reports/*/*.html"))) == 2
