"""The script that watches on the server: run here, with an engine that a test makes up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fabfile.monitoring.schedule import SCHEDULE
from fabfile.monitoring.script import cron_line, script, units
from fabfile.server.ledger import Entry
from fabfile.settings import Settings
from tests.programs import BIN
from tests.unit.local_site import Asked, LocalSite, Reply

# What the engine says stands in files; a file `exit` has its exit code.
DOCKER = """#!/bin/sh
cd "$FAKE" || exit 9
[ ! -e exit ] || { echo 'no engine' >&2; exit "$(cat exit)"; }
case "$1 $*" in
    ps*) echo one; echo two; echo three ;;
    inspect*IPAddress*) echo ' ' ;;
    inspect*) cat containers ;;
    stats*) cat memory ;;
    logs*) for name; do :; done; cat "log-$name" ;;
esac
"""
HEALTHY = b'{"status": "ok",\n "database": "connected"}'
ODD = "/a b'c$d\"e"  # a folder's name that no shell may read as anything else


class Watched:
    """A server of files: its engine, its site, and the monitor's folder."""

    def __init__(self, folder: Path, site: LocalSite, **settings: Any) -> None:
        self.fake, self.state = folder / "fake", folder / f"state{ODD}"
        self.folder = self.state / "monitor"
        self.folder.mkdir(parents=True)
        self.fake.mkdir()
        (self.fake / "docker").write_text(DOCKER)
        (self.fake / "docker").chmod(0o755)
        values: dict[str, Any] = {
            "name": "Test site",
            "folders": {"state": str(self.state), "project": "/tmp", "backups": "/nowhere/x"},
            "public": {
                "domain": "site.test",
                "scheme": "http",
                "pages": {"/": {}, "/it's": {"status": [200, 302], "contains": "it's"}},
            },
            "limits": {"disk_full_percent": 100, "free_disk_gb": 0, "memory_percent": 100},
            "monitor": {"calm_rounds": 2, "connect": site.address},
        }
        for group, below in settings.items():
            values[group] = {**values.get(group, {}), **below}
        self.settings = Settings.model_validate(values)
        self.text = script(self.settings, "stories")
        self.path = self.folder / "monitor.sh"
        self.path.write_text(self.text)
        self.begin(0)
        self.containers()
        self.write("memory", "stories-nginx 1.5%\nstories-app-blue --\n")
        for name in ("stories-nginx", "stories-db", "stories-app-blue"):
            self.write(f"log-{name}", "fine\n")

    def begin(self, seconds_ago: int) -> None:
        """The monitor was installed so long ago."""
        now = int(subprocess.check_output(["date", "+%s"]))
        (self.folder / "begun").write_text(str(now - seconds_ago))

    def write(self, name: str, text: str) -> None:
        (self.fake / name).write_text(text)

    def containers(self, **changed: str) -> None:
        """Id, name, state, health, restarts, started, killed, service of each."""
        lines = {
            "nginx": "aa /stories-nginx running healthy 0 2026-01-01T00:00:00Z false nginx",
            "db": "bb /stories-db running - 0 2026-01-01T00:00:00Z false db",
            "blue": "cc /stories-app-blue running starting 2 2026-01-01T00:00:00Z false app-blue",
            "green": "dd /stories-app-green exited - 0 2026-01-01T00:00:00Z false app-green",
            **changed,
        }
        self.write("containers", "".join(f"{line}\n" for line in lines.values() if line))

    def round(self, *arguments: str, code: int | None = None) -> str:
        """Run the script; what it printed."""
        done = subprocess.run(
            ["sh", str(self.path), *(arguments or ("--now",))],
            env={"PATH": f"{self.fake}:{os.environ['PATH']}", "FAKE": str(self.fake)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr + self.checks_text
        assert not done.stderr, done.stderr
        assert not list(self.folder.glob("round.*"))
        return done.stdout

    @property
    def checks_text(self) -> str:
        last = self.folder / "last"
        return last.read_text() if last.exists() else ""

    @property
    def checks(self) -> dict[str, tuple[str, str, str]]:
        """The last round's, by name: yes or no, expected, found."""
        lines = [line.split("\t") for line in self.checks_text.splitlines()[1:]]
        return {name: (good, expected, found) for name, good, expected, found in lines}

    @property
    def bad(self) -> dict[str, str]:
        return {name: found for name, (good, _, found) in self.checks.items() if good == "no"}

    @property
    def ledger(self) -> list[Entry]:
        path = self.state / "ledger.jsonl"
        text = path.read_text() if path.exists() else ""
        return [Entry(**json.loads(line)) for line in text.splitlines()]


Server = Callable[..., Watched]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    sites: list[LocalSite] = []

    def make(reply: Callable[[Asked], Reply] | None = None, **settings: Any) -> Watched:
        sites.append(LocalSite(reply or fine))
        settings.setdefault("app", {"container": "stories-app"})
        return Watched(tmp_path, sites[0], **settings)

    yield make
    for site in sites:
        site.close()


def fine(asked: Asked) -> Reply:
    assert asked.headers["Host"] == "site.test"
    if asked.path == "/api/health":
        return 200, [("X-Deploy-Release", "20260101-000000")], HEALTHY
    return 200, [], b"it's fine"


# -- the texts -------------------------------------------------------------------------------------


def lints(path: Path) -> None:
    done = subprocess.run([str(BIN / "shellcheck"), str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_script_is_clean_for_the_shipped_site_and_for_one_with_nothing(
    server: Server, tmp_path: Path
) -> None:
    lints(server().path)
    path = tmp_path / "shipped.sh"
    path.write_text(script(Settings(), "stories", "/ca.pem"))
    lints(path)
    bare = {
        "app": {"health_status": [], "health_database": ""},
        "public": {"pages": {}, "scheme": "http"},
        "monitor": {"leave_out": ["Logs", "Server: memory"]},
    }
    path.write_text(script(Settings.model_validate(bare), "p"))
    lints(path)


def test_the_units_are_what_systemd_takes(server: Server, tmp_path: Path) -> None:
    found = units(server().settings, "deploy-monitor-stories", "root")
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    service = found["deploy-monitor-stories.service"]
    assert "\nType=oneshot\nUser=root\nExecStart=/bin/sh " in service
    assert r"a b'c$$d\"e/monitor/monitor.sh" in service
    assert "\nOnCalendar=minutely\n" in found["deploy-monitor-stories.timer"]
    assert "[Install]\nWantedBy=timers.target" in found["deploy-monitor-stories.timer"]
    if shutil.which("systemd-analyze"):
        paths = [str(tmp_path / name) for name in found]
        done = subprocess.run(
            ["systemd-analyze", "verify", *paths], capture_output=True, text=True, timeout=60
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "deploy-monitor-stories" not in said


def test_the_cron_line_names_the_script_for_the_shell_and_for_cron() -> None:
    folders = {"state": "/srv/100% it's"}
    line = cron_line(Settings.model_validate({"folders": folders}))
    assert line.startswith("* * * * * /bin/sh ")
    path = "/srv/100% it's/monitor/monitor.sh"
    shown = line.partition("/bin/sh ")[2].replace(r"\%", "%").replace(">/dev/null 2>&1", "")
    assert subprocess.check_output(["sh", "-c", f"printf %s {shown}"], text=True) == path
    assert r"100\%" in line


# -- a round ---------------------------------------------------------------------------------------


def test_a_site_that_is_well_leaves_the_ledger_empty(server: Server) -> None:
    watched = server()
    assert watched.round(code=0) == ""
    assert watched.bad == {}
    assert watched.ledger == []
    checks = watched.checks
    assert checks["Application endpoints: /it's"][:2] == ("yes", "200 or 302 with it's")
    assert checks["Containers: stories-app-blue"][2] == "running (starting)"
    assert "Containers: stories-app-green" not in checks  # the idle colour rests
    assert checks["Containers: app"][2] == "1 running"
    assert checks["Logs: answered 5xx"][2] == "0 of 0 requests"
    assert {"Server: memory", "Performance: slowest answer"} <= checks.keys()
    assert "Security: certificate days left" not in checks
    head = watched.checks_text.splitlines()[0].split("\t")
    assert head[1:] == ["immediate", "60", "20260101-000000"]


def broken_login(asked: Asked) -> Reply:
    return (500, [], b"it's") if asked.path == "/it's" else fine(asked)


def test_a_finding_is_written_once_and_its_end_once_it_stays_well(server: Server) -> None:
    answers = [broken_login, broken_login, fine, broken_login, fine, fine]
    watched = server(lambda asked: answers[0](asked))
    states = []
    while answers:
        states.append(watched.round().partition(":")[0])
        answers.pop(0)
    assert states == ["found", "", "", "", "", "over"]

    found, over = watched.ledger
    assert (found.event, found.task, found.release) == ("monitor", "monitor", "20260101-000000")
    name = "Application endpoints: /it's"
    assert {**found.detail, "since": ""} == {
        "state": "found",
        "check": name,
        "expected": "200 or 302 with it's",
        "found": found.detail["found"],
        "since": "",
    }
    assert found.detail["found"].startswith("500 in 0.")
    assert (over.detail["state"], over.detail["since"]) == ("over", found.time)
    assert oct((watched.state / "ledger.jsonl").stat().st_mode)[-3:] == "600"


def test_what_the_engine_says_of_the_containers_is_judged(server: Server) -> None:
    watched = server()
    watched.round(code=0)
    watched.containers(
        nginx="aa /stories-nginx running unhealthy 0 2026-01-01T00:00:00Z false nginx",
        db="bb /stories-db exited - 0 2026-01-01T00:00:00Z false db",
        blue="cc /stories-app-blue running healthy 3 2026-01-01T09:00:00Z true app-blue",
        green="dd /stories-app-green running healthy 0 2026-01-01T09:00:00Z false app-green",
    )
    watched.round(code=1)
    assert watched.bad == {
        "Containers: stories-nginx": "running (unhealthy)",
        "Containers: stories-db": "exited",
        "Containers: stories-app-blue restarts": "started again at 2026-01-01T09:00:00Z "
        "(3 in all), out of memory",
    }
    # A colour that rested and was started for a rollback is no restart; one that rests no fault.
    watched.containers(nginx="", db="", blue="", green="")
    watched.round(code=1)
    assert watched.bad == {
        "Containers: nginx": "not there",
        "Containers: db": "not there",
        "Containers: app": "0 running",
    }


def test_errors_in_logs_and_answers_5xx_are_counted_and_harmless_lines_are_not(
    server: Server,
) -> None:
    settings = {"expect": {"harmless_lines": ["known .*error", "it's"], "error_lines": 1}}
    watched = server(**settings)
    watched.write(
        "log-stories-app-blue", "Error: a\nknown old error\nit's a fatal one\nTraceback\n"
    )
    access = '"colour":"blue","release":"r","status":{},"method":"GET","path":"/"'
    combined = '1.2.3.4 - - [x] "GET / HTTP/1.1" {} 12 "-" "agent"'
    lines = [access.format(200), access.format(502), combined.format(200), combined.format(503)]
    watched.write("log-stories-nginx", "\n".join([*lines, "2026 [error] 1: x", "no line"]) + "\n")
    watched.round(code=1)
    assert watched.bad.keys() == {"Logs: stories-app-blue error lines", "Logs: answered 5xx"}
    assert watched.bad["Logs: stories-app-blue error lines"].startswith("2; docker logs --since ")
    assert watched.bad["Logs: answered 5xx"] == "2 of 4 requests"
    assert watched.checks["Logs: stories-nginx error lines"][0] == "yes"  # one is allowed


@pytest.mark.parametrize(
    ("status", "body", "bad"),
    [
        (200, b'{"status":"healthy","database":"connected"}', False),
        (200, b'{"status":"down","database":"connected"}', True),
        (200, b'{"status":"ok","database":"gone"}', True),
        (503, HEALTHY, True),
        (200, b"", True),
    ],
)
def test_health_is_what_the_settings_say(
    server: Server, status: int, body: bytes, bad: bool
) -> None:
    watched = server(lambda a: (status, [], body) if a.path == "/api/health" else fine(a))
    watched.round(code=int(bad))
    assert ("Application endpoints: health" in watched.bad) is bad


def test_any_answer_is_healthy_where_the_settings_say_so(server: Server) -> None:
    app = {"container": "stories-app", "health_status": [], "health_database": ""}
    watched = server(lambda a: (200, [], b"up") if a.path == "/api/health" else fine(a), app=app)
    watched.round(code=0)


def test_a_page_without_its_text_is_found_and_the_rate_limit_is_not(server: Server) -> None:
    watched = server(lambda a: (429, [], b"") if a.path == "/" else (200, [], HEALTHY))
    watched.round(code=1)
    assert list(watched.bad) == ["Application endpoints: /it's"]
    assert watched.bad["Application endpoints: /it's"].endswith("without it")


def test_a_site_that_does_not_answer_is_said_in_curls_words(server: Server) -> None:
    watched = server(monitor={"connect": "127.0.0.1:1"})
    watched.round(code=1)
    assert "Failed to connect to 127.0.0.1" in watched.bad["Application endpoints: health"]


def test_without_the_engine_the_site_is_looked_at_and_what_was_open_stays_open(
    server: Server,
) -> None:
    watched = server()
    watched.write("log-stories-app-blue", "Error: a\n")
    watched.round(code=1)
    watched.write("exit", "1")
    for _ in range(3):
        watched.round(code=1)
    assert watched.bad["Server: engine"] == "no engine"
    assert watched.checks["Application endpoints: /"][0] == "yes"
    opened = [line.split("\t")[0] for line in (watched.folder / "open").read_text().splitlines()]
    assert "Logs: stories-app-blue error lines" in opened
    assert not any(entry.detail["state"] == "over" for entry in watched.ledger)


def test_checks_that_the_settings_leave_out_are_not_made(server: Server) -> None:
    out = ["Containers", "Logs: answered 5xx", "Application endpoints: /it's"]
    watched = server(broken_login, monitor={"leave_out": out})
    watched.round()
    names = watched.checks.keys()
    assert not [n for n in names if n.startswith("Containers") or n in out]
    assert "Logs: stories-nginx error lines" in names


# -- when ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", SCHEDULE, ids=lambda period: period.name)
def test_rounds_are_made_at_the_pace_of_their_period(server: Server, period: Any) -> None:
    watched = server()
    watched.begin(period.until - 60)
    last = watched.folder / "last-round"
    now = int(subprocess.check_output(["date", "+%s"]))

    last.write_text(str(now - period.every + 20))
    watched.round("", code=0)
    assert watched.checks_text == ""
    last.write_text(str(now - period.every))
    watched.round("", code=0)
    head = watched.checks_text.splitlines()[0].split("\t")
    assert head[1:3] == [period.name, str(period.every)]


def test_after_the_last_period_it_rests_until_the_next_switch(server: Server) -> None:
    watched = server()
    watched.begin(SCHEDULE[-1].until + 60)
    watched.round("", code=0)
    assert watched.checks_text == ""

    line = subprocess.check_output(["date", "-u", "+%Y-%m-%dT%H:%M:%SZ"], text=True).strip()
    detail = {"from": "a", "to": "20270101-000000"}
    switched = Entry("switched", "deploy", "20270101-000000", line, "ann", "laptop", detail)
    watched.state.joinpath("ledger.jsonl").write_text(
        json.dumps(vars(switched), sort_keys=True) + '\n{"torn'
    )
    watched.containers(db="")
    watched.round("", code=1)
    assert watched.checks_text.splitlines()[0].split("\t")[1] == "immediate"
    # The torn line is ended, and swallows nothing.
    lines = watched.state.joinpath("ledger.jsonl").read_text().splitlines()
    assert lines[1] == '{"torn'
    assert json.loads(lines[2])["detail"]["check"] == "Containers: db"


def test_a_finding_that_cannot_be_written_is_found_again(server: Server) -> None:
    watched = server(broken_login)
    ledger = watched.state / "ledger.jsonl"
    ledger.mkdir()
    done = subprocess.run(
        ["sh", str(watched.path), "--now"],
        env={"PATH": f"{watched.fake}:{os.environ['PATH']}", "FAKE": str(watched.fake)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    ledger.rmdir()
    assert watched.round(code=1).startswith("found: ")
    assert len(watched.ledger) == 1
