"""What is folded, what stays, and what a terminal gets that a pipe does not."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from fabfile.errors import DeployError, Interrupted
from fabfile.report.console import Console
from fabfile.report.live import step_line
from fabfile.report.masking import Mask
from fabfile.report.run_log import RunLog
from fabfile.report.words import span
from tests.programs import ROOT

# A run with everything in it that a terminal would show moving.
RUN = """
from fabfile.report.console import Console
console = Console()
console.gauge = lambda: "7 requests, 0 failed"
with console.phase("blue-green-deploy"):
    with console.step("get the code"):
        with console.transfer("sent it", 20) as seen:
            seen(10)
    with console.step("build it"):
        with console.building() as take:
            take("Step 1/2 : FROM scratch")
    with console.step("switch"):
        console.detail("not said")
        console.warn("a warning")
        console.fact("a fact")
console.line("• Traffic: 100%", style="bold")
"""
SHOWN = [
    "",
    "── blue-green-deploy ──",
    "  ✓ get the code 0.0 s",
    "  ✓ build it 0.0 s",
    "  ! a warning",
    "  ✓ switch 0.0 s",
    "      a fact",
    "   blue-green-deploy: 0.0 s",
    "• Traffic: 100%",
]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.delenv("NO_COLOR", raising=False)
    return io.StringIO()


def console(shown: io.StringIO, *, terminal: bool = False, verbose: bool = False) -> Console:
    rich = RichConsole(file=shown, force_terminal=terminal, width=100, highlight=False)
    return Console(rich, verbose=verbose)


def plain(text: str) -> list[str]:
    """Lines without clocks that differ from run to run."""
    return [re.sub(r" +\d\.\d s$", " 0.0 s", line) for line in text.splitlines()]


def test_details_are_folded_and_facts_and_warnings_stay(shown: io.StringIO) -> None:
    some = console(shown)
    with some.step("adopt"):
        some.detail("a detail")
        some.warn("a warning")
        some.fact("a fact")
        assert "a fact" not in shown.getvalue(), "it comes below its step"
    some.detail("below no step")
    assert plain(shown.getvalue()) == [
        "  ! a warning",
        "  ✓ adopt 0.0 s",
        "      a fact",
        "      below no step",
    ]


def test_a_failed_step_unfolds_what_its_message_does_not_say(shown: io.StringIO) -> None:
    some = console(shown)
    with pytest.raises(DeployError), some.step("build"):
        some.detail("one")
        some.detail("in the evidence too")
        raise DeployError("it fails", evidence="two\nin the evidence too")
    assert plain(shown.getvalue()) == ["  ✗ build 0.0 s", "      one"]


def test_only_the_last_details_are_unfolded(shown: io.StringIO) -> None:
    some = console(shown)
    with pytest.raises(DeployError), some.step("build"):
        for number in range(1, 31):
            some.detail(f"line {number}.")
        raise DeployError("it fails")
    text = shown.getvalue()
    assert "… 10 lines before these" in text
    assert "line 10." not in text
    assert "line 11." in text
    assert "line 30." in text


def test_an_interrupted_step_unfolds_nothing(shown: io.StringIO) -> None:
    some = console(shown)
    with pytest.raises(Interrupted), some.step("build"):
        some.detail("a detail")
        raise Interrupted("interrupted by SIGINT")
    assert plain(shown.getvalue()) == ["  ✗ build 0.0 s"]


def test_verbose_shows_every_detail_below_its_step_as_it_comes(shown: io.StringIO) -> None:
    some = console(shown, verbose=True)
    with some.step("adopt"):
        some.detail("a detail")
        some.fact("a fact")
        assert plain(shown.getvalue()) == ["  … adopt", "      a detail", "      a fact"]
    assert plain(shown.getvalue())[3:] == ["  ✓ adopt 0.0 s"]


def piped(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def on_a_terminal(**environment: str) -> str:
    leader, follower = pty.openpty()
    bare = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        env={**bare, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
        stdout=follower,
    )
    os.close(follower)
    text = b""
    try:
        while piece := os.read(leader, 65536):
            text += piece
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    os.close(leader)
    assert process.wait(20) == 0
    return text.decode().replace("\r\n", "\n")


def test_a_pipe_gets_plain_lines() -> None:
    assert plain(piped(TERM="xterm-256color")) == SHOWN


def test_no_color_makes_a_terminal_plain_and_changes_no_line() -> None:
    text = on_a_terminal(NO_COLOR="1")
    assert "\x1b" not in text
    assert plain(text) == SHOWN


def test_a_terminal_has_colours_and_what_moves_and_the_same_lines() -> None:
    text = on_a_terminal()
    assert "\x1b[" in text
    assert "7 requests, 0 failed" in text
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    for line in filter(None, SHOWN):
        assert line in plain(bare)


@pytest.mark.parametrize(
    ("count", "lines"),
    [("1,204 requests, 0 failed, p95 41 ms", 1), ("1,204,204 requests, 0 failed, p95 1.41 s", 2)],
)
def test_the_count_stands_beside_the_step_where_it_fits(
    shown: io.StringIO, count: str, lines: int
) -> None:
    some = console(shown, terminal=True)
    some.gauge = lambda: count
    with some.step("switch visitors to 20261123-115646, and prove it"):
        assert some._live
        drawn = [str(line) for line in some._live.get_renderables()]
    assert len(drawn) == lines
    assert count in drawn[-1]
    assert all(len(line) < 100 for line in drawn)


def test_the_clock_stands_where_it_will_stay() -> None:
    assert len(step_line("short", 1)) == len(step_line("x" * 48, 61))
    assert len(step_line("x" * 49, 1)) == len(step_line("x" * 59, 61))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00 min"),
        (65, "1:05 min"),
        (3599.6, "1:00:00 h"),
        (3723, "1:02:03 h"),
    ],
)
def test_span(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_line_that_is_too_long_goes_on_below_its_own_beginning(shown: io.StringIO) -> None:
    some = console(shown, terminal=True)
    some.warn("word " * 30)
    some.line("• " + "word " * 30)
    some.line("    proxy_pass " + "word " * 30)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown.getvalue().splitlines()]
    assert len(lines) == 5
    assert [line[:6] for line in lines[:4]] == ["  ! wo", "    wo", "• word", "  word"]
    assert all(len(line) <= 100 for line in lines[:4])
    assert lines[4].startswith("    proxy_pass"), "a line of a file is left whole"


def test_all_of_it_is_in_the_log_with_the_time(shown: io.StringIO, tmp_path: Path) -> None:
    some = console(shown)
    some.log = RunLog(tmp_path, "deploy", keep=5, mask=Mask(), complain=some.warn)
    some.line("before")
    with pytest.raises(DeployError), some.step("build"):
        some.detail("a detail")
        some.fact("a fact")
        raise DeployError("it fails")
    some.failure(DeployError("it fails", evidence="seen", state="as it was"))
    [path] = tmp_path.iterdir()
    assert some.log_name == str(path)
    lines = path.read_text().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}  ", line) for line in lines)
    text = [line[14:] for line in lines]
    assert text[:4] == ["before", "  … build", "      a detail", "      a fact"]
    assert text[4].startswith("  ✗ build (0.0")
    assert "  │ seen" in text
    assert f"  log: {path}" in text


def test_the_rate_of_a_transfer_is_said(shown: io.StringIO) -> None:
    some = console(shown, verbose=True)
    with some.transfer("sent source.tar.gz", 4_000_000) as seen:
        time.sleep(0.2)
        seen(4_000_000)
    assert re.search(r"sent source.tar.gz: 4.0 MB, \d+\.\d MB/s in 0.\d s", shown.getvalue())
