"""05-validate-deployment.sh: is the site as it has to be? Everything is looked at, then judged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial

from ..commands import docker
from ..errors import DeployError, Interrupted, ServerUnreachable, ValidationFailed
from ..plans.validate import PERFORMANCE, USE, ValidatePlan
from ..probes import account, assets, metrics, pages, resources, security, signin, users
from ..probes.http import Visitor, healthy
from ..probes.timing import Timing, Verdict, judge, measure_patiently
from ..probes.use import baseline as memory_baseline
from ..probes.use import by_role, check_growth
from ..report.checks import MARKS, Check, render, show
from ..server.containers import Container
from ..server.forwarding import ForwardingRefused
from ..server.ledger import Entry
from ..server.live import Live
from ..server.machine import read_machine
from ..server.migration_log import standing
from ..server.migrations import Migrations
from ..server.role_migration import RoleMigration
from ..site import Site
from .figures import Figures
from .phase import Phase, Step

# Where looking itself fails: without containers or database there is no site.
CRITICAL_GROUPS = (resources.CONTAINERS, users.GROUP)
SINCE_UNKNOWN = "10m"  # of the logs, where the ledger knows no switch


CRITICAL = "critical validations fail"
EXPERIENCE = "the user experience is broken"
DEGRADED = "performance degradation above limits.slower_than_baseline"
# A failed check's trigger, by its group; the worst one first.
TRIGGER_OF = {pages.GROUP: EXPERIENCE, signin.GROUP: EXPERIENCE, PERFORMANCE: DEGRADED}


class Validate(Phase):
    """Changes nothing on the site; its report is saved on the server.

    :param baseline: response times before the deploy; without them only the limit counts.
    :param use: what the containers use, as the phase before has asked; asked anew if it is old.
    """

    name = "validate-deployment"
    script = "05-validate-deployment.sh"
    criteria = (
        "all validation tests pass",
        "user flows are functional",
        "performance is within the baseline",
        "the system is stable",
    )
    triggers = (CRITICAL, EXPERIENCE, DEGRADED)
    changes = False

    def __init__(
        self, site: Site, baseline: Timing | None = None, use: Figures | None = None
    ) -> None:
        super().__init__(site)
        self.baseline = baseline
        self.use = use
        self.visitor = Visitor(self.settings.public, user_agent="deploy-validate")
        self.user = account.account(self.settings.sign_in)
        self._way = contextlib.ExitStack()
        self.saved = ""  # path of the report on the server

    def steps(self) -> Sequence[Step]:
        expect, plan = self.settings.expect, ValidatePlan(self)
        looks: tuple[tuple[str, Callable[[], list[Check]]], ...] = (
            (resources.CONTAINERS, self.containers),
            (users.GROUP, self.database),
            (pages.GROUP, self.endpoints),
            (PERFORMANCE, self.performance),
            (security.GROUP, lambda: security.check_security(self.visitor, expect)),
            (signin.GROUP, self.authentication),
            (assets.GROUP, lambda: assets.check_assets(self.visitor, expect)),
            (resources.LOGS, self.logs),
            (resources.SERVER, self.machine),
        )
        use = partial(self._look, resources.CONTAINERS, self.containers_use)
        return (
            Step("which way the site can be asked", self.find_way, plan=plan.find_way),
            *(Step(g, partial(self._look, g, look), plan=plan.look(g)) for g, look in looks),
            Step(USE, use, plan=plan.look(USE)),  # last: its figures come while the others look
            Step("validation report", self.report, plan=plan.report),
            Step("judge what was found", self.judge, plan=plan.judge),
        )

    def run(self) -> None:
        with self._way:
            super().run()

    @property
    def state(self) -> str:
        live: Live | None = self.__dict__.get("_live")
        what = f"{live.colour} {live.release} is live; " if live else ""
        return f"{what}the validation itself changed nothing"

    def find_way(self) -> None:
        """From here; where our own network fails and the site answers on its server, from there."""
        if not (self.use and self.use.recent):
            self.use = Figures(self.site, lambda: self._live.container)
        path = self.settings.app.health_path
        if self.visitor.ask(path).status:
            return
        with contextlib.suppress(ForwardingRefused):
            if self.site.live.answers_inside():
                self._ask_from_inside()

    def _ask_from_inside(self) -> None:
        self.visitor = self._way.enter_context(self.site.live.inside())
        self.console.warn("no answer on this machine's network; asking from the server's side")

    def containers(self) -> list[Check]:
        needed = list(self.site.containers.by_role(self._live.container).values())
        known = [container.id for container in needed if container.id]
        others = [c for c in self.site.containers.all() if c.id not in known]
        started = self.server.run(docker.started(*known), check=False).lines
        return resources.check_containers(
            needed,
            others,
            started=dict(line.split(" ", 1) for line in started),
            switched=self._switched,
        )

    def containers_use(self) -> list[Check]:
        assert self.use
        reading = self.use.result()
        before, times = memory_baseline(self._entries), self.settings.expect.memory_times
        return [
            *resources.judge_use(self.server, reading.use, self.settings.limits),
            *check_growth(by_role(reading.use, reading.roles), before, reading.roles, times),
        ]

    def database(self) -> list[Check]:
        people, migrations = self.site.database.people(), Migrations(self.site)
        checks = [users.check_reachable(people)]
        for migration in migrations.roles[-1:]:  # what came later may move them on
            checks += users.check_roles(people.roles, migration.roles, self._promise(migration))
        if migrations.all and any(migrations.every().values()):
            checks.append(users.check_settled(migrations.unsettled()))
        if self.settings.database.session_table:
            sessions = self.site.database.sessions_per_user()
            checks.append(users.check_sessions(sessions, people))
        return checks

    def endpoints(self) -> list[Check]:
        app = self.settings.app
        health = pages.patiently(self.visitor, app.health_path)
        problem = healthy(health, app)
        of = partial(Check.of, pages.GROUP)
        return [
            *pages.check_main_page(self.visitor),
            of(
                "health body",
                not problem,
                f"status {' or '.join(app.health_status)}" if app.health_status else "200",
                problem or " ".join(health.body.split())[:200],
                critical=not health.limited,
            ),
            *pages.check_pages(self.visitor, self.settings),
        ]

    def performance(self) -> list[Check]:
        limits = self.settings.limits
        paths = self.settings.timed_paths  # the baseline's
        timing, compared = measure_patiently(self.visitor, paths, self.baseline, limits)
        alone = judge(None, timing, limits)
        limit, times = f"p95 under {limits.response_seconds:g} s", limits.slower_than_baseline
        of = partial(Check.of, PERFORMANCE)
        checks = [
            of("response times", alone.word == "good", limit, str(timing), critical=_slow(alone))
        ]
        if self.baseline:
            expected = f"at most {times:g} x the baseline"
            good, critical = compared.word == "good", _slow(compared)
            checks.append(
                of("against the baseline", good, expected, compared.reason, critical=critical)
            )
        return checks

    def authentication(self) -> list[Check]:
        if self.user is None:
            self.console.detail("nobody signs in: no test user is set (sign_in.email)")
        # Of its own: the other checks are those of a visitor who is not signed in.
        visitor = Visitor(self.visitor.public, user_agent="deploy-validate")
        return [
            *signin.check_sign_in(self.visitor, self.settings),
            *account.check_account(visitor, self.settings, self.user),
        ]

    def logs(self) -> list[Check]:
        since = self._switched or SINCE_UNKNOWN
        looked_at: tuple[tuple[Container, str], ...] = (
            (self.site.nginx.container, resources.NGINX_ERRORS),
            (self._live.container, resources.APP_ERRORS),
        )
        return [
            resources.check_log(self.server, container, since, pattern, self.settings.expect)
            for container, pattern in looked_at
        ]

    def machine(self) -> list[Check]:
        folders = self.settings.folders
        machine = read_machine(self.server, folders.project, folders.backups, "/var/lib/docker")
        return resources.check_machine(machine, self.settings.limits)

    # -- the end -------------------------------------------------------------------------------

    def report(self) -> None:
        """Save the report on the server, and show it here."""
        release, folders = self.site.release, self.settings.folders
        folder = f"{folders.state}/reports"
        path, link = (
            f"{folder}/validation-{release}.txt",
            f"/tmp/deployment-validation-{release}.txt",
        )
        passed = metrics.success_metrics(self.checks)
        heading = [
            f"{self.settings.name}: validation {release}",
            f"{self.server}, {self.server.now()}",
        ]
        text = [*heading, "", render(self.checks), "", "=== Success Metrics ===", *passed, ""]
        self.server.make_folders(folder, mode="0700")
        self.server.write(path, "\n".join(text), mode=0o600)
        # -T: a folder of that name in /tmp is not a place to put the link into.
        linked = self.server.run(["ln", "-sfT", path, link], check=False).ok
        show(self.console, self.checks)
        for line in passed:
            self.console.fact(f"  {line}" if line.startswith(MARKS["pass"]) else line)
        self.saved = link if linked else path
        self.console.fact(f"report on the server: {self.saved}")

    def judge(self) -> None:
        """:raises ValidationFailed: a critical check failed; the caller takes the site back."""
        failed = [check for check in self.checks if check.verdict == "fail"]
        if failed:
            raise ValidationFailed(
                f"{len(failed)} of {len(self.checks)} checks failed that must not: "
                f"{', '.join(f'{check.group}: {check.name}' for check in failed)}",
                evidence="\n".join(f"{check.group}: {check.line}" for check in failed),
                state=self.state,
                next_command="fab rollback, or mend what the evidence names and fab "
                "validate-deployment",
                trigger=min(
                    (TRIGGER_OF.get(check.group, CRITICAL) for check in failed),
                    key=self.triggers.index,
                ),
            )

    def document(self) -> dict[str, object]:
        """What only this phase's document has."""
        live: Live | None = vars(self).get("_live")
        return {
            "colour": live.colour if live else None,
            "live_release": live.release if live else None,
            "report": self.saved or None,
        }

    # -- how -----------------------------------------------------------------------------------

    def _look(self, group: str, look: Callable[[], list[Check]]) -> None:
        """Run a group's checks; one that cannot be made is a failed one, and the rest go on."""
        weights = self.settings.validation
        try:
            self.checks += [check.weighed(weights) for check in look()]
        except (ServerUnreachable, Interrupted):
            raise
        except DeployError as error:
            critical = group in CRITICAL_GROUPS
            failed = Check.of(
                group, "to be checked", False, "an answer", error.reason, critical=critical
            )
            self.checks.append(failed.weighed(weights))

    @cached_property
    def _live(self) -> Live:
        return self.site.live.read()

    @cached_property
    def _entries(self) -> list[Entry]:
        return self.site.ledger.entries()

    @property
    def _switched(self) -> str:
        """When visitors came to what is live; empty where the ledger knows no switch."""
        return next((e.time for e in reversed(self._entries) if e.event == "switched"), "")

    def _promise(self, migration: RoleMigration) -> users.Promise:
        entries = migration.entries()
        data = standing(entries, "data")
        return users.Promise(
            moved=data is not None,
            closed=standing(entries, "contract") is not None,
            before=(data.counts_before or {}).get("roles", {}) if data else {},
            now=data is not None and data.release == self.site.release,
        )


def _slow(verdict: Verdict) -> bool:
    """Too few samples say nothing about the release."""
    return verdict.word == "slow"
