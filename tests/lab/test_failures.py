"""A release that is broken on purpose: visitors notice nothing, and the message says why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import server as lab_server
from lab.load import Load
from lab.load_result import LoadResult
from tests.lab.conftest import Fab
from tests.programs import ROOT, Done

OnServer = Callable[..., "Done"]
STATE = (
    "docker ps -a --format '{{.Names}} {{.State}} {{.ID}}' | sort; "
    "docker images --format '{{.Tag}} {{.ID}}' 1001stories | sort; "
    "sha256sum 1001-stories/nginx/nginx.conf; ls 1001-stories-deploy/releases"
)


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


@pytest.fixture
def under_load() -> Iterator[Callable[[], LoadResult]]:
    load = Load(rate=60, most_seconds=300).start()
    yield load.stop
    load.stop()


@pytest.mark.parametrize(
    ("faults", "dockerfile", "words"),
    [
        ("", "FROM lab-python\nRUN exit 7\n", "docker build"),
        ("crash-at-start", "", "does not stay up"),
        ("health-fails", "", "is not healthy after"),
        ("no-database", "", "is not healthy after"),
        ("login-broken", "", "/login: 500"),
    ],
)
def test_before_the_switch_the_site_is_never_touched(
    fab: Fab,
    on_server: OnServer,
    working_copy: Callable[..., str],
    under_load: Callable[[], LoadResult],
    faults: str,
    dockerfile: str,
    words: str,
) -> None:
    before = on_server(STATE, check=False).stdout
    done = fab("blue-green-deploy", working_copy(faults, dockerfile))
    load = under_load()
    assert done.returncode == 1, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert (load.failed, load.resent) == (0, 0), str(load)
    assert set(load.by_release) == {"production"}
    assert on_server(STATE, check=False).stdout.split() == before.split()


def test_an_nginx_configuration_with_an_error_is_refused_in_nginxs_own_words(
    fab: Fab, on_server: OnServer, tmp_path: Path, under_load: Callable[[], LoadResult]
) -> None:
    before = on_server(STATE, check=False).stdout
    template = tmp_path / "broken.conf.j2"
    shipped = (ROOT / "templates/nginx-blue-green.conf.j2").read_text()
    template.write_text(shipped.replace("proxy_connect_timeout 5s;", "proxy_conect_timeout 5s;"))
    done = fab("blue-green-deploy", f"--set=nginx.template={template}")
    load = under_load()
    assert done.returncode == 1, done.stdout + done.stderr
    assert 'unknown directive "proxy_conect_timeout"' in done.stderr
    assert (load.failed, load.resent) == (0, 0), str(load)
    assert on_server(STATE, check=False).stdout.split() == before.split()


def test_a_release_that_breaks_after_the_switch_is_taken_back_first_and_explained_second(
    fab: Fab, on_server: OnServer, psql: Callable[[str], str], working_copy: Callable[..., str]
) -> None:
    done = fab("deploy", working_copy("fails-after 8"), "--set=deploy.watch_seconds=20")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "taken back; the site is on its former release" in done.stderr
    assert done.stdout.index("take back: switch visitors") < done.stdout.index(
        "take back: start the idle colour"
    )
    assert "app-green" not in on_server("docker ps -a --format '{{.Names}}'").stdout
    status = fab("status").stdout
    assert re.search(r"live: +blue, release \S+ \(running \(healthy\)\)", status), status
    # What the emergency command would put back leads to the release that is live.
    kept = on_server("cat 1001-stories/nginx/nginx.conf.backup-*").stdout
    assert kept == on_server("cat 1001-stories/nginx/nginx.conf").stdout
    roles = "SELECT count(*) FROM \"User\" WHERE role::text = 'CUSTOMER'"
    assert psql(roles) == "0"


def test_a_second_run_at_once_is_refused_with_the_owners_name(
    fab: Fab, on_server: OnServer
) -> None:
    owner = (
        '{"token":"t","who":"ann","host":"desk","pid":7,"task":"deploy",'
        '"release":"20240828-143000","phase":"run-migration","since":"now"}'
    )
    on_server(f"mkdir -p 1001-stories-deploy; echo '{owner}' > 1001-stories-deploy/lock")
    done = fab("deploy")
    on_server("rm 1001-stories-deploy/lock")
    assert done.returncode == 1
    assert "locked by ann@desk (pid 7), deploy of release 20240828-143000" in done.stderr


def test_a_dead_owners_lock_is_taken_over_and_named(fab: Fab, on_server: OnServer) -> None:
    owner = (
        '{"token":"t","who":"ann","host":"desk","pid":7,"task":"deploy",'
        '"release":"20240828-143000","phase":"run-migration","since":"then"}'
    )
    on_server(
        f"echo '{owner}' > 1001-stories-deploy/lock; "
        "touch -d '-10 minutes' 1001-stories-deploy/lock"
    )
    done = fab("assess")
    assert done.returncode == 0, done.stderr
    assert "took over the lock of a dead run: ann@desk" in done.stdout
    assert on_server("ls 1001-stories-deploy/lock", check=False).returncode != 0


def test_a_configuration_whose_workers_drop_idle_connections_is_said_before_the_switch(
    fab: Fab, on_server: OnServer
) -> None:
    """What every nginx before 1.27.4 does: it is reported, not hidden."""
    lab_server.reset()
    on_server("sed -i '/keepalive_min_timeout/d' 1001-stories/nginx/nginx.conf")
    done = fab("assess")
    assert done.returncode == 0, done.stderr
    assert "not set: at the switch some clients may have to send again" in done.stdout
