"""Settings that are each right and together nonsense: which, and what is allowed, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings import Settings

HEARTBEAT = 10  # seconds between two heartbeats of the lock


@dataclass(frozen=True)
class Rule:
    """Settings by name, what is allowed of them together, and whether it holds."""

    names: tuple[str, ...]
    allowed: str
    holds: Callable[..., bool]


class Contradictions(ValueError):
    """Rules that do not hold: for each the settings' names, their values, and what is allowed."""

    def __init__(self, found: list[tuple[tuple[str, ...], list[Any], str]]) -> None:
        super().__init__("; ".join(words for _, _, words in found))
        self.found = found


def _different(*values: Any) -> bool:
    given = [value for value in values if value is not None]
    return len(set(given)) == len(given)


# limits.free_disk_gb and limits.disk_full_percent need none: the first refuses, the second only
# warns, and whichever is met first, the other is still right. Where the disk itself is smaller than
# the first, the doctor says so.
RULES = (
    Rule(("app.blue_port", "app.green_port"), "two different ports", _different),
    Rule(
        ("compose.app", "compose.nginx", "compose.database"), "three different services", _different
    ),
    Rule(("compose.files",), "each file once", lambda files: _different(*files)),
    Rule(
        ("folders.project", "folders.state", "folders.backups"),
        "three different folders",
        _different,
    ),
    Rule(
        ("source.kind", "source.image"),
        "with kind registry or stream an image's name, for instance site:1",
        lambda kind, image: bool(image) or kind not in ("registry", "stream"),
    ),
    Rule(
        ("nginx.rate_limits",),
        "each path once",
        lambda limits: _different(*(limit.path for limit in limits)),
    ),
    Rule(
        ("nginx.keepalive_min_timeout", "nginx.worker_shutdown_timeout"),
        "the first less than the second, which cuts what is left",
        lambda keeps, cuts: keeps < cuts,
    ),
    Rule(
        ("deploy.drain_seconds", "nginx.worker_shutdown_timeout"),
        "the first more than the second: until then old workers may stay",
        lambda drain, cuts: drain > cuts,
    ),
    Rule(
        ("canary.watch_seconds", "canary.longest_seconds"),
        "the first not more than the second, in which it is contained",
        lambda watch, longest: watch <= longest,
    ),
    Rule(
        ("nginx.preview.enabled", "nginx.manage"),
        "a preview with manage whole: it is part of our template",
        lambda preview, manage: not preview or manage == "whole",
    ),
    Rule(
        ("public.scheme", "nginx.manage"),
        "http with manage upstream: our template speaks TLS",
        lambda scheme, manage: scheme == "https" or manage == "upstream",
    ),
    Rule(
        ("deploy.lock_dead_after",),
        f"at least {3 * HEARTBEAT}: a run that lives gives a sign every {HEARTBEAT} seconds",
        lambda dead: dead >= 3 * HEARTBEAT,
    ),
    Rule(("database.user_table", "database.session_table"), "two different tables", _different),
    Rule(
        (
            "database.user_id",
            "database.role_column",
            "database.updated_column",
            "database.created_column",
        ),
        "different columns",
        _different,
    ),
    Rule(
        ("database.lock_timeout", "database.statement_timeout"),
        "the first not more than the second, which ends the statement that waits",
        lambda lock, statement: lock <= statement,
    ),
    Rule(
        ("limits.response_seconds", "meter.timeout"),
        "the first less than the second: else no answer that counts can be too slow",
        lambda slow, failed: slow < failed,
    ),
    Rule(
        ("meter.connections", "meter.requests_per_second"),
        "at most ten seconds between two requests of a connection: connections no more than "
        "ten times the requests per second",
        lambda connections, rate: connections <= 10 * rate,
    ),
)


def refuse_contradictions(settings: Settings) -> None:
    """Hold the settings against every rule.

    :raises Contradictions: some do not hold.
    """
    if found := list(_broken(settings)):
        raise Contradictions(found)


def _broken(settings: Settings) -> Iterator[tuple[tuple[str, ...], list[Any], str]]:
    for rule in RULES:
        values = [reduce(getattr, name.split("."), settings) for name in rule.names]
        if not rule.holds(*values):
            yield rule.names, values, rule.allowed
