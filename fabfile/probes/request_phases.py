"""One request in its parts, as curl's --write-out has them: name, connection, TLS, answer."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass

from ..settings import Public
from .answer import Answer
from .tls import address, trust

BODY_LIMIT = 4 * 1024 * 1024  # bytes of a body that are read


@dataclass(frozen=True)
class Sample:
    """One request on a connection of its own; each part in seconds.

    :param error: one line where no whole answer came; the parts are 0 then.
    :param tls: None without TLS.
    :param wait: from the request's last byte to the answer's headers.
    :param size: bytes of the body.
    :param limited: a rate limit turned it away.
    """

    status: int = 0
    error: str = ""
    dns: float = 0.0
    connect: float = 0.0
    tls: float | None = None
    wait: float = 0.0
    transfer: float = 0.0
    size: int = 0
    limited: bool = False

    @property
    def total(self) -> float:
        return self.dns + self.connect + (self.tls or 0) + self.wait + self.transfer

    @property
    def ok(self) -> bool:
        """A 2xx or 3xx."""
        return 200 <= self.status < 400


class Stopwatch:
    """Sends requests to the public site and times their parts.

    :param timeout: seconds that any one part may take.
    :raises BadSettings: `public.ca_file` cannot be read.
    """

    def __init__(self, public: Public, *, timeout: float = 10) -> None:
        self.public = public
        self.timeout = timeout
        self.there = address(public, public.scheme)
        self._trust = trust(public) if public.scheme == "https" else None

    def sample(self, path: str) -> Sample:
        """Send one GET; redirects are not followed, and a failure is a sample too."""
        try:
            return self._sample(path)
        except (OSError, http.client.HTTPException) as error:
            words = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""
            reason = words or getattr(error, "strerror", "") or str(error)
            return Sample(error=f"{type(error).__name__}: {reason}".rstrip(": "))

    def _sample(self, path: str) -> Sample:
        host, port = self.there
        began = time.perf_counter()
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        hosts = [str(entry[4][0]) for entry in found]
        named = time.perf_counter()
        with _connected(hosts, port, self.timeout) as plain:
            connected = time.perf_counter()
            wire = plain
            if self._trust:
                wire = self._trust.wrap_socket(plain, server_hostname=self.public.domain)
            with wire:
                secured = time.perf_counter()
                connection = http.client.HTTPConnection(self.public.domain)
                connection.sock = wire
                agent = {"User-Agent": "deploy-timing", "Accept": "*/*", "Connection": "close"}
                connection.request("GET", path, headers=agent)
                sent = time.perf_counter()
                answer = connection.getresponse()
                begun = time.perf_counter()
                body = answer.read(BODY_LIMIT)
                ended = time.perf_counter()
        seen = Answer(path, answer.status, body=body.decode(errors="replace"))
        return Sample(
            status=answer.status,
            dns=named - began,
            connect=connected - named,
            tls=secured - connected if self._trust else None,
            wait=begun - sent,
            transfer=ended - begun,
            size=len(body),
            limited=seen.limited,
        )


def _connected(hosts: list[str], port: int, timeout: float) -> socket.socket:
    """To the first address that answers, as a browser would."""
    last = OSError("the name has no address")
    for host in hosts:
        try:
            wire = socket.create_connection((host, port), timeout)
        except OSError as error:
            last = error
            continue
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire
    raise last
