"""HTTP in and out: connections that stay open, and a stop that lets requests finish."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .answers import Answer, data
from .database import DatabaseAway
from .incoming import Request, read_request
from .routes import RELEASE, Site

LARGEST_BODY = 1_000_000
GRACE = 8.5
# Idle connections are kept this long while stopping, for requests that are on their way.
LAME_DUCK = 0.3


class Service(ThreadingHTTPServer):
    """The listening socket, and how many requests are being answered."""

    daemon_threads = True
    request_queue_size = 256
    # Connections are cut by the end of the process; joining idle ones would wait for ever.
    block_on_close = False

    def __init__(self, port: int, site: Site) -> None:
        self.site = site
        self.stopping = False
        self.busy = 0
        self._count = threading.Lock()
        super().__init__(("0.0.0.0", port), Handler)

    def change_busy(self, difference: int) -> None:
        """Count a request in or out."""
        with self._count:
            self.busy += difference

    def stop_gracefully(self) -> None:
        """Close the door behind the last who came, let all be answered, and end the process."""
        self.stopping = True
        self.shutdown()
        self.socket.setblocking(False)
        deadline = time.monotonic() + GRACE
        # Clients in the queue have been told that they are connected: they are served too.
        while self._accept_waiting():
            pass
        self.server_close()
        time.sleep(LAME_DUCK)
        while self.busy and time.monotonic() < deadline:
            time.sleep(0.02)
        print(f"stopped with {self.busy} requests unanswered", flush=True)
        os._exit(0)

    def _accept_waiting(self) -> bool:
        try:
            connection, address = self.socket.accept()
        except OSError:
            return False
        connection.setblocking(True)
        self.process_request(connection, address)
        return True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is an everyday event, not a traceback."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"error for {client_address}: {error!r}", file=sys.stderr, flush=True)


class Handler(BaseHTTPRequestHandler):
    """One connection and the requests on it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75
    wbufsize = 65536
    server: Service

    def do_GET(self) -> None:
        """Answer a page."""
        self._serve()

    def do_HEAD(self) -> None:
        """Answer a page's headers."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a form."""
        self._serve()

    def _serve(self) -> None:
        started = time.monotonic()
        self.server.change_busy(1)
        try:
            answer = self._answer()
            self._send(answer)
            self.wfile.flush()
        finally:
            self.server.change_busy(-1)
        milliseconds = (time.monotonic() - started) * 1000
        print(f"{self.command} {self.path} {answer.status} {milliseconds:.0f}ms", flush=True)

    def _answer(self) -> Answer:
        try:
            return self.server.site.answer(self._read())
        except DatabaseAway as error:
            return data({"error": f"database: {error}"}, 500)
        except ValueError as error:
            return data({"error": f"bad request: {error}"}, 400)

    def _read(self) -> Request:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            raise ValueError("too large")
        return read_request(self.command, self.path, self.headers, self.rfile.read(length))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("X-App-Release", RELEASE)
        self.send_header("Content-Type", answer.kind)
        if answer.pieces is None:
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != 101 and (self.server.stopping or answer.pieces):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(answer.body)
        if answer.pieces:
            self._go_on(answer.pieces)
            self.wfile.write(answer.last)

    def _go_on(self, pieces: Iterator[bytes]) -> None:
        """One after the other; whoever listens is told to come again when the app stops."""
        self.close_connection = True
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            if self.server.stopping:
                return

    def log_message(self, format: str, *values: object) -> None:
        """Not the standard library's line: `_serve` writes one for each request."""
