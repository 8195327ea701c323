"""One request to a port as the server sees it: the idle colour, before anyone visits it."""

from __future__ import annotations

import contextlib
import time

import requests
from requests.structures import CaseInsensitiveDict

from ..server.connection import Server
from ..server.forwarding import ForwardingRefused
from .answer import Answer

BODY_LIMIT = 64 * 1024  # bytes
TIMEOUT = 10  # seconds for the one request


def direct(server: Server, host: str, port: int, path: str) -> Answer:
    """Ask `http://host:port/path` from the server's own side.

    Through the SSH session; by curl on the server where that forbids forwarding.

    :returns: the answer; that nothing listens is an answer too, with `error` set.
    :raises ServerUnreachable: the SSH session is gone.
    """
    started, clock = time.time(), time.monotonic()
    try:
        with server.forward(host, port) as local:
            return _through(local, host, port, path)
    except ForwardingRefused as error:
        if "prohibited" in error.reason.lower():
            return by_curl(server, host, port, path)
        seconds = time.monotonic() - clock
        return Answer(path, 0, seconds=seconds, error=f"refused: {error.reason}", started=started)


def _through(local: int, host: str, port: int, path: str) -> Answer:
    started, clock = time.time(), time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        try:
            response = session.get(
                f"http://127.0.0.1:{local}{path}",
                headers={"Host": f"{host}:{port}", "Connection": "close"},
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            )
            body = next(response.iter_content(BODY_LIMIT), b"")
        except requests.RequestException as error:
            seconds = time.monotonic() - clock
            reason = f"{type(error).__name__}: {host}:{port} gave no whole answer"
            return Answer(path, 0, seconds=seconds, error=reason, started=started)
    return Answer(
        path,
        response.status_code,
        CaseInsensitiveDict(response.headers),
        body.decode(errors="replace"),
        time.monotonic() - clock,
        started=started,
    )


def by_curl(server: Server, host: str, port: int, path: str) -> Answer:
    """The same by curl on the server.

    :raises ServerUnreachable: the SSH session is gone.
    """
    started, clock = time.time(), time.monotonic()
    argv = ["curl", "-sS", "-i", "--http1.1", "--max-time", str(TIMEOUT), "--noproxy", "*"]
    output = server.run([*argv, "--", f"http://{host}:{port}{path}"], check=False)
    seconds = time.monotonic() - clock
    if not output.ok:
        lines = output.stderr.strip().splitlines() or [f"curl ended with {output.exit_code}"]
        return Answer(path, 0, seconds=seconds, error=lines[-1], started=started)
    status, headers, body = parse_response(output.stdout)
    return Answer(path, status, headers, body[:BODY_LIMIT], seconds, started=started)


def parse_response(text: str) -> tuple[int, CaseInsensitiveDict[str], str]:
    """Status, headers and body of what `curl -i` prints; a 1xx before them is left out."""
    status = 0
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    rest = text.replace("\r\n", "\n")
    while rest.startswith("HTTP/") and (not status or 100 <= status < 200):
        head, _, rest = rest.partition("\n\n")
        first, *lines = head.split("\n")
        with contextlib.suppress(IndexError, ValueError):
            status = int(first.split()[1])
        headers = CaseInsensitiveDict(
            {name.strip(): value.strip() for name, _, value in (s.partition(":") for s in lines)}
        )
    return status, headers, rest
