"""Who is at the other end is checked, and what is wrong is said in one line."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabfile.errors import DeployError, ServerUnreachable
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.server.database import Database
from fabfile.settings import Settings
from fabfile.site import Site
from lab import server as lab_server
from tests.lab.conftest import HERE, SETTINGS_FILE, Fab
from tests.programs import ROOT, program


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text("")
    return path


def test_an_unknown_host_key_is_refused_with_the_line_that_says_how_to_trust_it(
    fab: Fab, known_hosts: Path
) -> None:
    done = fab("status", f"--set=ssh.known_hosts={known_hosts}")
    assert done.returncode == 1
    assert f"unknown host key of [127.0.0.1]:{HERE.ssh_port}: ssh-ed25519 SHA256:" in done.stderr
    assert f"ssh-keyscan -p {HERE.ssh_port} 127.0.0.1 >> ~/.ssh/known_hosts" in done.stderr
    assert known_hosts.read_text() == ""


def test_a_changed_host_key_is_refused_even_where_new_ones_are_accepted(
    fab: Fab, known_hosts: Path
) -> None:
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIGPKdHLLDBUBFLFCTQgFIMvUM0gUhAh3rtPoEaWDHhgk"
    known_hosts.write_text(f"[127.0.0.1]:{HERE.ssh_port} ssh-ed25519 {other}\n")
    done = fab(
        "status", f"--set=ssh.known_hosts={known_hosts}", "--set=ssh.accept_new_host_key=true"
    )
    assert done.returncode == 1
    assert "has CHANGED" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_host_key_is_added_where_the_settings_ask_for_it(fab: Fab, known_hosts: Path) -> None:
    done = fab(
        "status", f"--set=ssh.known_hosts={known_hosts}", "--set=ssh.accept_new_host_key=true"
    )
    assert done.returncode == 0, done.stderr
    assert f"[127.0.0.1]:{HERE.ssh_port} ssh-ed25519" in known_hosts.read_text()


def test_a_key_that_the_server_does_not_know_is_one_line(fab: Fab, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = tmp_path / "key"
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    done = fab("status", f"--set=ssh.key_file={key}")
    assert done.returncode == 1
    assert f"{HERE.host} refused the sign-in" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_where_nobody_listens_is_one_line() -> None:
    done = program("fab", "-f", str(SETTINGS_FILE), "-H", "ubuntu@127.0.0.1:9", "status")
    assert done.returncode == 1
    assert "cannot connect to ubuntu@127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_many_connections_through_one_forwarded_port_leave_the_session_alive(
    settings: Settings,
) -> None:
    """Fabric's own forwarding ends the whole session after some fifty (paramiko#2271)."""
    server = Server(settings)
    site = Site(settings, server, Console())
    with site.live.inside() as visitor:
        statuses = [visitor.ask("/login").status for _ in range(250)]
    assert statuses == [200] * 250
    assert server.run(["echo", "alive"]).text == "alive"
    server.close()


def test_text_of_many_packets_comes_whole_in_every_character(settings: Settings) -> None:
    """Invoke decodes each piece alone, and SSH cuts pieces anywhere."""
    server = Server(settings)
    script = 'BEGIN { printf "x"; for (i = 0; i < 200000; i++) printf "é€𝄞" }'
    heard: list[str] = []
    assert server.run(["awk", script]).stdout == "x" + "é€𝄞" * 200_000
    server.run(["awk", script], on_text=heard.append)
    assert "".join(heard) == "x" + "é€𝄞" * 200_000
    server.close()


def test_a_server_that_refuses_a_file_is_not_a_lost_connection(settings: Settings) -> None:
    server = Server(settings)
    server.run(["mkdir", "-p", "/tmp/refused/file"])
    with pytest.raises(DeployError) as caught:
        server.write("/tmp/refused/file", "text")  # a folder has that name
    assert not isinstance(caught.value, ServerUnreachable)
    assert caught.value.reason.startswith("writing /tmp/refused/file failed on")
    assert server.run(["echo", "alive"]).text == "alive"
    server.close()


