"""The compose override repeats the site's own service, without what two colours cannot share."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from fabfile.commands import compose
from fabfile.errors import DeployError
from fabfile.server.compose import Compose
from fabfile.settings import load

SITE = """
version: "3.8"
services:
  app:
    build: .
    container_name: 1001-stories-app
    ports: ["3000:3000"]
    depends_on: [db]
    environment:
      GREETING: "costs $$5"
    labels: [a=b]
    networks:
      front: {aliases: [app-alias], ipv4_address: 10.0.0.5}
    healthcheck: {test: [CMD, curl, localhost]}
  db: {image: postgres}
networks:
  front: {name: 1001-stories_front}
volumes: {}
"""


def override(text: str = SITE, app: str = "app") -> Any:
    return yaml.safe_load(
        compose.override(
            text,
            app,
            project="1001-stories",
            file_names=["docker-compose.yml"],
            colour="green",
            release="20240828-143000",
            container="1001-stories-app-green",
            image="1001stories:20240828-143000",
            host_port=3001,
            port=3000,
            labels={"deploy.colour": "green"},
        )
    )


def test_the_idle_colour_has_its_own_name_image_and_loopback_port() -> None:
    service = override()["services"]["app-green"]
    assert service["container_name"] == "1001-stories-app-green"
    assert service["image"] == "1001stories:20240828-143000"
    assert service["ports"] == ["127.0.0.1:3001:3000"]
    assert service["labels"] == {"a": "b", "deploy.colour": "green"}


def test_environment_and_health_check_are_the_sites_own() -> None:
    service = override()["services"]["app-green"]
    assert service["environment"] == {"GREETING": "costs $$5"}
    assert service["healthcheck"] == {"test": ["CMD", "curl", "localhost"]}


def test_two_colours_share_no_alias_address_or_dependency() -> None:
    service = override()["services"]["app-green"]
    assert service["networks"] == {"front": None}
    assert not {"build", "depends_on", "hostname", "links"} & set(service)


def test_an_old_compose_file_keeps_its_version() -> None:
    assert override()["version"] == "3.8"
    assert "version" not in override("services: {app: {image: a}}")


@pytest.mark.parametrize("text", ["services: {web: {}}", "services: [", "- a", "services:"])
def test_a_file_without_the_service_is_refused(text: str) -> None:
    with pytest.raises(DeployError, match=r"no service app in docker-compose.yml"):
        override(text)


def test_every_call_for_the_whole_project_names_every_file_in_order_and_every_profile() -> None:
    settings = load(
        {
            "folders": {"project": "/srv"},
            "compose": {"files": ["b.yml", "more/a.yml"], "profiles": ["edge"], "project": "p"},
        }
    )
    start = (
        "docker compose --project-name {} --project-directory /srv "
        "--file /srv/b.yml --file /srv/more/a.yml --profile edge "
    )
    found = Compose(("docker", "compose"), "2.26.1")
    resolved = compose.resolved(found.of(settings, "q"))
    assert " ".join(resolved) == start.format("q") + "config"
    services = compose.services(found.of(settings))
    assert " ".join(services) == start.format("p") + "config --services"
    up = compose.up_all(found.of(settings))
    assert " ".join(up) == start.format("p") + "up --detach --no-recreate"


def test_up_starts_one_service_and_nothing_it_depends_on() -> None:
    argv = compose.up_one(
        ["docker", "compose"], project="p", folder="/srv", file="/b", service="app"
    )
    assert " ".join(argv) == (
        "docker compose --project-name p --project-directory /srv --file /b "
        "up --detach --no-deps --no-build --force-recreate app"
    )


def test_an_override_is_whole_in_itself_and_has_nobody_else_in_it() -> None:
    document = override()
    assert set(document["services"]) == {"app-green"}
    assert document["networks"] == {"front": {"name": "1001-stories_front"}}
    assert "volumes" not in document


def test_what_runs_already_keeps_the_environment_that_it_runs_with() -> None:
    text = compose.override(
        SITE,
        "app",
        project="p",
        file_names=["docker-compose.yml"],
        colour="blue",
        release="20240828-143000",
        container="c",
        image="i",
        host_port=3000,
        port=3000,
        labels={},
        environment={"PASSWORD": 'it\'s $HOME ${x} \\ "quoted" # 1'},
    )
    [service] = yaml.safe_load(text)["services"].values()
    # Compose reads `$$` as a dollar.
    assert service["environment"] == {"PASSWORD": 'it\'s $$HOME $${x} \\ "quoted" # 1'}


def test_a_kept_override_can_run_as_the_other_colour() -> None:
    kept = yaml.safe_dump(override())
    again = yaml.safe_load(
        compose.repainted(
            kept,
            "app",
            colour="blue",
            colour_label="deploy.colour",
            container="1001-stories-app-blue",
            host_port=3000,
            port=3000,
        )
    )
    service = again["services"].pop("app-blue")
    was = override()["services"]["app-green"]
    assert again == {**override(), "services": {}}
    assert service["ports"] == ["127.0.0.1:3000:3000"]
    assert service["labels"]["deploy.colour"] == "blue"
    changed = ("container_name", "ports", "labels")
    assert {k: v for k, v in service.items() if k not in changed} == {
        k: v for k, v in was.items() if k not in changed
    }


@pytest.mark.parametrize("text", ["", "a: b", "services: {a: {}, b: {}}", "services: {a: 1}", "["])
def test_labels_of_anything_else_are_none(text: str) -> None:
    assert compose.labels_of(text) == {}
