"""The monitor on the lab: in the foreground, and as the server's own script and timer."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from fabfile.documents.monitor import Monitor, MonitorStatus
from tests.lab.conftest import HERE, SETTINGS_FILE, THERE, Fab
from tests.programs import BIN, NOWHERE, ROOT, Done

OnServer = Callable[..., Done]
FOLDER = "1001-stories-deploy/monitor"
ROUND = f"sh {FOLDER}/monitor.sh --now"
LEDGER = "cat 1001-stories-deploy/ledger.jsonl 2>/dev/null || true"
# What is looked for here is neither this machine's pace nor its disk, nor what nginx's log has of
# the test before.
CALM = (
    "--set=limits.response_seconds=9",
    "--set=limits.error_percent=100",
    "--set=limits.disk_full_percent=100",
    "--set=limits.free_disk_gb=0",
    "--set=monitor.calm_rounds=1",
)
# The log of a plain site that was just made names its database's start.
QUIET = "--set=expect.harmless_lines=[.]"
BREAK = "docker exec -u root 1001-stories-app sh -c 'echo login-broken >> /app/faults'; sleep 2"
MEND = "docker exec -u root 1001-stories-app rm -f /app/faults; sleep 2"
# In place of systemd, which does not run in a container: it writes down what it is asked for.
SYSTEMCTL = """
sudo mkdir -p /run/systemd/system
printf '#!/bin/sh\\necho "$*" >> /tmp/systemctl.log\\n[ "$1" != is-active ] || echo active\\n' \\
  | sudo tee /usr/local/bin/systemctl > /dev/null
sudo chmod 755 /usr/local/bin/systemctl
"""
NO_SYSTEMCTL = (
    "sudo rm -rf /run/systemd/system /usr/local/bin/systemctl /tmp/systemctl.log "
    "/etc/systemd/system/deploy-monitor-*"
)


@pytest.fixture
def plain(fresh: None, on_server: OnServer) -> Iterator[None]:
    """Plain production, where systemd is not."""
    on_server(NO_SYSTEMCTL)
    yield
    on_server(f"{NO_SYSTEMCTL}; rm -rf {FOLDER}")


def found_in(on_server: OnServer) -> list[tuple[str, str]]:
    """State and check of the ledger's monitor entries."""
    entries = [json.loads(line) for line in on_server(LEDGER).stdout.splitlines()]
    return [
        (e["detail"]["state"], e["detail"]["check"]) for e in entries if e["event"] == "monitor"
    ]


def test_it_says_what_it_finds_and_what_is_over_and_ends_with_its_findings(
    plain: None, fab: Fab, on_server: OnServer
) -> None:
    well = fab("monitor", "--for=1s", "--every=1", *CALM, QUIET)
    assert well.returncode == 0, well.stdout + well.stderr
    assert re.search(r"  round 1: \d+ checks, all well$", well.stdout, re.MULTILINE)
    assert re.search(r"^\d+ rounds? in \d+ s: 0 findings$", well.stdout, re.MULTILINE)
    assert found_in(on_server) == []

    on_server(BREAK)
    bad = fab("monitor", "--for=1s", "--every=1", "--json", *CALM, QUIET)
    assert bad.returncode == 1
    document = Monitor.model_validate_json(bad.stdout)
    names = {f"{one.group}: {one.check}" for one in document.findings}
    assert "Application endpoints: /login" in names
    [login] = [one for one in document.findings if one.check == "/login"]
    assert (login.verdict, login.expected, login.found[:3]) == ("fail", "200", "500")
    assert login.until is None
    assert document.rounds >= 1
    assert ("found", "Application endpoints: /login") in found_in(on_server)
    assert "✗ the monitor found " in bad.stderr
    assert fab("status").returncode == 0  # which reads the ledger


