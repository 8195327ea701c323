"""What happened, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..report.words import age

_ENDED = {
    "started": "has started",
    "done": "is done",
    "failed": "failed",
    "taken back": "failed, and is taken back",
    "needs a person": "NEEDS A PERSON",
}
_OF_A_RELEASE = ("deploy", "blue-green-deploy", "run-migration")


def sentence(told: Mapping[str, Any]) -> str:
    """`1001 Stories: deploy of 20261123-115646 is done on ubuntu@web1; visitors are on green …`.

    :param told: the notification's values.
    """
    task, phase = told["task"], told["phase"]
    of = f" of {told['release']}" if task in _OF_A_RELEASE else ""
    inside = f" in {phase}" if phase and phase != task else ""
    head = f"{told['site']}: {task}{of} {_ENDED[told['event']]}{inside} on {told['server']}"
    if told["reason"]:
        head += f": {told['reason']}"
    parts = [head, told["taken_back"] or told["state"], *_figures(told)]
    if told["event"] == "started":
        parts.append(f"by {told['who']}")
    return "; ".join(filter(None, parts))


def _figures(told: Mapping[str, Any]) -> list[str]:
    """Of a run that has ended."""
    if told["event"] == "started":
        return []
    found = []
    if told["event"] == "done" and told["live_release"]:
        found.append(f"visitors are on {told['colour']} {told['live_release']}")
    if told["requests"]:
        found.append(f"{told['requests']:,} requests, {told['failed_requests']:,} failed")
    return [*found, f"took {age(told['seconds'])}"]
