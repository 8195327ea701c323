"""The guide's Success Metrics: a line only for what was really checked and passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..report.checks import MARKS, Check


@dataclass(frozen=True)
class Metric:
    """One line of the guide.

    :param text: the guide's words; empty: what the checks found.
    :param group: the group of the checks that must all have passed.
    :param names: how their names begin.
    """

    section: str
    text: str
    group: str
    names: tuple[str, ...] = ("",)


DATABASE = "Database Migration Success"
APPLICATION = "Application Deployment Success"
SYSTEM = "System Performance Success"
FLOWS = ("login page", "sign-in", "signed in", "protected")
METRICS = (
    Metric(DATABASE, "", "Database", ("old role",)),
    Metric(DATABASE, "", "Database", ("new role",)),
    Metric(DATABASE, "Other roles unchanged", "Database", ("other roles",)),
    Metric(DATABASE, "User sessions present", "Database", ("sessions",)),
    Metric(DATABASE, "No data loss", "Database", ("no user lost",)),
    Metric(APPLICATION, "Main site HTTP 200", "Application endpoints", ("main page",)),
    Metric(APPLICATION, "Health endpoint healthy", "Application endpoints", ("health body",)),
    Metric(APPLICATION, "Authentication flows working", "Authentication", FLOWS),
    Metric(APPLICATION, "Universal dashboard accessible", "Authentication", ("protected /dash",)),
    Metric(APPLICATION, "Admin panel functional", "Authentication", ("protected /admin",)),
    Metric(SYSTEM, "Response times within the limits", "Performance"),
    Metric(SYSTEM, "Container health checks passing", "Containers"),
    Metric(SYSTEM, "No critical errors in logs", "Logs"),
    Metric(SYSTEM, "SSL certificates valid", "Security", ("certificate",)),
    Metric(SYSTEM, "Security headers present", "Security", ("header",)),
)


def success_metrics(checks: Sequence[Check]) -> list[str]:
    """The guide's list, as far as the checks bear it out; headings without a line are left out."""
    lines: dict[str, list[str]] = {}
    for metric in METRICS:
        seen = [c for c in checks if c.group == metric.group and c.name.startswith(metric.names)]
        if seen and all(check.verdict == "pass" for check in seen):
            text = metric.text or ", ".join(check.found for check in seen)
            lines.setdefault(metric.section, []).append(f"{MARKS['pass']} {text}")
    return [line for section, members in lines.items() for line in (section, *members)]
