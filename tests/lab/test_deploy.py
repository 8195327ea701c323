"""The main job, end to end, as one story on one site: deploy, deploy again, roll back twice.

The tests run in their order; each starts from the state that the one before it left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from lab import server as lab_server
from lab.load import Load
from lab.load_result import LoadResult
from tests.lab.conftest import Fab, noticed
from tests.programs import ROOT, Done

OnServer = Callable[..., "Done"]
NEIGHBOURS = (
    "docker inspect --format '{{.Id}} {{.State.StartedAt}}' 1001-stories-nginx 1001-stories-db"
)
SESSIONS = """SELECT string_agg("sessionToken", ',' ORDER BY "sessionToken") FROM "Session" """
ROLES = """
SELECT string_agg(role || '=' || n, ' ' ORDER BY role)
FROM (SELECT role::text, count(*) AS n FROM "User" GROUP BY 1) AS counted
"""


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


@pytest.fixture
def under_load() -> Iterator[Callable[[], LoadResult]]:
    """A load of sixteen visitors around a test; call it to end it and see the figures."""
    load = Load(rate=50, most_seconds=300).start()
    yield load.stop
    load.stop()


def release_of(done: Done) -> str:
    found = re.search(r"(?:New version|Version): 1001stories:(\d{8}-\d{6})", done.stdout)
    assert found, done.stdout + done.stderr
    return found[1]


def refuse_a_log_without(commands: tuple[str, ...], done: Done, on_server: OnServer) -> None:
    """The full log has what was sent, and how it ended; and nothing that nobody may read."""
    name = done.stdout.splitlines()[-1].removeprefix("log: ")
    path = ROOT / name
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    for command in commands:
        [number, *_] = re.findall(rf"#(\d+) [^|\n].*{command}", text)
        assert re.search(rf"#{number} exit \d+ in \d", text), command
    shown = [line for line in done.stdout.splitlines()[:-1] if line.startswith("•")]
    assert all(line in text for line in shown)
    environment = "docker exec 1001-stories-db printenv POSTGRES_PASSWORD"
    password = on_server(environment).stdout.rstrip("\n")
    assert password
    for spelling in (password, quote(password, safe=""), password.replace("$", "$$")):
        assert spelling not in text


def test_a_deploy_takes_plain_production_to_a_new_release_and_no_request_fails(
    fab: Fab,
    on_server: OnServer,
    psql: Callable[[str], str],
    under_load: Callable[[], LoadResult],
) -> None:
    neighbours, sessions = on_server(NEIGHBOURS).stdout, psql(SESSIONS)
    started = on_server("docker inspect --format '{{.State.StartedAt}}' 1001-stories-app").stdout
    done = fab("deploy")
    load = under_load()

    assert done.returncode == 0, done.stdout + done.stderr
    refuse_a_log_without(("docker build", "pg_dump", "nginx -s reload"), done, on_server)
    release = release_of(done)
    assert noticed(load) == 0, str(load)
    assert load.by_release["production"] > 0
    assert load.by_release[release] > 0
    assert psql(ROLES) == "ADMIN=2 CUSTOMER=2"
    assert psql(SESSIONS) == sessions
    assert on_server(NEIGHBOURS).stdout == neighbours

    blue = on_server(
        "docker inspect --format '{{.State.StartedAt}} {{.State.Status}}' 1001-stories-app-blue"
    ).stdout.split()
    assert blue == [started.strip(), "exited"], "adopted without a restart, and stopped at the end"
    tags = on_server("docker images --format '{{.Tag}}' 1001stories").stdout.split()
    assert {release, "latest"} <= set(tags)


def test_it_printed_what_the_guide_expects(fab: Fab, on_server: OnServer) -> None:
    """Read from the reports that the first deploy left, and from its kept names."""
    report = on_server("cat /tmp/1001-stories-backup-*/assessment-report.txt").stdout
    assert "users by role" in report
    assert "2 ADMIN, 2 LEARNER" in report
    validation = on_server("cat /tmp/deployment-validation-*.txt").stdout
    assert "passed" in validation
    names = on_server("ls -d /tmp/1001-stories-backup-* /tmp/pre-migration-backup-*.sql").stdout
    assert re.fullmatch(
        r"/tmp/1001-stories-backup-\d{8}-\d{6}\n/tmp/pre-migration-backup-\d{8}-\d{6}\.sql\n", names
    )
    assert "X-Deploy-Colour" in on_server("cat 1001-stories/nginx/nginx.conf").stdout


def test_both_colours_health_can_be_asked_by_hand(on_server: OnServer) -> None:
    """The guide's troubleshooting, typed on the server: a stopped colour is a 502, no more."""
    ask = "curl -s -o /dev/null -w '%{http_code}' -H 'Host: 1001stories.seedsofempowerment.org' "
    assert on_server(ask + "http://127.0.0.1/green/api/health").stdout == "200"
    assert on_server(ask + "http://127.0.0.1/blue/api/health").stdout == "502"
    assert on_server("curl -s http://127.0.0.1:3001/api/health").stdout.startswith('{"status"')


