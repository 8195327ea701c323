"""What the looking tasks read and show, without a server: parsing, merging, words, refusals."""

from __future__ import annotations

import http.server
import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from rich.table import Table

from fabfile import interrupts
from fabfile.documents.pieces import ContainerState, Usage
from fabfile.documents.status import Status
from fabfile.errors import BadSettings, DeployError, Interrupted
from fabfile.operations.chosen import one_word, sources, words_of
from fabfile.operations.logs import number_of, since_when
from fabfile.operations.look import state_of
from fabfile.operations.status import seconds_of
from fabfile.operations.status_reading import last_run, side_by_side
from fabfile.operations.timing import summed_up
from fabfile.probes.request_phases import Sample, Stopwatch
from fabfile.report.container_words import memory_words, state_words
from fabfile.report.status_text import status_text
from fabfile.server.container_logs import LogLine, merged, parse_line
from fabfile.server.containers import Container, gone
from fabfile.server.ledger import Entry
from fabfile.server.usage import parse_usage
from fabfile.settings import Settings
from tests.programs import program

SETTINGS = Settings()
AT = "2026-11-23T15:50:30.12345678"  # and the last digit


# -- docker stats ------------------------------------------------------------------------------


def reading(**changes: str) -> str:
    values = {
        "Name": "app",
        "CPUPerc": "12.50%",
        "MemUsage": "64.5MiB / 256MiB",
        "MemPerc": "25.20%",
        "NetIO": "1.5kB / 2MB",
        "BlockIO": "0B / 1.2GB",
        "PIDs": "7",
    }
    return json.dumps({**values, **changes})


def test_a_reading_of_the_engine_is_numbers_in_bytes() -> None:
    usage = parse_usage(reading())
    assert usage == Usage(
        name="app",
        cpu_percent=12.5,
        memory=67_633_152,
        memory_limit=268_435_456,
        received=1_500,
        sent=2_000_000,
        read=0,
        written=1_200_000_000,
        processes=7,
    )
    assert usage.memory_percent == pytest.approx(25.2, abs=0.05)
    assert memory_words(usage) == "67.6 MB of 268.4 MB (25 %)"


def test_what_the_engine_cannot_tell_is_null_and_no_zero() -> None:
    dashes = dict.fromkeys(("CPUPerc", "PIDs"), "--")
    pairs = dict.fromkeys(("MemUsage", "NetIO", "BlockIO"), "-- / --")
    usage = parse_usage(reading(**dashes, **pairs))
    assert set(usage.model_dump(exclude={"name"}).values()) == {None}
    assert memory_words(usage) == "-"


# -- log lines ---------------------------------------------------------------------------------


def test_a_line_has_its_time_and_keeps_its_spaces_and_colours() -> None:
    line = parse_line("blue", f"{AT}9Z   \x1b[31mGET\x1b[0m /  200 \r\n")
    assert line == LogLine(f"{AT}9Z", "blue", "  \x1b[31mGET\x1b[0m /  200 ")


@pytest.mark.parametrize("raw", ["", "no time here", "2026-11-23 15:50:30 GET /"])
def test_a_line_without_a_time_is_kept_whole(raw: str) -> None:
    assert parse_line("db", raw + "\n") == LogLine("", "db", raw)


def test_lines_of_two_containers_are_put_in_the_order_of_their_times() -> None:
    blue = [LogLine(f"{AT}1Z", "blue", "first"), LogLine(f"{AT}4Z", "blue", "fourth")]
    green = [LogLine(f"{AT}2Z", "green", "second"), LogLine(f"{AT}3Z", "green", "third")]
    texts = [line.text for line in merged([*blue, *green])]
    assert texts == ["first", "second", "third", "fourth"]


def test_what_has_no_time_stays_behind_the_line_of_its_own_container() -> None:
    lines = [
        LogLine(f"{AT}1Z", "blue", "Traceback"),
        LogLine("", "blue", "  in line 1"),
        LogLine(f"{AT}2Z", "green", "GET /"),
    ]
    assert merged(lines) == lines
    moment = [LogLine(f"{AT}1Z", "blue", text) for text in "cab"]
    assert merged(moment) == moment, "lines of one moment stay as they came"


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("", None),
        ("90s", "90s"),
        ("10m", "600s"),
        ("1h30m", "5400s"),
        ("2d", "172800s"),
        ("2026-11-23T08:06", "2026-11-23T08:06:00Z"),
        ("2026-11-23 08:06:07Z", "2026-11-23T08:06:07Z"),
        ("2026-11-23T08:06:00+02:00", "2026-11-23T06:06:00Z"),
        ("2026-11-23", "2026-11-23T00:00:00Z"),
    ],
)
def test_since_is_an_age_or_a_time_in_utc(text: str, engine: str | None) -> None:
    assert since_when(text) == engine


