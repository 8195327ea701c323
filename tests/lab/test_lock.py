"""One at a time: the lock is taken atomically, and whoever has lost it stops."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rich.console import Console as RichConsole

from fabfile.errors import BadSettings, DeployError, LockLost
from fabfile.operations import lock as operation
from fabfile.report.console import Console
from fabfile.server.connection import Output, Server
from fabfile.server.lock import Lock
from fabfile.settings import Settings
from fabfile.site import Site
from tests.programs import Done

OnServer = Callable[..., Done]
GARBAGE = r"half of a lo\000ck \377\n"  # as printf spells it


@pytest.fixture
def folder(on_server: OnServer) -> Iterator[str]:
    name = f"/tmp/lock-test-{uuid.uuid4().hex[:8]}"
    on_server(f"mkdir {name}")
    yield name
    on_server(f"rm -rf {name}")


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    made = Server(settings)
    yield made
    made.close()


class Seen:
    """A site whose state is in a folder of its own, and what it printed."""

    def __init__(self, settings: Settings, server: Server, folder: str) -> None:
        folders = settings.folders.model_copy(update={"state": folder})
        self._out = io.StringIO()
        rich = RichConsole(file=self._out, width=80, highlight=False, soft_wrap=True)
        own = settings.model_copy(update={"folders": folders})
        self.site = Site(own, server, Console(rich))

    @property
    def text(self) -> str:
        return self._out.getvalue()

    def events(self) -> list[str]:
        return [entry.event for entry in self.site.ledger.entries()]


@pytest.fixture
def seen(settings: Settings, server: Server, folder: str) -> Seen:
    return Seen(settings, server, folder)


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
    server: Server, folder: str, on_server: OnServer
) -> None:
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


def test_a_look_tells_who_is_at_work_on_what_and_a_step_costs_one_command(
    server: Server, folder: str, on_server: OnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lock(server, folder, 45)
    assert lock.look() is None
    lock.take("deploy", "20240828-143000")
    on_server(f"touch -d '-20 seconds' {folder}/lock")
    commands: list[list[str]] = []
    run = server.run

    def counted(argv: list[str], **options: Any) -> Output:
        commands.append(argv)
        return run(argv, **options)

    with monkeypatch.context() as patched:
        patched.setattr(server, "run", counted)
        held = lock.look()
        assert len(commands) == 1
        lock.enter("blue-green-deploy", "switch visitors")
        assert len(commands) == 2
    assert held is not None and held.owner is not None and held.age is not None
    assert (held.owner.phase, held.beating) == ("start", True)
    assert held.quiet >= 20
    after = Lock(server, folder, 45).look()
    assert after is not None and after.owner is not None
    assert after.owner.phase == "blue-green-deploy: switch visitors"
    assert after.quiet < held.quiet, "a step is a heartbeat too"
    on_server(f"touch -d '-10 minutes' {folder}/lock")
    dead = lock.look()
    assert dead is not None and not dead.beating
    lock.release()
    assert lock.look() is None


def test_what_cannot_be_looked_at_is_not_called_free(
    server: Server, folder: str, on_server: OnServer
) -> None:
    on_server(f"touch {folder}/lock; chmod 000 {folder}/lock")
    with pytest.raises(DeployError, match="cannot read the lock"):
        Lock(server, folder, 45).look()
    on_server(f"chmod 000 {folder}")
    with pytest.raises(DeployError, match="cannot read the lock") as caught:
        Lock(server, folder, 45).look()
    assert f"no right to read {folder}" in caught.value.evidence
    on_server(f"chmod 700 {folder}")


def test_a_refusal_names_the_owner_the_heartbeat_and_the_next_command(
    server: Server, folder: str, on_server: OnServer
) -> None:
    mine, other = Lock(server, folder, 45), Lock(server, folder, 45)
    mine.take("deploy", "20240828-143000")
    mine.enter("run-migration", "expand")
    with pytest.raises(DeployError) as caught:
        other.take("rollback", "20240828-150000")
    start = f"the site is locked by {mine.owner}; last heartbeat "
    assert caught.value.reason.startswith(start) and caught.value.reason.endswith(" ago")
    assert "deploy of release 20240828-143000, phase run-migration: expand" in caught.value.reason
    assert caught.value.next_command.startswith("fab lock ")
    mine.release()
    on_server(f"printf '{GARBAGE}' > {folder}/lock")
    with pytest.raises(DeployError, match=f"cannot be read: {folder}/lock") as caught:
        other.take("rollback", "20240828-150000")
    assert caught.value.evidence.startswith("half of a lo")


def test_a_full_disk_is_no_lost_lock(server: Server, folder: str, on_server: OnServer) -> None:
    lock = Lock(server, folder, 45)
    lock.take("deploy", "20240828-143000")
    on_server(f"mkdir {folder}/lock.new")  # as little can be written there as on a full disk
    lock.enter("run-migration")
    lock.refuse_lost()
    on_server(f"rmdir {folder}/lock.new; rm {folder}/lock")
    lock.enter("run-migration")
    with pytest.raises(LockLost, match="now: nobody"):
        lock.refuse_lost()


def test_only_the_lock_that_was_looked_at_is_removed(
    server: Server, folder: str, on_server: OnServer
) -> None:
    first, second = Lock(server, folder, 45), Lock(server, folder, 45)
    first.take("deploy", "20240828-143000")
    looked = first.look()
    assert looked is not None
    on_server(f"touch -d '-10 minutes' {folder}/lock")
    dead = first.look()
    assert dead is not None and not dead.beating
    on_server(f"touch {folder}/lock")
    with pytest.raises(DeployError, match="the lock's owner is at work"):
        second.clear(dead)
    first.release()
    second.take("rollback", "20240828-150000")
    with pytest.raises(DeployError, match="another owner by now"):
        first.clear(looked, force=True)
    assert second.holder() == second.owner
    second.release()
    assert first.clear(looked, force=True) is False


def test_of_many_who_remove_a_lock_at_once_one_did(
    settings: Settings, server: Server, folder: str, on_server: OnServer
) -> None:
    on_server(f"printf '{GARBAGE}' > {folder}/lock; touch -d '-10 minutes' {folder}/lock")
    servers = [Server(settings) for _ in range(4)]
    held = Lock(server, folder, 45).look()
    assert held is not None and held.owner is None

    def clear(one: Server) -> bool:
        return Lock(one, folder, 45).clear(held)

    with ThreadPoolExecutor(len(servers)) as pool:
        assert sorted(pool.map(clear, servers)) == [False, False, False, True]
    for one in servers:
        one.close()


# -- the tasks ---------------------------------------------------------------------------------


def test_status_tells_free_from_beating_from_dead_from_garbage(
    seen: Seen, server: Server, folder: str, on_server: OnServer
) -> None:
    operation.status(seen.site)
    assert seen.text == "lock:      free\n"
    other = Lock(server, folder, 45)
    other.take("deploy", "20240828-143000")
    other.enter("run-migration", "expand")
    assert other.owner is not None
    operation.status(seen.site)
    owner = other.owner
    assert f"lock:      held by {owner.who}@{owner.host} (pid {owner.pid})\n" in seen.text
    assert "task:      deploy of release 20240828-143000\n" in seen.text
    assert "at:        run-migration: expand\n" in seen.text
    assert "heartbeat: beating (" in seen.text
    on_server(f"touch -d '-250 seconds' {folder}/lock")
    operation.status(seen.site)
    assert "heartbeat: dead (no heartbeat for 4 min)\n" in seen.text
    assert "next:      any command takes it over; or: fab lock.release --reason …\n" in seen.text
    other.release()
    on_server(f"printf '{GARBAGE}' > {folder}/lock")
    operation.status(seen.site)
    assert f"lock:      {folder}/lock cannot be read\nin it:     half of a lo" in seen.text


def test_without_a_reason_nothing_is_contacted(settings: Settings) -> None:
    ssh = settings.ssh.model_copy(update={"host": "ubuntu@127.0.0.1:1"})
    nowhere = settings.model_copy(update={"ssh": ssh})
    site = Site(nowhere, Server(nowhere), Console())
    for reason in ("", "  "):
        with pytest.raises(BadSettings, match="a reason is needed") as caught:
            operation.release(site, reason)
        assert caught.value.exit_code == 2
    with pytest.raises(DeployError) as contacted:
        operation.release(site, "gone")
    assert contacted.value.exit_code == 1


def test_a_dead_runs_lock_is_released_with_its_reason_in_the_ledger(
    seen: Seen, server: Server, folder: str, on_server: OnServer
) -> None:
    dead = Lock(server, folder, 45)
    dead.take("deploy", "20240828-143000")
    dead._stop.set()  # its heartbeat ends
    on_server(f"touch -d '-10 minutes' {folder}/lock")
    operation.release(seen.site, " the laptop was lost ")
    assert dead.look() is None
    entry = seen.site.ledger.entries()[-1]
    assert (entry.event, entry.task) == ("lock-released", "lock")
    assert entry.detail == {
        "reason": "the laptop was lost",
        "owner": str(dead.owner),
        "force": False,
    }
    operation.release(seen.site, "again")
    assert seen.text.endswith("the lock is free already\n")
    assert seen.events() == ["lock-released"]


def test_a_run_at_work_keeps_its_lock_but_for_force_and_then_stops(
    seen: Seen, server: Server, folder: str
) -> None:
    other = Lock(server, folder, 45)
    other.take("deploy", "20240828-143000")
    with pytest.raises(DeployError, match="the lock's owner is at work") as caught:
        operation.release(seen.site, "it hangs")
    assert "LockLost" in caught.value.next_command
    assert other.holder() == other.owner
    assert seen.events() == []
    other.enter("run-migration", "expand")
    other.refuse_lost()
    operation.release(seen.site, "it hangs", force=True)
    assert seen.site.ledger.entries()[-1].detail["force"] is True
    other.enter("run-migration", "data")
    with pytest.raises(LockLost, match="now: nobody"):
        other.refuse_lost()
    with seen.site.locked("rollback"):
        other.release()
        assert other.holder() == seen.site.lock.owner, "it leaves the next one's lock alone"


def test_a_file_that_is_no_lock_can_be_released_once_it_is_quiet(
    seen: Seen, folder: str, on_server: OnServer
) -> None:
    on_server(f"printf '{GARBAGE}' > {folder}/lock")
    with pytest.raises(DeployError, match="at work"):
        operation.release(seen.site, "torn")  # another version's run may be at work
    on_server(f"touch -d '-10 minutes' {folder}/lock")
    operation.release(seen.site, "torn")
    assert seen.site.lock.look() is None
    assert "half of a lo" in seen.site.ledger.entries()[-1].detail["owner"]
