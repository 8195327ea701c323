"""A webhook on loopback: keeps what it is sent, and answers as it is told, or not at all."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "/services/T00/B00/do-not-show-me"


class Receiver:
    """:param status: what it answers; None: it takes the message, and never answers."""

    def __init__(self, status: int | None = 200, answer: str = "ok", location: str = "") -> None:
        self.status, self.answer, self.location = status, answer, location
        self.got: list[Any] = []
        self.paths: list[str] = []
        self.over = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{SECRET}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def events(self) -> list[str]:
        """Of the messages of our own document."""
        return [one["event"] for one in self.got]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.paths.append(self.path)
                owner.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if owner.status is None:
                    owner.over.wait(60)
                    return
                self.send_response(owner.status)
                if owner.location:
                    self.send_header("Location", owner.location)
                self.send_header("Content-Length", str(len(owner.answer)))
                self.end_headers()
                self.wfile.write(owner.answer.encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextlib.contextmanager
def receiving(**kwargs: Any) -> Iterator[Receiver]:
    """A receiver at work."""
    receiver = Receiver(**kwargs)
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()
