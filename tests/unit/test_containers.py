"""When the engine is asked for its containers anew, and when the last answer is good enough."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import cast

import pytest

from fabfile.commands import docker
from fabfile.server import containers
from fabfile.server.connection import Output, Server
from fabfile.server.containers import Containers
from fabfile.settings import Settings


class Engine:
    """The other end of a session whose engine has one container; it counts how often it is asked.

    No real server here: that the engine is not asked can be seen in nothing it does."""

    def __init__(self) -> None:
        self.changes = 0
        self.asked = 0
        self.state = "running"

    def run(self, argv: Sequence[str], **_: object) -> Output:
        self.changes += docker.may_change_containers(argv)
        if argv[1] == "ps":
            self.asked += 1
            return Output("abc\n", "", 0)
        return Output(json.dumps([self._container()]), "", 0)

    def _container(self) -> dict[str, object]:
        labels = {docker.COMPOSE_PROJECT: "shop", docker.COMPOSE_SERVICE: "nginx"}
        return {
            "Id": "abc",
            "Name": "/shop-nginx-1",
            "Image": "sha256:1",
            "Config": {"Image": "nginx", "Labels": labels, "Env": []},
            "State": {"Status": self.state, "ExitCode": 0},
            "NetworkSettings": {"Networks": {}},
            "HostConfig": {},
            "Mounts": [],
        }


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def site(engine: Engine) -> Containers:
    settings = Settings.model_validate({"compose": {"project": "shop"}})
    return Containers(cast(Server, engine), settings)


def test_it_is_not_asked_again_at_once(engine: Engine, site: Containers) -> None:
    for _ in range(3):
        assert site.service("nginx").running
    assert engine.asked == 1


def test_it_is_asked_anew_after_a_command_that_may_have_changed_something(
    engine: Engine, site: Containers
) -> None:
    assert site.service("nginx").running
    for argv in (
        docker.stop("shop-nginx-1", 1),
        ["docker-compose", "stop"],
        ["sh", "-c", "docker stop x"],
    ):
        engine.run(argv)
        engine.state = "exited"
        assert not site.service("nginx").running
        engine.run(docker.start("shop-nginx-1"))
        engine.state = "running"
        assert site.service("nginx").running


def test_it_is_not_asked_after_one_that_only_reads(engine: Engine, site: Containers) -> None:
    assert site.all()
    engine.run(docker.execute("shop-nginx-1", ["nginx", "-t"]))
    engine.run(["sha256sum", "/etc/nginx/nginx.conf"])
    assert site.all()
    assert engine.asked == 1


def test_what_others_do_is_seen_a_moment_later(
    engine: Engine, site: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "FRESH", 0.01)
    assert site.service("nginx").running
    engine.state = "exited"
    time.sleep(0.02)
    assert not site.service("nginx").running


def test_one_that_has_to_know_asks_anew(engine: Engine, site: Containers) -> None:
    assert site.service("nginx").running
    engine.state = "exited"
    site.forget()
    assert not site.service("nginx").running
