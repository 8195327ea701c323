"""One visitor of the public site, on the operator's machine; and one request on the server."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from ..settings import Public
from .answer import Answer as Answer
from .answer import healthy as healthy
from .direct import direct as direct
from .tls import address, trust

BODY_LIMIT = 64 * 1024  # bytes of a body that are read; the rest is not waited for


class Visitor:
    """Asks the public site as a browser would: no retries, no proxy, no redirects followed.

    One thread uses one visitor: its kept-alive connection is its own.

    :param public: the site as visitors see it; `connect` and `connect_http` lead elsewhere while
        the name, SNI and certificate check stay the domain's.
    :param timeout: seconds until an answer counts as not come; in all, not for each read.
    :param headers: further ones of each request.
    :raises BadSettings: `public.ca_file` cannot be read.
    """

    def __init__(
        self,
        public: Public,
        *,
        user_agent: str = "deploy-probe",
        timeout: float = 10,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.public = public
        self.timeout = timeout
        self._headers = {"Host": public.domain, "User-Agent": user_agent, "Accept": "*/*"}
        self._headers |= headers or {}
        self._opened = 0
        self._session = requests.Session()
        self._session.trust_env = False
        context = trust(public)
        for scheme in ("http", "https"):
            there = address(public, scheme)
            adapter = _Adapter(there, public.domain, context, self._count)
            self._session.mount(f"{scheme}://", adapter)

    def ask(self, path: str, *, new_connection: bool = True, scheme: str = "") -> Answer:
        """Send one GET.

        :param path: from the root, with its query if it has one.
        :param new_connection: open a connection for it and close it after; else the one kept
            alive from the last such request is used.
        :param scheme: `https` or `http`; empty: the site's own.
        :returns: the answer; a failure is an answer too, with `error` set.
        """
        if new_connection:
            # Also drops the connection kept from before: rarely are the two mixed.
            self._session.close()
        scheme = scheme or self.public.scheme
        opened, started = self._opened, time.time()
        answer = self._send(path, scheme, new_connection)
        # Nothing new was opened, so the request went over a kept connection and that was closed
        # under it. A browser sends such a GET again by itself; so do we, and count it.
        if answer.error.startswith("closed") and self._opened == opened and not new_connection:
            answer = self._send(path, scheme, new_connection)
            return Answer(**{**vars(answer), "resent": True, "started": started})
        return answer

    def send(self, path: str, fields: Mapping[str, str], *, as_json: bool = False) -> Answer:
        """Send one POST, as this site's own form would; cookies set before go with it.

        :param as_json: the fields as one JSON object; else as a form.
        """
        self._session.close()
        # Frameworks refuse a form that another site seems to have sent.
        own = {"Origin": self.public.url, "Referer": f"{self.public.url}{path}"}
        body = {"json" if as_json else "data": dict(fields)}
        return self._send(path, self.public.scheme, True, "POST", own, **body)

    def close(self) -> None:
        """Close the kept-alive connection."""
        self._session.close()

    def _send(
        self,
        path: str,
        scheme: str,
        new_connection: bool,
        method: str = "GET",
        extra: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        headers = {**self._headers, **(extra or {})}
        headers |= {"Connection": "close"} if new_connection else {}
        started, clock = time.time(), time.monotonic()
        try:
            response = self._session.request(
                method,
                f"{scheme}://{self.public.domain}{path}",
                headers=headers,
                timeout=self.timeout,
                allow_redirects=False,
                stream=True,
                **body,
            )
        except (requests.RequestException, HTTPError, OSError) as error:
            seconds = time.monotonic() - clock
            return Answer(path, 0, seconds=seconds, error=explain(error), started=started)
        found = CaseInsensitiveDict(response.headers)
        try:
            text = _body(response, clock + self.timeout)
        except (requests.RequestException, HTTPError, OSError) as error:
            # A status without its whole body is no answer: a visitor sees a broken page.
            reason = f"{explain(error)} (inside the answer {response.status_code})"
            seconds = time.monotonic() - clock
            self._session.close()
            return Answer(path, 0, found, seconds=seconds, error=reason, started=started)
        seconds = time.monotonic() - clock
        cookies = tuple(response.raw.headers.getlist("Set-Cookie"))
        return Answer(
            path, response.status_code, found, text, seconds, started=started, set_cookie=cookies
        )

    def _count(self) -> None:
        self._opened += 1


class _Adapter(HTTPAdapter):
    """Connects to one address, whatever the URL's host says, and checks the domain's name."""

    def __init__(
        self,
        there: tuple[str, int],
        domain: str,
        context: ssl.SSLContext,
        opened: Callable[[], None],
    ) -> None:
        self.there, self.domain, self.context, self.opened = there, domain, context, opened
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # The context is made once: reading the trusted certificates takes longer than an answer.
        kwargs.update(ssl_context=self.context, server_hostname=self.domain)
        self.poolmanager = PoolManager(*args, **kwargs)

    def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> Any:
        secure = request.url.startswith("https:")
        host, port = self.there
        pool: Any = self.poolmanager.connection_from_host(host, port, "https" if secure else "http")
        if not hasattr(pool, "counts"):
            pool.counts = True
            pool.ConnectionCls = _counting(
                HTTPSConnection if secure else HTTPConnection, self.opened
            )
        return pool

    def cert_verify(self, conn: HTTPConnectionPool, *_: Any, **__: Any) -> None:
        """The context checks chain and name; requests would load its own certificates again."""


def _counting(base: type[Any], opened: Callable[[], None]) -> type[Any]:
    """A connection class that tells when it really connects, which urllib3 itself hides."""

    def connect(self: Any) -> None:
        opened()
        base.connect(self)

    return type(base.__name__, (base,), {"connect": connect})


def _body(response: requests.Response, end: float) -> str:
    """The first 64 KiB; the connection is given back when that was all, else closed."""
    data = b""
    for chunk in response.iter_content(16 * 1024):
        data += chunk
        if time.monotonic() > end:
            raise requests.ReadTimeout("the answer's body came too slowly")
        if len(data) >= BODY_LIMIT:
            response.close()
            break
    return data[:BODY_LIMIT].decode(response.encoding or "utf-8", errors="replace")


def explain(error: BaseException) -> str:
    """One line for a failed request: its kind, and the innermost reason."""
    chain, inner = [error], error
    while len(chain) < 8:
        arguments = [getattr(inner, "reason", None), *getattr(inner, "args", ())]
        found = next((a for a in arguments if isinstance(a, BaseException)), None)
        if found is None:
            break
        inner = found
        chain.append(found)
    text = " ".join(str(inner).split()) or type(inner).__name__
    if isinstance(inner, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)):
        return f"closed under the request: {type(inner).__name__}: {text}"
    return f"{type(error).__name__}: {text}"
