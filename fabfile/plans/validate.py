"""What each step of validate-deployment would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..documents.plan import Deed, Where
from ..probes import assets, pages, resources, security, signin, users
from .assess import signs_in
from .deeds import deed, only
from .outlook import Outlook, Plan

if TYPE_CHECKING:
    from ..phases.validate import Validate

PERFORMANCE = "Performance"
USE = "Memory and CPU"
# By the group of checks: where it looks, and at what.
LOOKS: Mapping[str, tuple[Where, str]] = {
    resources.CONTAINERS: ("server", "docker inspect: state, health, restarts"),
    users.GROUP: ("database", "reads: users per role, what each stage has promised, sessions"),
    pages.GROUP: ("public address", "GET of the main page, the health page and public.pages"),
    PERFORMANCE: ("public address", "response times: p95 against the limit and the baseline"),
    security.GROUP: (
        "public address",
        "TLS versions and certificate, the headers' values, HTTP to HTTPS",
    ),
    signin.GROUP: ("public address", "GET of the page to sign in at; its cookies' flags"),
    assets.GROUP: ("public address", "GET of the assets that the main page names; their caching"),
    resources.LOGS: ("server", "docker logs since the switch, of nginx and the app: error lines"),
    resources.SERVER: ("server", "reads disks, memory and load"),
    USE: (
        "server",
        "docker stats, asked beside the other steps: limits, memory against the baseline",
    ),
}


class ValidatePlan:
    """By the steps' names."""

    def __init__(self, phase: Validate) -> None:
        self.phase = phase

    def look(self, group: str) -> Plan:
        """One group of checks."""
        if group != signin.GROUP or not self.phase.user:
            return only(*LOOKS[group])
        return lambda seen: [*only(*LOOKS[group])(seen), *signs_in(seen)]

    def find_way(self, seen: Outlook) -> Sequence[Deed]:
        path = seen.settings.app.health_path
        return [
            deed("public address", f"GET {path}; where only our network fails, from the server")
        ]

    def report(self, seen: Outlook) -> Sequence[Deed]:
        folder, release = f"{seen.settings.folders.state}/reports", seen.site.release
        path = f"{folder}/validation-{release}.txt"
        return [
            deed("server", f"writes {path} (0600): every check, what was expected and found"),
            deed("server", f"/tmp/deployment-validation-{release}.txt becomes a link to it"),
        ]

    def judge(self, seen: Outlook) -> Sequence[Deed]:
        words = "nothing, unless a critical check failed: then visitors go back, as fab rollback"
        return [deed("server", words)]