@pytest.mark.parametrize("text", ["yesterday", "10", "-5m", "5 m", "m", "٣m", "2026-13-01", "1w"])
def test_any_other_since_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(BadSettings, match=r"--since is .*; allowed: an age such as 90s"):
        since_when(text)


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "٣", "10000000"])
def test_a_number_of_lines_is_a_whole_number_from_1(text: str) -> None:
    with pytest.raises(BadSettings, match=r"--lines is .*; allowed: a whole number from 1 to"):
        number_of(text, "--lines")
    assert number_of("7", "--lines") == 7


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf", "100000", "1,5"])
def test_an_interval_is_seconds(text: str) -> None:
    with pytest.raises(BadSettings, match=r"--interval is .*; allowed: seconds"):
        seconds_of(text)
    assert seconds_of("0.5") == 0.5


# -- which container ---------------------------------------------------------------------------


def container(name: str, service: str, state: str = "running", **more: Any) -> Container:
    return replace(gone(name, {}), id=name, service=service, state=state, **more)


def test_a_container_is_called_by_its_colour_or_its_service() -> None:
    found = [
        container("1001-stories-db", "db"),
        container("1001-stories-app-green", "app-green"),
        container("1001-stories-app-blue", "app", "exited"),
        container("1001-stories-redis-1", "redis", "exited"),
        container("1001-stories-redis-2", "redis"),
    ]
    named = {name: one.name for name, one in sources(found, SETTINGS).items()}
    assert named == {
        "blue": "1001-stories-app-blue",
        "green": "1001-stories-app-green",
        "db": "1001-stories-db",
        "redis": "1001-stories-redis-2",
        "1001-stories-redis-1": "1001-stories-redis-1",
    }


def test_a_plain_app_is_blue_unless_blue_is_there() -> None:
    plain = container("1001-stories-app", "app")
    assert sources([plain], SETTINGS) == {"blue": plain}
    blue = container("1001-stories-app-blue", "app-blue", "exited")
    assert sources([plain, blue], SETTINGS)["blue"] == blue


@pytest.mark.parametrize("text", ["", ",", "blue,", " "])
def test_an_empty_word_is_refused(text: str) -> None:
    with pytest.raises(BadSettings, match=r"--colour is"):
        words_of(text)


@pytest.mark.parametrize("text", ["blue,green", "all"])
def test_where_one_container_is_needed_several_are_refused(text: str) -> None:
    with pytest.raises(BadSettings, match="allowed here: one of"):
        one_word(text)
    assert one_word("") == ""


def test_a_state_is_said_with_how_long_it_has_lasted() -> None:
    now = "2026-11-23T16:00:00Z"
    up = container("1001-stories-app-green", "app-green", health="healthy")
    up = replace(up, since="2026-11-23T14:00:00Z")
    state = state_of(up, SETTINGS, now)
    assert (state.colour, state.seconds, state.exit_code) == ("green", 7200, None)
    assert state_words(state) == "running (healthy)"
    assert state_words(state, since=True) == "running (healthy), up 2 h"
    ended = replace(up, state="exited", exit_code=137, since="2026-11-23T15:57:00Z")
    assert state_words(state_of(ended, SETTINGS, now), since=True) == "exited (137), 3 min ago"
    nothing = gone("1001-stories-app-blue", {})
    assert state_words(state_of(nothing, SETTINGS, now), since=True) == "none"
    assert state_of(nothing, SETTINGS, now).colour == "blue"


# -- status ------------------------------------------------------------------------------------


def test_a_part_that_fails_says_why_and_hides_no_other() -> None:
    def refused() -> None:
        raise DeployError("the database container is exited (1)")

    values, problems = side_by_side(
        {
            "good": lambda: 7,
            "bad": refused,
            "odd": lambda: dict[str, int]()["x"],
            "late": lambda: time.sleep(9),
        },
        0.3,
    )
    assert values == {"good": 7, "bad": None, "odd": None, "late": None}
    assert problems == {
        "bad": "the database container is exited (1)",
        "odd": "unexpected KeyError: 'x'",
        "late": "no answer within 0.3 s",
    }


