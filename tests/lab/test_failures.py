"""What a failed or refused run leaves and says, beside the table of test_triggers.py."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable

import pytest

from lab import server as lab_server
from tests.lab.conftest import HERE, SETTINGS_FILE, THERE, Fab
from tests.programs import BIN, ROOT, Done

OnServer = Callable[..., "Done"]


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


def test_a_release_that_breaks_after_the_switch_is_taken_back_first_and_explained_second(
    fab: Fab, on_server: OnServer, psql: Callable[[str], str], working_copy: Callable[..., str]
) -> None:
    done = fab("deploy", working_copy("fails-after 8"), "--set=deploy.watch_seconds=20")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "rollback trigger: " in done.stderr
    assert re.search(r"taken back: .*visitors back on blue \S+; .* removed \(in ", done.stderr)
    assert re.search(r"state: visitors are back on blue \S+", done.stderr)
    [log] = re.findall(r"(?m)^  log: (\S+)$", done.stderr)
    assert "rollback trigger: " in (ROOT / log).read_text()
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


@pytest.mark.parametrize(
    ("moment", "state"),
    [("wait until it is healthy", "never left"), ("let old nginx workers", "are back on")],
)
def test_ctrl_c_takes_back_says_the_state_and_frees_the_lock(
    fab: Fab, on_server: OnServer, working_copy: Callable[..., str], moment: str, state: str
) -> None:
    argv = [
        "-f",
        str(SETTINGS_FILE),
        "-H",
        HERE.host,
        "blue-green-deploy",
        working_copy("health-late 4"),
    ]
    process = subprocess.Popen(
        [str(BIN / "fab"), *argv, "--set=deploy.watch_seconds=30"],
        cwd=ROOT,
        env={**os.environ, **THERE, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    before = {"wait until it is healthy": "start the idle colour"}.get(moment, moment)
    assert process.stdout
    shown = ""
    for line in process.stdout:
        shown += line
        if before in line:
            break
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 3, shown + out + errors
    assert "interrupted by SIGINT" in errors
    assert f"state: visitors {state} blue" in errors
    assert "rollback trigger" not in errors, "nothing was wrong with the release"
    assert on_server("ls 1001-stories-deploy/lock", check=False).returncode != 0
    assert "app-green" not in on_server("docker ps -a --format '{{.Names}}'").stdout
    assert (
        '"outcome": "taken back"' in on_server("tail -n 1 1001-stories-deploy/ledger.jsonl").stdout
    )


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
