"""One visitor of the site: a request after another, over TLS, as a strict client sees them."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from http.cookies import SimpleCookie

from lab.load_result import Tally

TIMEOUT = 10.0
CLOSED = (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True)
class Errand:
    """A request and the statuses that it may be answered with."""

    path: str
    statuses: tuple[int, ...] = (200,)
    method: str = "GET"
    body: str | None = None


@dataclass(frozen=True)
class Target:
    """Where the site is: an address, the name it is known by, and whom to trust; None: no TLS."""

    address: tuple[str, int]
    domain: str
    context: ssl.SSLContext | None


class Closed(Exception):
    """The server closed a kept connection under a request before any byte of the answer."""


class Visitor:
    """Sends errands; keeps its connection between them, or opens a new one for each.

    As a browser it asks for pages, keeps cookies, and remembers which releases it met.
    """

    def __init__(
        self, target: Target, tally: Tally, keeps_connection: bool, *, browser: bool = False
    ) -> None:
        self._target = target
        self._tally = tally
        self._keeps = keeps_connection
        self._cookies: SimpleCookie | None = SimpleCookie() if browser else None
        self.journey: list[str] = []  # the releases that it met, in order, each stay once
        self._connection: http.client.HTTPConnection | None = None

    def run(self, errand: Errand) -> None:
        """Do one errand and count how it went."""
        started = time.monotonic()
        try:
            try:
                answer, body = self._send(errand)
            except Closed as closed:
                # Blindly, as clients do that do not look before they send: a browser might have
                # noticed the end of the connection, this one never does.
                self._tally.resent(errand.path, str(closed))
                answer, body = self._send(errand)
        except (OSError, http.client.HTTPException) as error:
            self.leave()
            self._tally.failed(errand.path, f"{type(error).__name__}: {error}")
            return
        self._judge(errand, answer, body, time.monotonic() - started)

    def leave(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, errand: Errand) -> tuple[http.client.HTTPResponse, bytes]:
        reused = self._connection is not None
        connection = self._connection or self._connect()
        self._connection = connection
        try:
            connection.request(errand.method, errand.path, errand.body, self._headers(errand))
            answer = connection.getresponse()
        except CLOSED as error:
            self.leave()
            if reused:
                raise Closed(f"{type(error).__name__}: {error}") from error
            raise
        body = answer.read()
        if answer.will_close or not self._keeps:
            self.leave()
        return answer, body

    def _connect(self) -> http.client.HTTPConnection:
        plain = socket.create_connection(self._target.address, timeout=TIMEOUT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPConnection(self._target.domain, timeout=TIMEOUT)
        if self._target.context is None:
            connection.sock = plain
            return connection
        try:
            connection.sock = self._target.context.wrap_socket(
                plain, server_hostname=self._target.domain
            )
        except OSError:
            plain.close()
            raise
        return connection

    def _headers(self, errand: Errand) -> dict[str, str]:
        headers = {} if self._keeps else {"Connection": "close"}
        if self._cookies is not None:
            headers["Accept"] = "text/html,*/*;q=0.8"
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{k}={m.value}" for k, m in self._cookies.items())
        if errand.body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return headers

    def _judge(
        self, errand: Errand, answer: http.client.HTTPResponse, body: bytes, seconds: float
    ) -> None:
        release = answer.headers.get("X-App-Release", "none")
        if self._cookies is not None:
            self._remember(answer, release)
        if answer.status not in errand.statuses:
            words = body[:120].decode(errors="replace").replace("\n", " ")
            self._tally.failed(errand.path, f"{answer.status} {words}", answer.status)
            return
        written = None
        if errand.method == "POST":
            written = int(json.loads(body)["id"])
        self._tally.answered(answer.status, release, seconds, written)

    def _remember(self, answer: http.client.HTTPResponse, release: str) -> None:
        assert self._cookies is not None
        for text in answer.headers.get_all("Set-Cookie", ()):
            self._cookies.load(text)
        if not self.journey or self.journey[-1] != release:
            self.journey.append(release)
