"""One at a time: the lock is taken atomically, and whoever has lost it stops."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fabfile.errors import DeployError, LockLost
from fabfile.server.connection import Server
from fabfile.server.lock import Lock
from fabfile.settings import Settings
from tests.programs import Done

FOLDER = "/tmp/lock-test"


@pytest.fixture
def folder(on_server: Callable[..., Done]) -> str:
    on_server(f"rm -rf {FOLDER} && mkdir {FOLDER}")
    return FOLDER


def test_of_many_at_once_exactly_one_gets_it(settings: Settings, folder: str) -> None:
    servers = [Server(settings) for _ in range(8)]
    locks = [Lock(server, folder, 45) for server in servers]

    def take(lock: Lock) -> str:
        try:
            lock.take("deploy", "20240828-143000")
        except DeployError as error:
            return error.reason
        return "mine"

    with ThreadPoolExecutor(len(locks)) as pool:
        answers = list(pool.map(take, locks))
    assert answers.count("mine") == 1
    refused = [answer for answer in answers if answer != "mine"]
    assert all("locked by" in answer and "20240828-143000" in answer for answer in refused)

    for lock in locks:
        lock.release()
    assert locks[0].holder() is None
    for server in servers:
        server.close()


def test_a_run_whose_lock_was_taken_over_stops_and_leaves_the_lock_alone(
    settings: Settings, folder: str, on_server: Callable[..., Done]
) -> None:
    server = Server(settings)
    slept, other = Lock(server, folder, 45), Lock(server, folder, 45)
    slept.take("deploy", "20240828-143000")
    on_server(f"touch -d '-10 minutes' {folder}/lock")
    dead = other.take("rollback", "20240828-150000")
    assert dead is not None
    assert dead.release == "20240828-143000"

    slept.enter("blue-green-deploy")
    with pytest.raises(LockLost, match="20240828-150000"):
        slept.refuse_lost()
    slept.release()
    holder = other.holder()
    assert holder is not None
    assert holder.release == "20240828-150000"
    other.refuse_lost()
    other.release()
    server.close()
