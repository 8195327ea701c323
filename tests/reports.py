"""Made-up records: a deploy that went well, and the same taken back, with figures that add up."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from typing import Any

from fabfile.documents.report import RunReport

BEGAN = datetime(2026, 11, 23, 11, 56, 46, tzinfo=timezone.utc)
FORMER, NEW = "20261122-091500", "20261123-115646"
ASSESS = (
    ("containers: state and health", 0.4),
    ("the last log lines of each service", 0.5),
    ("disk, memory, load", 0.2),
    ("database: reachable, users, roles", 0.4),
    ("certificate", 0.1),
    ("health and main page over HTTPS", 0.6),
    ("nginx: its configuration can be switched", 0.7),
    ("baseline of response times", 0.9),
    ("verified backup", 2.6),
    ("assessment report", 0.1),
)
MIGRATE = (
    ("check the database and what is expected of it", 0.5),
    ("create the migration log", 0.2),
    ("back up before the migration", 1.4),
    ("expand: add what is new beside the old", 0.4),
    ("data: move the rows, or leave them for the switch", 0.3),
    ("validate users and sessions", 0.2),
)
SWITCH = (
    ("see what is live", 0.6),
    ("get the code onto the server", 0.8),
    (f"build 1001stories:{NEW}", 8.2),
    ("start the idle colour", 2.1),
    ("wait until it is healthy", 4.4),
    ("ask it directly: health, database, pages", 0.3),
    ("adopt the plain app container as blue", 0.1),
    ("move back roles that it cannot read", 0.2),
    (f"switch visitors to {NEW}, and prove it", 1.9),
)
AFTER = (
    ("let old nginx workers finish", 2.2),
    ("watch the new release", 30.1),
    ("its memory, CPU and response times", 2.6),
    ("move the rows that waited for the switch", 0.6),
    ("stop the former colour", 1.1),
    ("close the migration", 0.4),
    ("tag latest, prune images", 0.5),
)
VALIDATE = (
    ("which way the site can be asked", 0.1),
    ("Containers", 1.9),
    ("Database", 0.6),
    ("Application endpoints", 0.4),
    ("Performance", 0.5),
    ("validation report", 0.2),
    ("judgement", 0.0),
)
CRITERIA = ("the new colour's container is healthy", "the main site responds through it")
TRIGGERS = ("its health checks fail", "authentication is broken after the switch")
EVIDENCE = """\
/api/auth/signin: 500, answered by green 20261123-115646: <!doctype html><title>Error</title>
release 20261123-115646 listens on port 3000
GET /api/health 200 1ms
GET /api/auth/signin 500 0ms
TypeError: cannot read properties of undefined (reading 'session') at assert.js:58:21"""


def deploy(**changes: Any) -> RunReport:
    """A deploy from blue to green in which no request failed."""
    clock = 1.1
    phases = []
    for name, steps in (
        ("assess-infrastructure", ASSESS),
        ("run-migration", MIGRATE),
        ("blue-green-deploy", (*SWITCH, *AFTER)),
        ("validate-deployment", VALIDATE),
    ):
        phases.append(_phase(name, steps, clock))
        clock += phases[-1]["seconds"] + 0.2
    switched = next(s["began"] for s in phases[2]["steps"] if s["title"].startswith("switch")) + 0.5
    values = _values(clock + 1.0, phases) | {
        "marks": [_mark(switched, "green", NEW)],
        "traffic": [_traffic(0.6, clock, [(0, FORMER), (switched, NEW)])],
        "visitors": [
            {"colour": "blue", "release": FORMER, "requests": 3211, "failed": 0},
            {"colour": "green", "release": NEW, "requests": 5903, "failed": 0},
        ],
        "live": {"colour": "green", "release": NEW},
        "people_after": {"users": 4, "roles": {"CUSTOMER": 2, "ADMIN": 2}, "sessions": 3},
    }
    return RunReport.model_validate(values | changes)


def taken_back(**changes: Any) -> RunReport:
    """A release that breaks after the switch: visitors met it for some seconds."""
    phases = [_phase("assess-infrastructure", ASSESS, 1.1)]
    phases.append(_phase("run-migration", MIGRATE, 8.2))
    broken = _phase(
        "blue-green-deploy", (*SWITCH, *AFTER[:1], ("watch the new release", 4.3)), 12.4
    )
    broken["outcome"] = broken["steps"][-1]["outcome"] = "failed"
    clock = broken["began"] + broken["seconds"]
    for title, seconds in (("switch visitors to it", 2.4), ("start the idle colour", 1.2)):
        step = _step(title, seconds, clock)
        broken["steps"].append(step | {"takes_back": True})
        clock += seconds
    broken["seconds"] = clock - broken["began"]
    phases.append(broken)
    switched = next(s["began"] for s in broken["steps"] if s["title"].startswith("switch")) + 0.5
    back = clock - 3.2
    traffic = _traffic(0.6, clock, [(0, FORMER), (switched, NEW), (back, FORMER)])
    failed = 0
    for moment in traffic["moments"]:
        if switched + 2 <= moment["at"] < back:
            taken = 3 if moment["by_release"][NEW] > 3 else 1
            moment["by_release"][NEW] -= taken
            moment["failed"] += taken
            failed += taken
    traffic |= {
        "failed": failed,
        "times": [*traffic["times"], {**traffic["times"][0], "label": "back"}],
        "longest_gap": 0.81,
        "failures": [
            {
                "at": switched + 2.3 + n / 4,
                "path": "/api/auth/signin",
                "what": "500",
                "where": "site",
            }
            for n in range(min(failed, 20))
        ],
    }
    values = _values(clock + 1.0, phases) | {
        "outcome": "taken back",
        "exit_code": 3,
        "marks": [
            _mark(switched, "green", NEW),
            _mark(back, "blue", FORMER) | {"back": True, "what": f"visitors back to blue {FORMER}"},
        ],
        "traffic": [traffic],
        "visitors": [
            {"colour": "blue", "release": FORMER, "requests": 2210, "failed": 0},
            {"colour": "green", "release": NEW, "requests": 403, "failed": 61},
        ],
        "failure": {
            "reason": "watch the new release: /api/auth/signin answers 500; allowed: 200, 302",
            "trigger": TRIGGERS[1],
            "evidence": EVIDENCE,
            "taken_back": f"visitors back on blue {FORMER}; app-green removed (in 3.6 s)",
            "state": f"visitors are back on blue {FORMER}",
            "next_command": "read the evidence, mend it, then the same command again",
        },
        "notes": ["after 40 s some old nginx workers still hold connections"],
    }
    return RunReport.model_validate(values | changes)


def _values(seconds: float, phases: list[dict[str, Any]]) -> dict[str, Any]:
    people = {"users": 4, "roles": {"LEARNER": 2, "ADMIN": 2}, "sessions": 3}
    return {
        "version": 1,
        "id": NEW,
        "release": NEW,
        "task": "deploy",
        "site": "1001 Stories",
        "url": "https://1001stories.seedsofempowerment.org",
        "server": "ubuntu@server.example.org",
        "who": "ann@desk",
        "began": BEGAN,
        "seconds": seconds,
        "outcome": "done",
        "exit_code": 0,
        "former": {"colour": "blue", "release": FORMER},
        "live": {"colour": "blue", "release": FORMER},
        "failure": None,
        "phases": phases,
        "marks": [],
        "traffic": [],
        "visitors": [],
        "bounds": {
            "baseline": _times("baseline", 40, 0.009),
            "factor": 2.0,
            "noticeable": 0.05,
            "limit": 2.0,
        },
        "checks": _checks(),
        "people_before": people,
        "people_after": people,
        "backups": [
            {
                "name": f"{kind}-{NEW}",
                "kind": kind,
                "bytes": size,
                "database_bytes": 8_123_456,
                "verified": True,
            }
            for kind, size in (("assessment", 213_000), ("pre-migration", 101_000))
        ],
        "image": {"name": f"1001stories:{NEW}", "bytes": 187_400_000},
        "notes": [],
    }


def _phase(name: str, steps: tuple[tuple[str, float], ...], began: float) -> dict[str, Any]:
    clock, made = began, []
    for title, seconds in steps:
        made.append(_step(title, seconds, clock))
        clock += seconds
    return {
        "name": name,
        "began": began,
        "seconds": clock - began,
        "outcome": "done",
        "criteria": CRITERIA,
        "triggers": TRIGGERS,
        "steps": made,
    }


def _step(title: str, seconds: float, began: float) -> dict[str, Any]:
    return {
        "title": title,
        "began": began,
        "seconds": seconds,
        "outcome": "done",
        "takes_back": False,
    }


def _mark(at: float, colour: str, release: str) -> dict[str, Any]:
    what = f"visitors to {colour} {release}"
    return {"at": at, "what": what, "colour": colour, "release": release, "back": False}


def _times(label: str, samples: int, middle: float) -> dict[str, Any]:
    return {
        "label": label,
        "samples": samples,
        "p50": middle,
        "p95": middle * 1.8,
        "maximum": middle * 4.2,
    }


def _traffic(began: float, end: float, turns: list[tuple[float, str]]) -> dict[str, Any]:
    chance = random.Random(5)
    moments: list[dict[str, Any]] = []
    for place in range(int(end - began)):
        at = began + place
        name = [release for since, release in turns if since <= at][-1]
        mean = 0.008 + 0.004 * chance.random()
        moments.append(
            {
                "at": at,
                "by_release": {name: 10},
                "failed": 0,
                "limited": 0,
                "mean": mean,
                "slowest": mean * (1.5 + 3 * chance.random()),
            }
        )
    by_release = {name: sum(m["by_release"].get(name, 0) for m in moments) for _, name in turns}
    sent = sum(by_release.values())
    return {
        "began": began,
        "seconds": end - began,
        "sent": sent,
        "answered": sent,
        "failed": 0,
        "failed_in_own_network": 0,
        "limited": 0,
        "resent": 0,
        "skipped": 0,
        "by_release": by_release,
        "longest_gap": 0.12,
        "gap_began": 31.0,
        "times": [_times("before", 310, 0.0091), _times("after", 420, 0.0084)],
        "interval": 1.0,
        "moments": moments,
        "failures": [],
    }


def _checks() -> list[dict[str, Any]]:
    rows = (
        (
            "Containers",
            "1001-stories-app-green",
            "pass",
            "running and healthy",
            "running (healthy)",
        ),
        ("Containers", "1001-stories-app-green restarts", "pass", "0", "0"),
        ("Containers", "1001-stories-db memory", "pass", "under 90 %", "1.3 % (26MiB / 1.9GiB)"),
        ("Database", "reachable", "pass", "an answer", "4 users"),
        ("Database", "CUSTOMER users", "pass", "2", "2"),
        ("Application endpoints", "main page", "pass", "200", "200"),
        ("Application endpoints", "/favicon.ico", "warn", "200", "404"),
        ("Performance", "response times", "pass", "p95 under 2 s", "p50 9 ms, p95 15 ms"),
        ("Security", "Strict-Transport-Security", "warn", "present", "missing"),
    )
    keys = ("group", "name", "verdict", "expected", "found")
    return [
        dict(zip(keys, row, strict=True)) | {"phase": "validate-deployment", "critical": False}
        for row in rows
    ]