def test_ctrl_c_waits_for_no_part(capfd: pytest.CaptureFixture[str]) -> None:
    ended = threading.Event()
    with interrupts.listening(), interrupts.only_looking():
        threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
        with pytest.raises(Interrupted):
            side_by_side({"slow": lambda: ended.wait(30)}, 30)
    assert not ended.is_set()
    ended.set()
    interrupts.settled()
    assert capfd.readouterr().err == "", "who only looks need not be told what is taken back"


RAN = {"run": "a", "changes": True}


def entry(event: str, task: str, time: str, **detail: Any) -> Entry:
    return Entry(event, task, "20261123-155000", f"2026-11-23T{time}Z", "ann", "laptop", detail)


def test_the_last_run_is_the_last_that_changed_something() -> None:
    entries = [
        entry("started", "deploy", "15:50:00", **RAN),
        entry("switched", "deploy", "15:51:00"),
        entry("ended", "deploy", "15:52:04", run="a", outcome="taken back", reason="slow"),
        entry("started", "assess-infrastructure", "15:53:00", run="b", changes=False),
        entry("ended", "assess-infrastructure", "15:54:00", run="b", outcome="done"),
    ]
    run = last_run(entries)
    assert run
    assert (run.task, run.outcome, run.reason, run.seconds) == ("deploy", "taken back", "slow", 124)
    unended = last_run(entries[:2])
    assert unended
    assert (unended.outcome, unended.seconds) == (None, None)
    assert last_run(entries[3:]) is None


def document(**changes: Any) -> Status:
    green = ContainerState(
        name="1001-stories-app-green",
        service="app-green",
        colour="green",
        release="20261123-155000",
        image="1001stories:20261123-155000",
        state="running",
        health="healthy",
        exit_code=None,
        restarts=0,
        since="2026-11-23T14:00:00Z",
        seconds=7200,
        ports=[],
    )
    values = {
        "site": "1001 Stories",
        "server": "ubuntu@host",
        "time": "2026-11-23T16:00:09Z",
        "live": {"colour": "green", "release": "20261123-155000", "former": None, "canary": None},
        "containers": [{**green.model_dump(), "usage": parse_usage(reading())}],
        "database": {
            "name": "stories",
            "version": "15.18",
            "size": 8_100_000,
            "connections": 3,
            "migrations": {"applied": 3, "pending": ["03-add-summary expand"]},
        },
        "certificate": {
            "not_after": "2026-12-03T00:00:00Z",
            "days_left": 9,
            "verified": True,
            "problem": None,
        },
        "machine": {
            "disks": [{"mount": "/", "free": 5 * 10**9, "percent": 91}],
            "memory": 2 * 10**9,
            "memory_available": 10**9,
            "load": 0.5,
            "processors": 2,
        },
        "last_run": None,
        "lock": None,
        "cut_off": None,
        "problems": {},
    }
    return Status.model_validate({**values, **changes})


def shown(status: Status) -> dict[str, tuple[str, str]]:
    """Each line's text and style by its name; the table is left out."""
    texts = status_text(status, certificate_days=14, disk_percent=80)
    pairs = (
        (one.plain.partition(":"), str(one.style)) for one in texts if not isinstance(one, Table)
    )
    return {name: (text.strip(), style) for (name, _, text), style in pairs}


def test_status_says_every_part_and_marks_what_a_person_should_see() -> None:
    lines = shown(document())
    assert lines["live"] == ("green, release 20261123-155000 (running (healthy))", "bold")
    assert lines["former"] == ("none yet", "")
    assert lines["migrations"] == ("3 stages applied, 1 pending: 03-add-summary expand", "yellow")
    assert lines["certificate"] == ("9 days left, until 2026-12-03", "yellow")
    assert lines["disk"] == ("/ 91 % full, 5.00 GB free", "yellow")
    assert lines["last run"] == ("none in the ledger", "")
    assert lines["lock"] == ("free", "")


def test_status_says_why_a_part_is_missing() -> None:
    parts = ("live", "database", "certificate", "machine")
    problems = {part: f"no {part} today" for part in (*parts, "lock", "ledger", "containers")}
    nothing = dict.fromkeys((*parts, "lock"), None)
    lines = shown(document(problems=problems, containers=[], **nothing))
    assert lines["live"] == ("not known: no live today", "bold red")
    for name, part in {"server": "machine", "last run": "ledger"}.items():
        assert lines[name] == (f"cannot be read: no {part} today", "bold red")
    for part in ("database", "certificate", "lock", "containers"):
        assert lines[part] == (f"cannot be read: no {part} today", "bold red")