def test_a_chain_of_single_tasks_under_invoke_is_the_same_as_a_deploy(
    invoke: Fab, psql: Callable[[str], str], under_load: Callable[[], LoadResult]
) -> None:
    done = invoke("assess", "migrate", "blue-green", "validate")
    load = under_load()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Infrastructure Assessment Complete. System ready for deployment." in done.stdout
    assert "Database users: 4" in done.stdout
    assert "Unhealthy containers: 0" in done.stdout
    assert "• Environment: Blue (was Green)" in done.stdout
    assert noticed(load) == 0, str(load)
    assert list(load.by_release)[-1] == release_of(done)
    assert psql(ROLES) == "ADMIN=2 CUSTOMER=2"


def test_a_rollback_goes_to_the_release_before_and_leaves_what_it_can_read(
    fab: Fab, psql: Callable[[str], str], under_load: Callable[[], LoadResult]
) -> None:
    done = fab("rollback")
    load = under_load()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "• Environment: Green (was Blue)" in done.stdout
    assert noticed(load) == 0, str(load)
    assert list(load.by_release)[-1] == release_of(done)
    assert psql(ROLES) == "ADMIN=2 CUSTOMER=2"


def test_a_rollback_to_the_old_release_moves_the_roles_back_before_the_visitors(
    fab: Fab,
    on_server: OnServer,
    psql: Callable[[str], str],
    under_load: Callable[[], LoadResult],
) -> None:
    """The load asks for a page that fails on a role which its release cannot read."""
    sessions = psql(SESSIONS)
    done = fab("rollback", "--app-only")
    load = under_load()
    assert done.returncode == 0, done.stdout + done.stderr
    assert noticed(load) == 0, str(load)
    assert list(load.by_release)[-1] == "production"
    assert psql(ROLES) == "ADMIN=2 LEARNER=2"
    assert psql(SESSIONS) == sessions
    assert on_server("cat 1001-stories-deploy/lock", check=False).returncode != 0


def test_there_is_nothing_before_the_first_release(fab: Fab) -> None:
    done = fab("rollback")
    assert done.returncode == 1
    assert "has no former release to go back to" in done.stderr
    assert "Traceback" not in done.stderr


def test_after_a_rollback_the_next_deploy_moves_the_rows_again(
    fab: Fab, psql: Callable[[str], str], under_load: Callable[[], LoadResult]
) -> None:
    done = fab("deploy")
    load = under_load()
    assert done.returncode == 0, done.stdout + done.stderr
    assert noticed(load) == 0, str(load)
    assert psql(ROLES) == "ADMIN=2 CUSTOMER=2"


def test_status_says_what_is_live(fab: Fab) -> None:
    done = fab("status")
    assert done.returncode == 0, done.stderr
    assert re.search(r"live: +green, release \d{8}-\d{6} \(running \(healthy\)\)", done.stdout)
    assert re.search(r"lock: +free", done.stdout)
