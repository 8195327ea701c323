"""What docs/ says of tasks, settings and documents is what the code says."""

from __future__ import annotations

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
