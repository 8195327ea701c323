"""Argument lists for docker: each value is one argument, whatever is in it."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabfile.commands import docker


def test_a_build_carries_its_arguments_and_labels() -> None:
    assert docker.build(
        "/srv/source",
        tag="site:20240828-143000",
        dockerfile="Dockerfile",
        arguments={"RELEASE": "20240828-143000"},
        labels={"deploy.release": "20240828-143000"},
    ) == shlex.split(
        "docker build --force-rm --tag site:20240828-143000 --file /srv/source/Dockerfile "
        "--build-arg RELEASE=20240828-143000 --label deploy.release=20240828-143000 /srv/source"
    )


def test_a_stop_gives_time_to_finish() -> None:
    assert docker.stop("app-blue", 30) == ["docker", "stop", "--time", "30", "app-blue"]


def test_nothing_is_ever_run_with_a_pty() -> None:
    assert docker.execute("db", ["psql"], interactive=True) == shlex.split(
        "docker exec --interactive db psql"
    )


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_value_reaches_the_shell_as_one_argument(value: str) -> None:
    argv = docker.copy_into(value, "nginx", "/etc/nginx/nginx.conf")
    assert shlex.split(shlex.join(argv)) == argv


@pytest.mark.parametrize(
    ("argv", "may"),
    [
        (docker.start("x"), True),
        (docker.restart("x"), True),
        (docker.stop("x", 1), True),
        (docker.remove("x"), True),
        (docker.rename("x", "y"), True),
        (["docker", "compose", "up"], True),
        (["docker-compose", "up"], True),
        (["sudo", "-n", "docker", "update", "x"], True),
        (["sh", "-c", "cd x && docker compose up"], True),
        (docker.inspect("x"), False),
        (docker.execute("x", ["nginx", "-t"]), False),
        (docker.execute_with("f", "x", "/f", ["nginx", "-t"]), False),
        (docker.stats("x"), False),
        (["sha256sum", "/etc/hosts"], False),
    ],
)
def test_what_may_change_a_container_is_known(argv: list[str], may: bool) -> None:
    assert docker.may_change_containers(argv) is may
