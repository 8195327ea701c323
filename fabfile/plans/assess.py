"""What each step of assess-infrastructure would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..documents.plan import Deed
from ..server.sql_text import SHARED, fill_in, names
from .backups import makes, prunes
from .deeds import deed
from .outlook import Outlook

if TYPE_CHECKING:
    from ..phases.assess import Assess


class AssessPlan:
    """By the steps' names."""

    def __init__(self, phase: Assess) -> None:
        self.phase = phase

    def containers(self, seen: Outlook) -> Sequence[Deed]:
        return [deed("server", f"docker inspect: {', '.join(_containers(seen))}")]

    def last_logs(self, seen: Outlook) -> Sequence[Deed]:
        every = ", ".join(_containers(seen))
        return [deed("server", f"docker logs --tail 10, of {every}")]

    def machine(self, seen: Outlook) -> Sequence[Deed]:
        machine = self.phase.read_machine()
        self.phase.refuse_full(machine)
        free, limits = machine.tightest, seen.settings.limits
        return [
            deed(
                "server",
                f"reads disks, memory and load (now {free.free / 1e9:.1f} GB free on {free.mount};"
                f" under {limits.free_disk_gb:g} GB it stops)",
            )
        ]

    def database(self, seen: Outlook) -> Sequence[Deed]:
        people = seen.once("people", seen.site.database.people)
        sql = fill_in(SHARED / "counts.sql", names(seen.settings))
        return [deed("database", f"counts users, roles and sessions (now {people})", sql=[sql])]

    def certificate(self, seen: Outlook) -> Sequence[Deed]:
        public = seen.settings.public
        if public.scheme == "http":
            return [deed("public address", "nothing: the site has no TLS (public.scheme)")]
        return [
            deed(
                "public address", f"a TLS handshake: chain, and {public.certificate_days} days left"
            )
        ]

    def pages(self, seen: Outlook) -> Sequence[Deed]:
        public, app = seen.settings.public, seen.settings.app
        paths = ", ".join(dict.fromkeys([app.health_path, *public.pages]))
        return [deed("public address", f"GET {paths}, at {public.url}")]

    def sign_in(self, seen: Outlook) -> Sequence[Deed]:
        return signs_in(seen)

    def nginx(self, seen: Outlook) -> Sequence[Deed]:
        seen.once("switchable", seen.site.nginx.refuse_unswitchable)
        file = seen.site.nginx.config_file()
        return [deed("server", f"reads {file.host_path}: whether it can be written and switched")]

    def baseline(self, seen: Outlook) -> Sequence[Deed]:
        samples = max(seen.settings.limits.minimum_samples, 20)
        paths = " and ".join(seen.settings.timed_paths)
        return [
            deed("public address", f"at least {samples} requests to {paths}, one after the other"),
            deed("server", "docker stats: the memory of nginx, the app and the database"),
            deed("server", "p50, p95 and memory into the ledger, as the baseline"),
        ]

    def back_up(self, seen: Outlook) -> Sequence[Deed]:
        return [*makes(seen, "assessment", files=True), *prunes(seen, ["assessment"])]

    def report(self, seen: Outlook) -> Sequence[Deed]:
        folder = f"{seen.site.backups.parent}/assessment-{seen.site.release}"
        return [deed("server", f"writes {folder}/assessment-report.txt: what was found (0600)")]


def signs_in(seen: Outlook) -> list[Deed]:
    """The test user, as `probes.account` does it; the password is read where it is needed."""
    options, app = seen.settings.sign_in, seen.settings.app
    start = options.token_path or app.login_path
    page = f"GET {options.page}, signed in" if options.page else ""
    steps = [f"GET {start}" if start else "", f"POST {options.path} as {options.email}", page]
    return [deed("public address", ", then ".join(filter(None, steps)))]


def _containers(seen: Outlook) -> list[str]:
    return [c.name for c in seen.once("containers", seen.site.containers.all)]
