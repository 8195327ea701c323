"""What is said of a server that does not speak SSH to us."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from fabfile.errors import ServerUnreachable
from fabfile.server.connection import Server
from fabfile.settings import load


@pytest.fixture
def banned() -> Iterator[int]:
    """The port of a server that lets nobody in for a while, as sshd does from 9.8 on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"Not allowed at this time\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]


def test_a_server_that_bans_us_for_a_while_is_told_in_its_own_words(banned: int) -> None:
    settings = load({"ssh": {"host": f"nobody@127.0.0.1:{banned}", "connect_timeout": 3}})
    with pytest.raises(ServerUnreachable) as caught:
        Server(settings).open()
    assert "it only says 'Not allowed at this time'; try again later" in str(caught.value)
