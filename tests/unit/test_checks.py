"""Checks: their weight, and how they read."""

from __future__ import annotations

from fabfile.report.checks import Check, render
from fabfile.settings import Validation


def failed(critical: bool) -> Check:
    return Check.of("Logs", "app", False, "0", "3 lines", critical=critical)


def test_a_failure_warns_unless_it_is_critical() -> None:
    assert failed(critical=False).verdict == "warn"
    assert failed(critical=True).verdict == "fail"


def test_the_settings_can_make_a_check_or_its_group_critical() -> None:
    for entry in ("Logs", "Logs: app"):
        assert failed(critical=False).weighed(Validation(critical=(entry,))).verdict == "fail"
    assert failed(critical=False).weighed(Validation(critical=("Logs: db",))).verdict == "warn"


def test_the_settings_can_make_a_check_only_warn() -> None:
    both = Validation(critical=("Logs",), only_warn=("Logs: app",))
    assert failed(critical=True).weighed(both).verdict == "warn"


def test_a_check_that_passed_stays_passed() -> None:
    good = Check.of("Logs", "app", True, "0", "0", critical=False)
    assert good.weighed(Validation(critical=("Logs",))).verdict == "pass"


def test_a_report_says_what_was_expected_where_that_was_not_found() -> None:
    text = render([failed(critical=True)])
    assert "=== Logs ===" in text
    assert "❌ app: 3 lines (expected 0)" in text
    assert text.endswith("1 checks: 0 passed, 0 warnings, 1 failed")
