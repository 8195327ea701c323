"""A command line that cannot be: one line, the nearest right name, exit code 2, under both."""

from __future__ import annotations

import pytest

from tests.programs import program

WRONG = [
    (["statuss"], "no such task: statuss; did you mean status?", "--list"),
    (["lock.relase"], "no such task: lock.relase; did you mean lock.release?", "--list"),
    (["doctor", "--jso"], "doctor: no such option --jso; did you mean --json?", "--help doctor"),
    (["doctor", "-q"], "doctor: no such option -q", "--help doctor"),
    (["restore"], "restore needs NAME", "--help restore"),
    (["rollback", "--to"], "--to needs a value", "--help rollback"),
    (["rollback", "it's"], "no such task: it's, and rollback takes no such argument", "--help r"),
    (["status", "-T", "soon"], "-T is 'soon'; allowed: a whole number", "--list"),
    (["--help", "statuss"], "no such task: statuss; did you mean status?", "--list"),
    (["--list", "nosuch"], "Sub-collection 'nosuch' not found!", "--list"),
    (["--list", "-F", "yaml"], "--list-format is 'yaml'; allowed: flat, nested, json", "--list"),
]


@pytest.mark.parametrize("name", ["fab", "invoke"])
@pytest.mark.parametrize(("arguments", "words", "then"), WRONG)
def test_what_the_parser_refuses_is_one_line_with_a_hint(
    name: str, arguments: list[str], words: str, then: str
) -> None:
    done = program(name, *arguments, seconds=20)
    reason, following = done.stderr.strip().splitlines()
    assert (done.returncode, reason) == (2, f"✗ {words}")
    assert following.startswith(f"  next: {name} {then}")
    assert done.stdout == ""


@pytest.mark.parametrize("task", ["init", "status"])
def test_a_port_that_is_none_is_one_line(task: str) -> None:
    done = program("fab", "-H", "ubuntu@host:port", task, seconds=20)
    assert done.returncode == 2
    assert "✗ -H: site.ssh.host is 'ubuntu@host:port'; allowed: user@host" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_time_limit_of_fabrics_own_that_is_no_number_is_one_line() -> None:
    done = program("fab", "status", "-t", "soon", seconds=20)
    assert done.returncode == 2
    assert "✗ --connect-timeout is 'soon'; allowed: a whole number" in done.stderr


def test_what_is_right_goes_on_as_before() -> None:
    listed = program("fab", "--list", "lock", seconds=20)
    assert (listed.returncode, listed.stderr) == (0, "")
    helped = program("invoke", "--help", "rollback", seconds=20)
    assert (helped.returncode, helped.stderr) == (0, "")
    completed = program("invoke", "--complete", "--", "inv", "roll", seconds=20)
    assert completed.returncode == 0
    assert "rollback" in completed.stdout.split()
