"""The compose override repeats the site's own service, without what two colours cannot share."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from fabfile.commands import compose
from fabfile.errors import DeployError

SITE = """
version: "3.8"
x-env: &env
  env_file: .env.production
services:
  app:
    <<: *env
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
"""


def override(text: str = SITE, app: str = "app") -> Any:
    return yaml.safe_load(
        compose.override(
            text,
            app,
            project="1001-stories",
            file_name="docker-compose.yml",
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
    assert service["env_file"] == ".env.production"
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
    with pytest.raises(DeployError, match=r"docker-compose.yml has no service app"):
        override(text)


def test_up_starts_one_service_and_nothing_it_depends_on() -> None:
    argv = compose.up_one(
        ["docker", "compose"], project="p", folder="/srv", files=["/srv/a", "/b"], service="app"
    )
    assert " ".join(argv) == (
        "docker compose --project-name p --project-directory /srv --file /srv/a --file /b "
        "up --detach --no-deps --no-build --force-recreate app"
    )
