"""`fab` and `invoke` show the same tasks, and refuse bad input before anything is contacted."""

from __future__ import annotations

import json

import pytest

from tests.programs import program

TASKS = {
    "assess-infrastructure": ["assess"],
    "run-migration": ["migrate"],
    "blue-green-deploy": ["blue-green"],
    "rollback": [],
    "validate-deployment": ["validate"],
    "deploy": [],
}


@pytest.mark.parametrize("name", ["fab", "invoke"])
def test_every_numbered_script_is_a_task_with_its_short_name(name: str) -> None:
    listed = json.loads(program(name, "--list", "--list-format=json").stdout)
    tasks = {task["name"]: task for task in listed["tasks"]}
    for task, aliases in TASKS.items():
        assert sorted(tasks[task]["aliases"]) == sorted(aliases)
        assert tasks[task]["help"]


def test_both_programs_show_the_same_site_tasks() -> None:
    def names(program_name: str) -> list[str]:
        listed = json.loads(program(program_name, "--list", "--list-format=json").stdout)
        return [task["name"] for task in listed["tasks"]]

    assert names("fab") == names("invoke")


@pytest.mark.parametrize("name", ["fab", "invoke"])
def test_every_option_has_help(name: str) -> None:
    text = program(name, "--help", "rollback").stdout
    for option in ("--app-only", "--full", "--to", "--yes", "--set"):
        assert option in text
    assert "Take visitors back" in text


# Nobody listens there: were it contacted, the exit code would be 1.
@pytest.mark.parametrize("argv", [("fab", "-H", "ubuntu@127.0.0.1:9"), ("invoke",)])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--set=app.prt=1", "app.prt: no such setting; did you mean port?"),
        ("--set=app.port=99999", "site.app.port is 99999; allowed: a whole number from 1 to 65535"),
        ("--data=later", "--data is 'later'; allowed: auto, now, after-switch"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    argv: tuple[str, ...], option: str, words: str
) -> None:
    done = program(*argv, "deploy", option, seconds=20)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_environment_setting_is_refused_under_both() -> None:
    for argv in (("fab", "-H", "u@127.0.0.1:9"), ("invoke",)):
        done = program(*argv, "status", seconds=20, environment={"DEPLOY_LIMITS__RESPONSE": "1"})
        assert done.returncode == 2
        assert "DEPLOY_LIMITS__RESPONSE: site.limits.response: no such setting" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["rollback", "--to=yesterday"], "--to is 'yesterday'; allowed: a release"),
        (["rollback", "--full", "--app-only"], "--app-only and --full exclude each other"),
        (["rollback", "--keep-new-rows"], "--keep-new-rows is for --full"),
        (["lock.release"], "a reason is needed"),
    ],
)
def test_a_wrong_use_is_one_line_and_contacts_nothing(options: list[str], words: str) -> None:
    done = program("invoke", *options, seconds=20)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Unable to connect" not in done.stderr


def test_a_folder_that_is_not_the_sites_is_refused_before_anything_is_contacted() -> None:
    """The shipped settings archive this folder, which is the tool's and has no Dockerfile."""
    done = program("invoke", "deploy", seconds=20)
    assert done.returncode == 2
    assert "site.source.dockerfile is 'Dockerfile'; allowed: a file of" in done.stderr
