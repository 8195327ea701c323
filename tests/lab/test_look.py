"""What an operator sees of a site with two releases: at the command line, and at a terminal.

One deploy for all of them; each leaves the site as it was.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fabfile.documents.health import Health
from fabfile.documents.logs import Logs
from fabfile.documents.ps import Ps
from fabfile.documents.stats import Stats
from fabfile.documents.status import Status
from fabfile.documents.timing import Timing
from fabfile.documents.users import Users
from lab import server as lab_server
from lab.website import fetch
from tests.lab.conftest import HERE, SETTINGS_FILE, THERE, Fab
from tests.lab.terminal import Terminal
from tests.programs import BIN, NOWHERE, ROOT, Done, program

FAB = ("fab", "-f", str(SETTINGS_FILE), "-H", HERE.host)
INVOKE = ("invoke", "-f", str(SETTINGS_FILE))
BLUE, GREEN = "1001-stories-app-blue", "1001-stories-app-green"
ON_THE_SERVER = "pgrep -fa 'docker (logs|exec)' | grep -v pgrep"  # what we have left there


@pytest.fixture(scope="module", autouse=True)
def release(lab: None) -> str:
    """The site after one deploy: green live, blue stopped; the release."""
    lab_server.reset()
    done = program(*FAB, "deploy", environment=THERE)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"New version: 1001stories:(\d{8}-\d{6})", done.stdout)
    assert found
    return found[1]


@contextmanager
def stopped(*names: str) -> Iterator[None]:
    lab_server.run(["docker", "stop", "--time", "1", *names])
    try:
        yield
    finally:
        lab_server.run(["docker", "start", *names])
        lab_server.run(["docker", "exec", "1001-stories-nginx", "nginx", "-s", "reload"])
        _wait(_healthy)


def _healthy() -> bool:
    try:
        return fetch(HERE, "/api/health")[0] == 200
    except OSError:  # a busy machine: the container is not back yet
        return False


def _wait(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def document(done: Done) -> Any:
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def ok(done: Done) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Followed:
    """A task that goes on until Ctrl-C, its output in a pipe."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [str(BIN / FAB[0]), *FAB[1:], *arguments],
            cwd=ROOT,
            env={**os.environ, **NOWHERE, **THERE, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Followed:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def until(self, words: str) -> str:
        """The line with these words; a run that hangs is ended by the suite's own limit."""
        assert self.process.stdout
        for line in self.process.stdout:
            if words in line:
                return line
        raise AssertionError(f"ended without {words!r}: {self.process.communicate()}")

    def interrupted(self) -> str:
        """Ctrl-C; the end must be a good one. The rest of its output."""
        self.process.send_signal(signal.SIGINT)
        rest, errors = self.process.communicate(timeout=20)
        assert (self.process.returncode, errors) == (0, "")
        return rest


# -- status ------------------------------------------------------------------------------------


def test_status_says_the_whole_site_in_words_and_as_a_document(fab: Fab, release: str) -> None:
    text = ok(fab("status"))
    assert re.search(rf"live: +green, release {release} \(running \(healthy\)\)", text)
    assert re.search(rf"green +{GREEN} +running \(healthy\), up \d+ \w+ +{release} ", text)
    assert re.search(rf"blue +{BLUE} +exited \(\d+\), \d+ \w+ ago", text)
    assert re.search(r"migrations: +3 stages applied, 0 pending", text)
    assert re.search(rf"last run: +deploy of {release} by \S+, .*: done in ", text)
    assert re.search(r"lock: +free", text)

    found = Status.model_validate(document(fab("status", "--json")))
    assert (found.problems, found.lock, found.cut_off) == ({}, None, None)
    assert found.live and found.live.release == release
    assert found.live.former
    green = next(one for one in found.containers if one.colour == "green")
    assert green.usage and green.usage.memory_limit == 256 * 1024**2  # the compose file's
    assert found.database
    size = lab_server.psql("SELECT pg_database_size(current_database())")
    assert found.database.size == pytest.approx(int(size), rel=0.1)
    assert found.certificate and found.certificate.verified
    assert found.machine and found.machine.disks
    assert found.last_run and (found.last_run.task, found.last_run.outcome) == ("deploy", "done")


@pytest.mark.parametrize(
    ("container", "parts"),
    [("1001-stories-db", {"database"}), ("1001-stories-nginx", {"certificate"})],
)
def test_status_says_why_a_part_cannot_be_read_and_shows_the_rest(
    fab: Fab, release: str, container: str, parts: set[str]
) -> None:
    with stopped(container):
        text = fab("status")
        found = Status.model_validate(document(fab("status", "--json")))
    assert set(found.problems) == parts
    assert found.live and found.live.release == release
    assert text.returncode == 0
    assert "cannot be read: " in text.stdout
    assert re.search(rf"{container} +exited \(\d+\), ", text.stdout)
    assert "Traceback" not in text.stdout + text.stderr


def test_status_is_read_again_and_again_until_ctrl_c(release: str) -> None:
    with Followed("status", "--watch", "--interval=0.5") as watch:
        for _ in range(2):
            watch.until(f"green, release {release}")
        assert "\x1b" not in watch.interrupted()


def test_on_a_terminal_status_stays_in_its_place(release: str) -> None:
    with Terminal(*FAB, "status", "--watch", "--interval=0.5", environment=THERE) as watch:
        for _ in range(2):
            watch.expect(f"green, release {release}")
        watch.expect(r"Ctrl-C ends it")
        watch.expect("\x1b\\[1A")  # a line up: over what was there
        watch.send("\x03")
        assert watch.ended() == 0
        assert "Traceback" not in watch.seen


# -- logs --------------------------------------------------------------------------------------


def test_logs_of_both_colours_come_in_one_order_each_line_marked(fab: Fab) -> None:
    found = Logs.model_validate(document(fab("logs", "--json", "--lines=1000")))
    assert {line.source for line in found.lines} == {"blue", "green"}
    times = [line.time or "" for line in found.lines]
    assert times == sorted(times)
    text = ok(fab("logs"))
    lines = text.splitlines()
    assert len(lines) == 50
    assert all(re.match(r"(blue |green) │ \d\d:\d\d:\d\d  ", line) for line in lines), text


def test_logs_are_picked_by_container_text_and_time(fab: Fab) -> None:
    mark = f"/?mark={time.time_ns()}"
    began = lab_server.run("date -u +%Y-%m-%dT%H:%M:%SZ").stdout.strip()
    fetch(HERE, mark)
    [line] = ok(fab("logs", f"--grep=GET /.mark={mark[7:]}", "--colour=live")).splitlines()
    assert line.startswith("green │ ")
    assert mark in line
    nginx = ok(fab("logs", "--colour", "nginx,db", f"--since={began}")).splitlines()
    assert {text.split()[0] for text in nginx} <= {"nginx", "db"}
    assert any('"path":"/"' in text for text in nginx)
    assert ok(fab("logs", "--colour=idle", "--since=1s")) == ""
    assert len(ok(fab("logs", "-n", "3", "--colour=all")).splitlines()) == 3
    unknown = fab("logs", "--colour=redis")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "no container of redis" in unknown.stderr
    assert "there are: blue, db, green, nginx" in unknown.stderr


def test_followed_logs_go_over_to_what_starts_and_leave_nothing_behind() -> None:
    with Followed("logs", "-f", "-n", "1") as follow:
        follow.until("green │")
        fetch(HERE, f"/?mark={(first := time.time_ns())}")
        assert follow.until(f"mark={first}").startswith("green │ ")
        lab_server.run(["docker", "start", BLUE])
        try:
            assert follow.until("started").startswith("blue ")
            assert follow.until("listens on port").startswith("blue ")
        finally:
            lab_server.run(["docker", "stop", "--time", "5", BLUE])
        assert follow.until("exited").startswith("blue ")
        fetch(HERE, f"/?mark={(second := time.time_ns())}")
        follow.until(f"mark={second}")
        assert "docker logs" in lab_server.run(ON_THE_SERVER, check=False).stdout
        assert str(first) not in follow.interrupted(), "no line comes twice"
    _wait(lambda: not lab_server.run(ON_THE_SERVER, check=False).stdout)


def test_a_follower_that_is_killed_leaves_nothing_behind_either() -> None:
    with Followed("logs", "-f", "-n", "1") as follow:
        follow.until("green │")
        _wait(lambda: "docker logs" in lab_server.run(ON_THE_SERVER, check=False).stdout)
    _wait(lambda: not lab_server.run(ON_THE_SERVER, check=False).stdout)


# -- health, ps, stats, users, timing ----------------------------------------------------------


def test_health_asks_outside_inside_and_through_nginx(fab: Fab, release: str) -> None:
    found = Health.model_validate(document(fab("health", "--json")))
    healthy = {(check.where, check.colour): check.healthy for check in found.checks}
    assert healthy == {
        ("public", "green"): True,
        ("container", "blue"): None,
        ("nginx", "blue"): None,
        ("container", "green"): True,
        ("nginx", "green"): True,
    }
    text = ok(fab("health"))
    assert re.search(rf"✅ +green \(live\) +200 .* healthy +{{.*{release}", text)


def test_health_fails_where_visitors_or_the_live_colour_fail(fab: Fab) -> None:
    with stopped(GREEN):
        done = fab("health", "--json")
    assert done.returncode == 1
    assert not Health.model_validate_json(done.stdout).healthy
    assert "✗ not healthy: public, green (live)" in done.stderr


def test_ps_stats_and_users_are_what_the_server_says(fab: Fab) -> None:
    ps = Ps.model_validate(document(fab("ps", "--json")))
    names = lab_server.run(["docker", "ps", "-a", "--format", "{{.Names}}"]).stdout.split()
    assert sorted(one.name for one in ps.containers) == sorted(names)
    table = ok(fab("ps"))
    assert re.search(rf"{GREEN} +running \(healthy\), up .* 127.0.0.1:3001->3000/tcp", table)

    stats = Stats.model_validate(document(fab("stats", "--json")))
    assert {one.name for one in stats.containers} == set(names) - {BLUE}
    assert all((one.memory or 0) > 0 for one in stats.containers)
    assert re.search(rf"{GREEN} .* MB of 268.4 MB \(\d+ %\)", ok(fab("stats")))

    users = Users.model_validate(document(fab("users", "--json")))
    assert (users.table, users.users, users.roles) == ("User", 4, {"ADMIN": 2, "CUSTOMER": 2})
    assert re.search(r"ADMIN +2\nCUSTOMER +2\nin all +4\n", ok(fab("users")))
    plain = fab("users", "--set=database.user_table=", "--set=migration.folder=")
    assert "no user table" in ok(plain)


def test_timing_has_every_part_of_a_request(fab: Fab) -> None:
    found = Timing.model_validate(document(fab("timing", "--samples=5", "--json")))
    assert (found.samples, found.failed, found.statuses) == (5, 0, {"200": 5})
    assert found.phases and found.phases.tls
    for part in (found.phases.connect, found.phases.tls, found.phases.wait, found.phases.total):
        assert 0 < part.minimum <= part.p50 <= part.p95 <= part.maximum
    assert found.phases.total.p50 >= found.phases.wait.minimum + found.phases.tls.minimum
    gone = fab("timing", "--path=/no-such-page", "--samples=3")
    assert gone.returncode == 1
    assert "5 × 404" in gone.stderr


def test_a_reading_task_goes_on_over_several_servers_and_prints_only_documents() -> None:
    """The second one is nobody."""
    gone = (
        "--set=hosts.gone.ssh.host=nobody@127.0.0.1:9",
        "--set=hosts.gone.public.connect=127.0.0.1:9",
    )
    argv = ("fab", "-f", str(SETTINGS_FILE), "-H", f"gone,{HERE.alias}", "users", "--json", *gone)
    done = program(*argv, environment=THERE)
    assert done.returncode == 1
    assert Users.model_validate_json(done.stdout).users == 4
    assert "failed on gone" in done.stderr


# -- inside ------------------------------------------------------------------------------------


def test_a_query_is_answered_by_psql_and_its_exit_code_is_passed_on(fab: Fab) -> None:
    done = fab("psql", "-c", 'SELECT role, count(*) FROM "User" GROUP BY role ORDER BY 1')
    assert re.search(r" ADMIN +\| +2\n CUSTOMER \| +2\n", ok(done))
    wrong = fab("psql", "--command", "SELECT 1 FROM nobody; SELECT 2")
    assert wrong.returncode == 1
    assert 'relation "nobody" does not exist' in wrong.stderr
    assert wrong.stdout == ""
    quick = [f"--set=database.{name}_timeout=0.3" for name in ("lock", "statement")]
    slow = fab("psql", "-c", "SELECT pg_sleep(9)", *quick)
    assert "canceling statement due to statement timeout" in slow.stderr


def _size_in(psql: Terminal) -> str:
    """What a program that psql starts takes for its terminal's lines and columns."""
    psql.send("\\! stty size\n")
    return psql.expect(r"(\d+ \d+)\r")[1]


@pytest.mark.parametrize("start", [FAB, INVOKE], ids=["fab", "invoke"])
def test_psql_has_a_real_terminal(start: tuple[str, ...]) -> None:
    another = {"LINES": "24", "COLUMNS": "80"}  # left over from a window that is gone
    with Terminal(*start, "psql", environment={**THERE, **another}, size=(41, 123)) as psql:
        psql.expect(r"stories=[#>] ")
        assert psql.takes_keys_as_they_are
        _wait(lambda: _size_in(psql) == "41 123")
        psql.resize(33, 77)
        _wait(lambda: _size_in(psql) == "33 77")  # it takes a moment on its way
        psql.send("SELECT pg_sleep(60);\n")
        psql.expect("pg_sleep")
        time.sleep(0.5)  # the statement is at work
        psql.send("\x03")
        psql.expect("canceling statement due to user request")
        psql.expect(r"stories=[#>] ")
        psql.send("SELECT 'écrit' || '-' || 6 * 7;\n")
        psql.expect("écrit-42")
        psql.send("\\q\n")
        assert psql.ended() == 0
        assert "Traceback" not in psql.seen
    _wait(lambda: not lab_server.run(ON_THE_SERVER, check=False).stdout)


def test_a_shell_is_in_the_live_colours_container_or_another_one(release: str) -> None:
    with Terminal(*FAB, "shell", environment=THERE) as shell:
        shell.expect(f"{GREEN}: exit or Ctrl-D leaves")
        shell.expect("[#$] ")
        shell.send("echo rel-$RELEASE-$((6*7))\n")
        shell.expect(f"rel-{release}-42")
        shell.send("exit 3\n")
        assert shell.ended() == 3
    with Terminal(*FAB, "shell", "--colour=nginx", environment=THERE) as shell:
        shell.expect("[#$] ")
        shell.send("nginx -v\n")
        shell.expect("nginx version: nginx/")
        shell.expect("[#$] ")  # before it, Ctrl-D would be nginx's
        shell.send("\x04")
        assert shell.ended() == 0
    done = program(*FAB, "shell", "--colour=idle", environment=THERE)
    assert done.returncode == 2, "no terminal"


def test_a_shell_whose_operator_is_told_to_go_leaves_the_terminal_as_it_was() -> None:
    with Terminal(*FAB, "shell", environment=THERE) as shell:
        shell.expect("[#$] ")
        assert shell.takes_keys_as_they_are
        os.kill(shell.pid, signal.SIGTERM)
        shell.expect("interrupted by SIGTERM")
        assert not shell.takes_keys_as_they_are
        assert shell.ended() == 1


def test_a_command_has_its_own_streams_and_exit_code(fab: Fab) -> None:
    done = fab("exec", "echo out; echo err >&2; cat; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    nginx = fab("exec", "nginx -t", "--colour=nginx")
    assert "test is successful" in nginx.stderr
    assert nginx.returncode == 0
    idle = fab("exec", "true", "--colour", "idle")
    assert idle.returncode == 1
    assert f"{BLUE} is exited" in idle.stderr
    with Terminal(*FAB, "exec", "tty && sleep 60", environment=THERE) as sleeper:
        sleeper.expect("/dev/pts/")
        sleeper.send("\x03")
        assert sleeper.ended() == 130