def test_threads_that_find_the_session_gone_sign_in_one_after_the_other(settings: Settings) -> None:
    """The lock's heartbeat is one: two that signed in at once spoke over each other."""
    server = Server(settings, console=Console())
    server.open()
    with ThreadPoolExecutor(6) as threads:
        for _ in range(8):
            lab_server.run("pkill -KILL -u ubuntu -f '^sshd(-session)?: ubuntu'", user="root")
            _wait_until_lost(server)
            said = [threads.submit(server.run, ["echo", str(number)]) for number in range(6)]
            assert [one.result().text for one in said] == [str(number) for number in range(6)]
    server.close()


@pytest.mark.parametrize("way", ["run", "listen", "feed"])
def test_a_command_that_is_cut_under_way_has_not_answered_nothing(
    settings: Settings, way: str
) -> None:
    """An empty list of containers would be read as a site without any."""
    server = Server(settings)
    server.open()
    cut = "sleep 0.7; pkill -KILL -u ubuntu -f '^sshd(-session)?: ubuntu'"
    with ThreadPoolExecutor(1) as threads:
        threads.submit(lab_server.run, cut, user="root", check=False)
        with pytest.raises(ServerUnreachable, match="was lost during: sleep 5"):
            if way == "feed":
                server.feed(["sleep", "5"], io.BytesIO(b"data"))
            else:
                server.run(
                    ["sleep", "5"],
                    check=False,
                    on_text=(lambda text: None) if way == "listen" else None,
                )
    assert server.run(["echo", "alive"]).text == "alive"
    server.close()


class Router:
    """On the way to the lab's server; it can forget the connections that go through it.

    As one that translates addresses does after a quiet hour: neither end hears of it, and what is
    sent next on one of them meets a reset.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ways: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self) -> None:
        for _, server in self._ways:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
        self._ways = []

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", HERE.ssh_port))
                self._ways.append((client, server))
                for way in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=way, daemon=True).start()

    def _carry(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                there.sendall(data)
            return  # the end of one side is not passed on
        linger = struct.pack("ii", 1, 0)  # closed with a reset
        here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        here.close()


@pytest.fixture
def router() -> Iterator[Router]:
    router = Router()
    yield router
    router.close()


@pytest.fixture
def behind(router: Router, settings: Settings, known_hosts: Path) -> Iterator[Site]:
    """The lab's site as an operator behind that router sees it."""
    user = HERE.host.partition("@")[0]
    ssh = {
        "host": f"{user}@127.0.0.1:{router.port}",
        "known_hosts": str(known_hosts),
        "accept_new_host_key": True,
    }
    changed = settings.model_copy(update={"ssh": settings.ssh.model_copy(update=ssh)})
    site = Site(changed, Server(changed), Console())
    site.server.open()
    yield site
    site.server.close()


def test_what_comes_after_an_unnoticed_loss_is_sent_on_a_new_session(
    router: Router, behind: Site
) -> None:
    server, database = behind.server, behind.database
    path = "/tmp/after-a-loss"
    server.write(path, "before")
    database.people()
    acts: dict[str, Callable[[], object]] = {
        "a command": lambda: server.run(["cat", path]).text,
        "a script that is heard": lambda: server.run(["cat", path], on_text=print).text,
        "a feed": lambda: server.feed(["cat"], io.BytesIO(b"before")).text,
        "a file that is read": lambda: server.read(path),
        "a file that is written": lambda: server.write(path, "before"),
        "a question to a rested session": lambda: str(database.people().users),
        "a statement in a rested session": lambda: _execute(database),
        "a page over a forwarded port": lambda: _status(behind),
    }
    before = {name: act() for name, act in acts.items()}
    for name, act in acts.items():
        router.forget()
        assert server.connection.is_connected, "the loss was noticed"
        assert act() == before[name], name


def _execute(database: Database) -> None:
    with database.session() as session:
        session.execute("SELECT 1")
    database.people()  # another rests again


def _status(site: Site) -> int:
    with site.live.inside() as visitor:
        return visitor.ask("/login").status


def _wait_until_lost(server: Server) -> None:
    deadline = time.monotonic() + 10
    while server.connection.is_connected and time.monotonic() < deadline:
        time.sleep(0.01)


def test_no_file_turns_host_key_checking_off() -> None:
    wanted = "StrictHostKeyChecking" + "=no"
    found = [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not {".git", ".venv", ".mypy_cache", ".ruff_cache", "__pycache__"} & set(path.parts)
        and wanted in path.read_text(errors="replace")
    ]
    assert found == []