def test_a_certificate_that_does_not_hold_is_said_loudly() -> None:
    wrong = {**document().model_dump()["certificate"], "verified": False, "problem": "expired"}
    text, style = shown(document(certificate=wrong))["certificate"]
    assert (text.endswith("NOT VALID: expired"), style) == (True, "bold red")


# -- timing ------------------------------------------------------------------------------------


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = 200 if self.path == "/" else 503
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_request_is_timed_in_parts_and_a_failed_one_says_why(port: int) -> None:
    there = {"scheme": "http", "connect_http": f"127.0.0.1:{port}"}
    stopwatch = Stopwatch(SETTINGS.public.model_copy(update=there))
    good, bad = stopwatch.sample("/"), stopwatch.sample("/gone")
    assert (good.status, good.size, good.tls, good.ok) == (200, 1000, None, True)
    assert min(good.dns, good.connect, good.wait, good.transfer) > 0
    assert good.total == pytest.approx(good.dns + good.connect + good.wait + good.transfer)
    assert (bad.status, bad.ok) == (503, False)
    nobody = Stopwatch(SETTINGS.public.model_copy(update={"connect": "127.0.0.1:9"})).sample("/")
    assert nobody.error == "ConnectionRefusedError: Connection refused"


def test_the_figures_are_of_the_good_answers_alone() -> None:
    seen = [Sample(status=200, wait=n / 1000, tls=0.01, size=5) for n in range(1, 101)]
    seen += [Sample(error="TimeoutError: timed out"), Sample(status=429, limited=True)]
    found = summed_up(seen, "https://site/", "127.0.0.1:443")
    assert (found.samples, found.failed, found.size) == (100, 2, 5)
    assert found.failures == {"TimeoutError: timed out": 1, "429 (rate limit)": 1}
    assert found.statuses == {"200": 100, "429": 1}
    assert found.phases and found.phases.tls
    wait = found.phases.wait
    assert (wait.minimum, wait.p50, wait.p95, wait.maximum) == (0.001, 0.05, 0.095, 0.1)
    assert found.phases.total.p50 == pytest.approx(0.06)
    nothing = summed_up(seen[100:], "https://site/", "127.0.0.1:443")
    assert (nothing.samples, nothing.phases, nothing.size) == (0, None, None)


# -- the command line --------------------------------------------------------------------------

NOBODY = ("fab", "-H", "nobody@127.0.0.1:9")  # were it contacted, the exit code would be 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["logs", "--since=soon"], "--since is 'soon'; allowed: an age"),
        (["logs", "-f", "--json"], "--follow has no end, and --json is one document"),
        (["status", "--watch", "--json"], "--watch has no end, and --json is one document"),
        (["status", "--interval=3"], "--interval is for --watch"),
        (["timing", "--path=stories"], "--path is 'stories'; allowed: a path from /"),
        (["psql"], "psql needs a terminal to be typed at, and there is none"),
        (["exec", " "], "exec: the command is empty"),
    ],
)
def test_a_wrong_use_is_one_line_and_contacts_nothing(options: list[str], words: str) -> None:
    done = program(*NOBODY, *options, seconds=30)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


TWO = ("fab", "-H", "a@127.0.0.1:9,b@127.0.0.1:10")
OWN = ("--set=hosts.a.ssh.host=a@127.0.0.1:9", "--set=hosts.a.public.connect=127.0.0.1:11")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["shell"], "shell needs the terminal for itself; allowed: one server"),
        (["logs", "-f"], "logs --follow never comes to the second server; allowed: one server"),
        (["ps", "--json", "--parallel=2"], "--json and --parallel exclude each other"),
    ],
)
def test_what_needs_the_terminal_refuses_several_servers(options: list[str], words: str) -> None:
    done = program(*TWO, *options, *OWN, seconds=30)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr


def test_the_short_f_of_logs_leaves_the_programs_own_to_them() -> None:
    """`fab -f FILE logs -f`: the file is read, and nobody is there to be followed."""
    done = program("fab", "-f", "no-such.yaml", "logs", "-f", seconds=30)
    assert done.returncode == 2
    assert "no-such.yaml" in done.stderr
    help_text = program("fab", "--help", "logs").stdout
    assert "-f, --follow" in help_text
    assert "-n STRING, --lines=STRING" in help_text
