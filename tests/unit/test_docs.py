"""What docs/ says of tasks, settings and documents is what the code says."""

from __future__ import annotations

import shlex

import yaml

from docs import generate
from fabfile.settings import Settings


def test_the_pages_made_from_the_code_are_up_to_date() -> None:
    assert list(generate.outdated()) == [], "run `make docs`"


def test_each_task_names_groups_of_settings_that_there_are() -> None:
    assert set(generate.GOES_BY) == set(generate.tasks())
    named = {group for groups in generate.GOES_BY.values() for group in groups}
    assert named <= set(Settings.model_fields)


def test_each_task_option_and_setting_says_what_it_is_for() -> None:
    silent = [
        f"{name} --{argument.name}"
        for name, task in generate.tasks().items()
        for argument in generate.arguments(task)
        if not argument.help
    ]
    assert all(task.__doc__ for task in generate.tasks().values())
    assert silent + list(generate.undescribed(Settings)) == []


def test_the_workflow_calls_tasks_and_options_that_there_are() -> None:
    workflow = yaml.safe_load((generate.DOCS / "examples/github-actions.yml").read_text())
    runs = [step["run"] for step in workflow["jobs"]["site"]["steps"] if "run" in step]
    calls = [shlex.split(run)[5:] for run in runs if run.startswith("fab ")]
    assert len(calls) == 5
    for name, *words in calls:
        known = {f"--{n}" for one in generate.arguments(generate.tasks()[name]) for n in one.names}
        assert {word for word in words if word.startswith("--")} <= known
