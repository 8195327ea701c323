"""05 on the lab: a good site passes, a broken one is shown whole, and nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from fabfile.errors import DeployError
from fabfile.phases.validate import Validate
from fabfile.probes.direct import by_curl
from fabfile.probes.http import direct, healthy
from fabfile.probes.witness import access_log
from fabfile.report.checks import Check
from fabfile.settings import CHECK_GROUPS
from fabfile.site import Site
from tests.programs import Done

OnServer = Callable[..., "Done"]
FAULT = "docker exec -u root 1001-stories-app sh -c 'echo {} >> /app/faults' && sleep 2"


def by_name(checks: list[Check]) -> dict[str, str]:
    return {f"{check.group}: {check.name}": check.verdict for check in checks}


def containers(site: Site) -> dict[str, str]:
    return {container.name: container.id for container in site.containers.all()}


def test_plain_production_passes_with_warnings_and_leaves_its_report(
    site: Site, on_server: OnServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = containers(site)
    phase = Validate(site)
    phase.run()
    found, printed = by_name(phase.checks), capsys.readouterr().out

    assert "fail" not in found.values(), found
    groups = {name.partition(":")[0] for name in found}
    assert groups == set(CHECK_GROUPS)
    assert found["Database: old role"] == "warn"  # nothing has been migrated here
    assert found["Security: certificate chain and name"] == "pass"
    assert containers(site) == before

    link = f"/tmp/deployment-validation-{site.release}.txt"
    assert link in printed
    text = on_server(f"cat {link}; stat -L -c %a {link}").stdout
    assert text.rstrip().endswith("600")
    assert re.search(r"\d+ checks: \d+ passed, \d+ warnings?, 0 failed", text)
    assert "✅ Main site HTTP 200" in text
    assert "0 LEARNER users" not in text.partition("=== Success Metrics ===")[2]
    password = on_server("docker exec 1001-stories-db printenv POSTGRES_PASSWORD").stdout.strip()
    assert password
    assert password not in text + printed


def test_one_look_shows_everything_that_is_broken(site: Site, on_server: OnServer) -> None:
    on_server(FAULT.format("login-broken"))
    on_server("docker stop -t 2 1001-stories-db")
    before = containers(site)
    phase = Validate(site)
    with pytest.raises(DeployError) as raised:
        phase.run()
    found = by_name(phase.checks)

    for name in (
        "Containers: 1001-stories-db",
        "Database: to be checked",
        "Application endpoints: health body",
        "Application endpoints: /login",
        "Authentication: login page /login",
    ):
        assert found[name] == "fail", found
        assert name in raised.value.reason
    assert found["Security: certificate chain and name"] == "pass"
    assert "Server: memory" in found  # the groups after the failed ones were looked at too
    assert "500 (expected 200" in raised.value.evidence
    assert "exited" in raised.value.evidence
    report = on_server(f"cat /tmp/deployment-validation-{site.release}.txt").stdout
    assert "❌ 1001-stories-db" in report
    assert containers(site) == before


def test_where_only_our_own_network_fails_the_site_is_asked_from_its_server(site: Site) -> None:
    cut = {"connect": "127.0.0.1:1", "connect_http": "127.0.0.1:1"}
    public = site.settings.public.model_copy(update=cut)
    settings = site.settings.model_copy(update={"public": public})
    away = Site(settings, type(site.server)(settings), site.console)
    phase = Validate(away)
    phase.run()
    found = by_name(phase.checks)
    away.server.close()

    assert "fail" not in found.values(), found
    assert found["Application endpoints: /login"] == "pass"
    assert found["Security: HTTP to HTTPS"] == "warn"  # that way has no plain HTTP


def test_a_port_of_the_server_is_asked_the_same_by_ssh_and_by_curl(site: Site) -> None:
    app = site.containers.service(site.settings.compose.app)
    path = site.settings.app.health_path
    ways = [
        ask(site.server, app.address, site.settings.app.port, path) for ask in (direct, by_curl)
    ]
    shut = [ask(site.server, "127.0.0.1", 3999, path) for ask in (direct, by_curl)]

    assert [healthy(answer, site.settings.app) for answer in ways] == ["", ""]
    assert ways[0].headers["Content-Type"] == ways[1].headers["Content-Type"]
    assert [answer.status for answer in shut] == [0, 0]
    assert all(answer.error and "\n" not in answer.error for answer in shut)


def test_the_log_of_a_plain_configuration_names_no_release_and_a_missing_container_is_said(
    site: Site,
) -> None:
    counts = access_log(site.server, site.nginx.container.name, "10m")
    assert {(count.colour, count.release) for count in counts} == {("", "")}
    assert sum(count.count for count in counts if count.status == 200) > 0
    with pytest.raises(DeployError, match="exit code 1"):
        access_log(site.server, "no-such-container", "10m")