def test_ctrl_c_ends_it_with_its_summary(plain: None) -> None:
    argv = ["fab", "-f", str(SETTINGS_FILE), "-H", HERE.host, "monitor", "--for=7d", *CALM, QUIET]
    process = subprocess.Popen(
        [str(BIN / argv[0]), *argv[1:]],
        cwd=ROOT,
        env={**os.environ, **NOWHERE, **THERE, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    seen = ""
    while "round 1:" not in seen:
        line = process.stdout.readline()
        assert line, process.communicate()
        seen += line
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, seen + rest + errors
    assert re.search(r"^1 round in \d+ s, ended early: 0 findings$", rest, re.MULTILINE)
    assert errors == ""


def test_the_script_watches_by_itself_and_writes_the_same_ledger(
    plain: None, fab: Fab, on_server: OnServer
) -> None:
    installed = fab("monitor", "--install", *CALM, QUIET)
    assert installed.returncode == 1
    assert "has no systemd: the script is in place, and nothing starts it" in installed.stderr
    line = f"* * * * * /bin/sh /home/ubuntu/{FOLDER}/monitor.sh >/dev/null 2>&1"
    assert f"crontab -e: {line}" in installed.stderr
    modes = on_server(f"stat -c %a {FOLDER} {FOLDER}/*").stdout.split()
    assert set(modes) <= {"700", "600"}
    assert "0 findings" in installed.stdout

    well = on_server(ROUND)
    assert (well.returncode, well.stdout, well.stderr) == (0, "", "")
    document = MonitorStatus.model_validate_json(fab("monitor", "--status", "--json").stdout)
    checks = {check.check: check for check in document.checks}
    assert all(check.good for check in document.checks)
    assert re.fullmatch(r"\d+ days, until \S+", checks["Security: certificate days left"].found)
    assert {"Containers: 1001-stories-nginx restarts", "Server: memory"} <= checks.keys()
    assert (document.installed, document.timer, document.period) == (True, None, "immediate")

    on_server(f"{BREAK}; docker restart -t 2 1001-stories-nginx; sleep 1")
    found = on_server(f"{ROUND}; echo $?").stdout
    assert found.endswith("1\n")
    assert {
        ("found", "Application endpoints: /login"),
        ("found", "Containers: 1001-stories-nginx restarts"),
    } <= set(found_in(on_server))
    said = fab("monitor", "--status").stdout
    assert "Application endpoints: /login: 500 in " in said

    on_server(MEND)
    on_server(f"{ROUND}; {ROUND}; true")  # the first reads the log of the round before
    assert ("over", "Application endpoints: /login") in found_in(on_server)
    assert on_server(f"{ROUND}; echo $?").stdout == "0\n"
    assert fab("status").returncode == 0


def test_the_timer_is_set_up_and_taken_away(plain: None, fab: Fab, on_server: OnServer) -> None:
    on_server(SYSTEMCTL)
    installed = fab("monitor", "--install", *CALM, QUIET)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    unit = "deploy-monitor-1001-stories"
    assert f"{unit}.timer, each minute" in installed.stdout
    asked = on_server("cat /tmp/systemctl.log").stdout.splitlines()
    assert asked == ["daemon-reload", f"enable --now -- {unit}.timer"]
    service = on_server(f"cat /etc/systemd/system/{unit}.service").stdout
    assert f'ExecStart=/bin/sh "/home/ubuntu/{FOLDER}/monitor.sh"' in service
    assert "User=ubuntu" in service
    assert "timer:   active" in fab("monitor", "--status").stdout

    gone = fab("monitor", "--uninstall")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert on_server(f"ls /etc/systemd/system | grep {unit}; ls {FOLDER}; true").stdout == ""
    asked = on_server("cat /tmp/systemctl.log").stdout.splitlines()
    assert f"disable --now -- {unit}.timer" in asked
    events = [json.loads(line)["event"] for line in on_server(LEDGER).stdout.splitlines()]
    assert events == ["monitor-installed", "monitor-removed"]
    assert "not installed" in fab("monitor", "--status").stdout
    assert "there was no monitor" in fab("monitor", "--uninstall").stdout
