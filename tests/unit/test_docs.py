"""What docs/ says of tasks, settings and documents is what the code says."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

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


def test_each_task_that_reads_has_a_document_with_its_schema() -> None:
    for name, task in generate.tasks().items():
        takes_json = any("json" in one.names for one in generate.arguments(task))
        assert takes_json == bool(generate.printed_by(name)), name
        assert takes_json or not getattr(task, "reads", False), name
        for file in generate.printed_by(name).values():
            assert (generate.DOCS / generate.SCHEMAS / f"{file}.json").is_file()


def test_each_document_is_printed_by_a_task_and_option_that_there_are() -> None:
    for document in generate.documents().values():
        name, _, option = document.command.partition(" --")
        if document.command:
            known = {n for o in generate.arguments(generate.tasks()[name]) for n in o.names}
            assert {option or "json"} <= known, document.command


@pytest.mark.parametrize("name", generate.documents())
def test_a_schema_leaves_nothing_open(name: str) -> None:
    schema = json.loads((generate.DOCS / generate.SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    for model in _models(schema):
        assert model["additionalProperties"] is False
        assert model["required"] == list(model["properties"])
        assert model["description"]


def _models(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (one for one in (schema, *schema.get("$defs", {}).values()) if "properties" in one)


def test_the_workflow_calls_tasks_and_options_that_there_are() -> None:
    workflow = yaml.safe_load((generate.DOCS / "examples/github-actions.yml").read_text())
    runs = [step["run"] for step in workflow["jobs"]["site"]["steps"] if "run" in step]
    calls = [shlex.split(run)[5:] for run in runs if run.startswith("fab ")]
    assert len(calls) == 5
    for name, *words in calls:
        known = {f"--{n}" for one in generate.arguments(generate.tasks()[name]) for n in one.names}
        assert {word for word in words if word.startswith("--")} <= known
