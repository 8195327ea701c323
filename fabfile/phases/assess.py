"""01-assess-infrastructure.sh: is the site fit for a deploy, and is there a way back?"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CommandFailed, DeployError
from ..plans.assess import AssessPlan
from ..probes.account import account, check_account
from ..probes.http import Visitor, healthy
from ..probes.pages import check_pages
from ..probes.timing import measure
from ..probes.tls import certificate
from ..probes.use import by_role
from ..report.checks import Check, render
from ..report.words import size
from ..server.backups import Backup
from ..server.machine import Machine, read_machine
from ..server.people import People
from ..settings import COLOURS
from ..site import Site
from .figures import Figures
from .phase import Phase, Step
from .record import note_people

GIGABYTE = 1024**3


UNREACHABLE = "the database is unreachable"
DISK_FULL = "critical disk space issues"
NO_BACKUP = "the backup cannot be created"


class Assess(Phase):
    """Reads everything, changes nothing but the backup folder.

    :param waits: for what containers use, which the engine takes seconds to say; False: whoever
        goes on calls `note_memory` later.
    """

    name = "assess-infrastructure"
    script = "01-assess-infrastructure.sh"
    criteria = (
        "all containers report status",
        "the database responds to queries",
        "the backup file was created and validated",
        "system resources are within acceptable limits",
    )
    triggers = (UNREACHABLE, DISK_FULL, NO_BACKUP)
    changes = False

    backup: Backup
    people: People
    use: Figures

    def __init__(self, site: Site, *, waits: bool = True) -> None:
        super().__init__(site)
        self.waits = waits
        self.user = account(self.settings.sign_in)
        self.logs: list[str] = []
        self.unhealthy = 0

    def steps(self) -> Sequence[Step]:
        plan = AssessPlan(self)
        sign_in = Step("sign-in of the test user", self.sign_in, plan=plan.sign_in)
        return (
            Step("containers: state and health", self.containers, plan=plan.containers),
            Step("the last log lines of each service", self.last_logs, plan=plan.last_logs),
            Step("disk, memory, load", self.machine, trigger=DISK_FULL, plan=plan.machine),
            Step(
                "database: reachable, users, roles",
                self.database,
                trigger=UNREACHABLE,
                plan=plan.database,
            ),
            Step("certificate", self.certificate, plan=plan.certificate),
            Step("health and main page over HTTPS", self.pages, plan=plan.pages),
            *([sign_in] if self.user else []),
            Step("nginx: its configuration can be switched", self.nginx, plan=plan.nginx),
            Step("verified backup", self.back_up, trigger=NO_BACKUP, plan=plan.back_up),
            Step("baseline of response times and memory", self.baseline, plan=plan.baseline),
            Step("assessment report", self.report, plan=plan.report),
        )

    def containers(self) -> None:
        found = self.site.containers.all()
        self.use = Figures(self.site, lambda: self.site.live.read().container)
        colours = [c for c in found if c.name in map(self.settings.app.container_of, COLOURS)]
        for container in found:
            if container in colours and not container.running and any(c.running for c in colours):
                continue  # the idle colour rests
            well = container.running and container.health in ("", "healthy")
            # `starting` is worth a line, but nobody knows yet that it is unhealthy.
            self.unhealthy += not container.running or container.health == "unhealthy"
            self._note("containers", container.name, well, "running, healthy", container.status)

    def last_logs(self) -> None:
        for container in self.site.containers.all():
            lines = self.site.containers.last_logs(container.name, 10)
            self.logs += [f"--- {container.name}", lines]

    def machine(self) -> None:
        """:raises DeployError: less room than a deploy needs."""
        limits, machine = self.settings.limits, self.read_machine()
        disk, wanted = machine.tightest, limits.free_disk_gb
        free = disk.free / GIGABYTE
        self._note(
            "system", f"free on {disk.mount}", free >= wanted, f"{wanted:g} GB", f"{free:.1f} GB"
        )
        self._note(
            "system",
            f"{disk.mount} is full to",
            disk.percent < limits.disk_full_percent,
            f"under {limits.disk_full_percent} %",
            f"{disk.percent} %",
        )
        available = 100 * machine.memory_available / machine.memory
        self._note("system", "memory available", available > 10, "over 10 %", f"{available:.0f} %")
        self._note(
            "system",
            "load of the last minute",
            machine.load < 4 * machine.processors,
            f"under {4 * machine.processors}",
            f"{machine.load:g}",
        )
        self.refuse_full(machine)

    def read_machine(self) -> Machine:
        """The server as it is, with the disks that a deploy needs."""
        folders = self.settings.folders
        return read_machine(self.server, folders.project, folders.backups, "/var/lib/docker")

    def refuse_full(self, machine: Machine) -> None:
        """:raises DeployError: less room than a deploy needs."""
        disk, wanted = machine.tightest, self.settings.limits.free_disk_gb
        if disk.free / GIGABYTE < wanted:
            raise DeployError(
                f"{disk.free / GIGABYTE:.1f} GB free on {disk.mount}; a deploy needs {wanted:g} GB",
                state="nothing was touched",
                next_command="on the server: docker system df; du -xsh /var/lib/docker "
                f"{self.settings.folders.backups}; or lower limits.free_disk_gb",
            )

    def database(self) -> None:
        self.people = people = self.site.database.people()
        note_people(self.site, people)
        some = people.users > 0 or not people.known
        self._note("database", "users by role", some, "some users", str(people))
        self._note("database", "version", True, "", self.site.database.version())

    def certificate(self) -> None:
        public = self.settings.public
        if public.scheme == "http":
            self.console.detail("none: the site has no TLS (public.scheme)")
            return
        seen = certificate(public)
        self._note(
            "certificate",
            "chain",
            seen.verified,
            "verified",
            "verified" if seen.verified else seen.why,
        )
        self._note(
            "certificate",
            "days left",
            seen.days_left >= public.certificate_days,
            f"at least {public.certificate_days}",
            f"{seen.days_left}",
        )

    def pages(self) -> None:
        visitor = Visitor(self.settings.public)
        health = visitor.ask(self.settings.app.health_path)
        problem = healthy(health, self.settings.app)
        if not health.status and not self.site.live.ask().status:
            raise DeployError(
                f"the public site does not answer: {health.error}",
                state="nothing was touched",
                next_command="mend what the reason names (certificate, nginx) before a deploy",
            )
        self._note("application", "health", not problem, "healthy", problem or "healthy")
        self.checks += check_pages(visitor, self.settings)

    def sign_in(self) -> None:
        """A password that is wrong already would later be taken for the new release's fault.

        :raises DeployError: the test user cannot sign in now.
        """
        visitor = Visitor(self.settings.public, user_agent="deploy-assess")
        checks = check_account(visitor, self.settings, self.user)
        failed = [check for check in checks if check.verdict == "fail"]
        if failed:
            raise DeployError(
                f"the test user {self.settings.sign_in.email} cannot sign in to what is live now",
                evidence="\n".join(check.line for check in failed),
                state="nothing was touched",
                next_command="mend sign_in in the settings; or without the test user: "
                "--set sign_in.email=",
            )
        self.console.detail(checks[0].found)

    def nginx(self) -> None:
        """:raises DeployError: the configuration is not one that can be switched."""
        self.site.nginx.refuse_unswitchable()
        keeps = "keepalive_min_timeout" in self.site.nginx.read()
        version = ".".join(map(str, self.site.nginx.version))
        self._note(
            "nginx",
            f"{version}, leaving workers keep idle connections",
            keeps,
            "keepalive_min_timeout in the configuration that runs (nginx 1.27.4 and later)",
            "set" if keeps else "not set: at the switch some clients may have to send again",
        )

    def baseline(self) -> None:
        visitor = Visitor(self.settings.public, user_agent="deploy-baseline")
        paths = self.settings.timed_paths
        samples = max(self.settings.limits.minimum_samples, 20)
        self.site.baseline = timing = measure(visitor, paths, samples)
        self.site.log("baseline", timing=timing.to_json())
        self.console.detail(f"p50 {timing.p50 * 1000:.0f} ms, p95 {timing.p95 * 1000:.0f} ms")
        if self.waits:
            self.note_memory()

    def note_memory(self) -> None:
        """Memory by role into the ledger; without figures the validation has nothing to compare."""
        try:
            reading = self.use.result()
        except CommandFailed as error:
            self.console.warn(f"memory is not measured: {error.reason}")
            return
        memory = by_role(reading.use, reading.roles)
        self.site.log("memory", memory=memory)
        self.console.detail(", ".join(f"{role} {size(amount)}" for role, amount in memory.items()))

    def back_up(self) -> None:
        self.backup = self.site.backups.create("assessment", self.site.release, files=True)
        self.site.backups.prune()

    def report(self) -> None:
        text = "\n".join([render(self.checks), "", "Last log lines", *self.logs, ""])
        self.site.backups.write_into(self.backup, "assessment-report.txt", text)

    def summary(self) -> list[str]:
        """The guide's expected output."""
        project = self.settings.folders.project.rsplit("/", 1)[-1]
        return [
            "Infrastructure Assessment Complete. System ready for deployment.",
            f"Backup created in: /tmp/{project}-backup-{self.site.release}/",
            f"Database users: {self.people.users if self.people.known else self.people}",
            f"Unhealthy containers: {self.unhealthy}",
        ]

    def document(self) -> dict[str, object]:
        """What only this phase's document has."""
        backup: Backup | None = vars(self).get("backup")
        return {"backup": backup.name if backup else None}

    def _note(self, group: str, name: str, good: bool, expected: str, found: str) -> None:
        self.checks.append(
            Check(group, name, "pass" if good else "warn", expected, found, critical=False)
        )
        if good:
            self.console.detail(f"{name}: {found}")
        else:
            self.console.warn(f"{name}: {found} (expected: {expected})")
