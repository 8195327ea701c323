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
from tests.lab.conftest import HERE, SETTINGS_FILE, THERE
from tests.programs import Done, program

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


def with_user(site: Site) -> Site:
    """The site with a test user of the lab, who is set."""
    user = site.settings.sign_in.model_copy(update={"email": "mercy@example.org"})
    settings = site.settings.model_copy(update={"sign_in": user})
    return Site(settings, site.server, site.console)


def test_a_test_user_signs_in_and_the_password_is_said_nowhere(
    site: Site,
    on_server: OnServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    password = "mercy-manages"
    monkeypatch.setenv("SITE_TEST_PASSWORD", password)
    phase = Validate(with_user(site))
    phase.run()
    found = {check.name: check for check in phase.checks}
    assert found["sign-in of the test user"].verdict == "pass"
    assert found["signed in /dashboard"].verdict == "pass"
    cookie = found["cookie next-auth.session-token"]
    assert (cookie.verdict, cookie.found) == ("pass", "Secure, HttpOnly, SameSite=Lax")

    for name in ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "certificate chain complete"):
        assert found[name].verdict == "pass", found[name]
    assert found["header X-Content-Type-Options"].expected == "nosniff"
    assert found["HTTP to HTTPS"].found.endswith(": 200")
    assert found["/static/site.css caching"].found == "Cache-Control: public, max-age=3600"
    assert re.fullmatch(r"200, .*B, text/css", found["/static/site.css"].found)
    assert re.search(r"\d+ of [\d,]+ lines since", found["1001-stories-app error lines"].found)
    assert found["1001-stories-nginx restarts"].found == "0 in all"

    report = f"/tmp/deployment-validation-{phase.site.release}.txt"
    everything = on_server(
        f"cat {report} 1001-stories-deploy/ledger.jsonl; "
        "docker logs 1001-stories-nginx 2>&1; docker logs 1001-stories-app 2>&1"
    ).stdout
    assert "sign-in of the test user: 302 to /dashboard" in everything
    assert password not in everything + capsys.readouterr().out


def test_a_test_user_who_cannot_sign_in_stops_a_deploy_before_anything_is_touched(
    fresh: None, on_server: OnServer
) -> None:
    def assess(**environment: str) -> Done:
        argv = ("fab", "-f", str(SETTINGS_FILE), "-H", HERE.host, "assess")
        user = "--set=sign_in.email=mercy@example.org"
        return program(*argv, user, environment={**THERE, **environment})

    before = on_server("docker ps -q; ls").stdout
    unset = assess()
    assert unset.returncode == 2
    words = "is 'SITE_TEST_PASSWORD'; allowed: a variable that is set, to the password of sign_in."
    assert f"site.sign_in.password_variable {words}" in unset.stderr
    assert on_server("docker ps -q; ls").stdout == before  # nothing was contacted

    wrong = assess(SITE_TEST_PASSWORD="not-hers")
    assert wrong.returncode == 1
    assert "the test user mercy@example.org cannot sign in to what is live now" in wrong.stderr
    assert "sign-in of the test user: 401 in " in wrong.stderr
    assert "not-hers" not in wrong.stdout + wrong.stderr
    assert on_server("ls 1001-stories-backups 2>/dev/null; true").stdout == ""


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
