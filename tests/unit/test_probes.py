"""The probes against small servers on loopback that answer well, badly, or not at all."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fabfile.errors import BadSettings
from fabfile.probes.answer import Answer, healthy
from fabfile.probes.assets import check_assets
from fabfile.probes.direct import parse_response
from fabfile.probes.http import Visitor
from fabfile.probes.metrics import success_metrics
from fabfile.probes.pages import check_main_page, check_page
from fabfile.probes.security import check_headers, check_redirect, check_security
from fabfile.probes.signin import check_sign_in
from fabfile.probes.timing import BAD_IN_A_ROW, Timing, judge, measure
from fabfile.probes.tls import NoHandshake, certificate, supports
from fabfile.probes.users import Promise, check_roles
from fabfile.probes.witness import LogCount, parse
from fabfile.report.checks import Check, count, render
from fabfile.server.migration_settings import Roles
from fabfile.settings import App, Limits, Page, Public, Settings

DOMAIN = "site.test"
NGINX_503 = "<center><h1>503 Service Temporarily Unavailable</h1></center><center>nginx</center>"
Reply = tuple[int, dict[str, str], bytes]


def page(**values: Any) -> Page:
    return Page.model_validate(values)


def public_of(**values: Any) -> Public:
    return Public.model_validate(values)


class Authority:
    """A root, an intermediate, and leaves that the intermediate signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root_key, self.root = self._make("root", None, None, days=30, authority=True)
        self.key, self.intermediate = self._make(
            "intermediate", self.root_key, self.root, days=30, authority=True
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(_pem(self.root))

    def leaf(self, name: str = DOMAIN, days: int = 30, chain: bool = True) -> ssl.SSLContext:
        key, leaf = self._make(name, self.key, self.intermediate, days=days)
        return self._context(key, [leaf, *([self.intermediate] if chain else [])])

    def self_signed(self) -> ssl.SSLContext:
        key, leaf = self._make(DOMAIN, None, None, days=30)
        return self._context(key, [leaf])

    def _context(self, key: Any, certificates: list[x509.Certificate]) -> ssl.SSLContext:
        file = self.folder / "server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(private + b"".join(map(_pem, certificates)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    @staticmethod
    def _make(
        name: str, issuer_key: Any, issuer: Any, *, days: int, authority: bool = False
    ) -> tuple[Any, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=60))
            .not_valid_after(now + datetime.timedelta(days=days, minutes=5))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            # From Python 3.13 on a chain without these is refused.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    (issuer_key or key).public_key()
                ),
                critical=False,
            )
        )
        if authority:
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        if not authority:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        return key, builder.sign(issuer_key or key, hashes.SHA256())


def _pem(found: x509.Certificate) -> bytes:
    return found.public_bytes(serialization.Encoding.PEM)


class LocalSite:
    """A site on loopback whose answer to each path a test decides.

    :param reply: what a path is answered; a function may also break the connection.
    """

    def __init__(self, context: ssl.SSLContext | None, reply: Callable[[str], Reply]) -> None:
        self.seen: list[tuple[str, str, int]] = []  # path, Host, the client's port
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.seen.append((self.path, self.headers["Host"], self.client_address[1]))
                try:
                    status, headers, body = reply(self.path)
                except ConnectionError:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


Start = Callable[..., tuple[LocalSite, Public]]


@pytest.fixture
def start(authority: Authority) -> Iterator[Start]:
    """Start a TLS site; the settings that lead to it come with it."""
    sites: list[LocalSite] = []

    def begin(
        reply: Callable[[str], Reply] = lambda path: (200, {}, b"fine"),
        context: ssl.SSLContext | None = None,
        **public: Any,
    ) -> tuple[LocalSite, Public]:
        site = LocalSite(context or authority.leaf(), reply)
        sites.append(site)
        values = {
            "domain": DOMAIN,
            "connect": site.address,
            "connect_http": site.address,
            "ca_file": str(authority.file),
        }
        return site, public_of(**{**values, **public})

    yield begin
    for site in sites:
        site.close()


# -- one request -----------------------------------------------------------------------------------


def test_host_and_certificate_stay_the_domains_when_the_address_is_another(start: Start) -> None:
    headers = {"x-deploy-colour": "green", "X-Deploy-Release": "20240828-143000"}
    site, public = start(lambda path: (200, headers, b"hello"))

    answer = Visitor(public).ask("/a?b=c")

    assert (answer.status, answer.body, answer.error) == (200, "hello", "")
    assert (answer.colour, answer.release) == ("green", "20240828-143000")
    assert site.seen[0][:2] == ("/a?b=c", DOMAIN)


def test_a_kept_connection_is_used_again_and_a_new_one_is_not(start: Start) -> None:
    site, public = start()
    visitor = Visitor(public)

    for _ in range(3):
        visitor.ask("/", new_connection=False)
    for _ in range(3):
        visitor.ask("/", new_connection=True)

    ports = [port for _, _, port in site.seen]
    assert len(set(ports[:3])) == 1
    assert len(set(ports)) == 4


def test_a_request_whose_kept_connection_is_closed_under_it_is_sent_again_once(
    start: Start,
) -> None:
    closing = threading.Event()

    def reply(path: str) -> Reply:
        if closing.is_set():
            closing.clear()
            raise ConnectionError
        return 200, {}, b"fine"

    site, public = start(reply)
    visitor = Visitor(public)
    first = visitor.ask("/", new_connection=False)
    closing.set()
    second = visitor.ask("/", new_connection=False)

    assert (first.status, first.resent) == (200, False)
    assert (second.status, second.resent, second.error) == (200, True, "")
    assert len(site.seen) == 3


def test_a_new_connection_that_is_closed_is_a_failure_and_is_not_sent_again(start: Start) -> None:
    def reply(path: str) -> Reply:
        raise ConnectionError

    site, public = start(reply)
    visitor = Visitor(public)
    answers = [visitor.ask("/", new_connection=kind) for kind in (True, False)]

    assert [(a.status, a.resent) for a in answers] == [(0, False), (0, False)]
    assert all(answer.error.startswith("closed under the request") for answer in answers)
    assert len(site.seen) == 2


def test_a_connection_closed_while_idle_is_opened_anew_and_nothing_is_resent(
    authority: Authority,
) -> None:
    """The request had not been sent, so no visitor would have noticed."""
    closed = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _peer = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                closed.set()

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        public = public_of(domain=DOMAIN, connect_http=address, ca_file=str(authority.file))
        visitor = Visitor(public, timeout=5)
        first = visitor.ask("/", new_connection=False, scheme="http")
        assert closed.wait(5)
        second = visitor.ask("/", new_connection=False, scheme="http")

    assert [(a.status, a.resent) for a in (first, second)] == [(200, False), (200, False)]


def test_an_answer_cut_off_in_its_body_is_no_answer_and_is_not_sent_again(start: Start) -> None:
    site, public = start(lambda path: (200, {"Content-Length": "100"}, b"half"))
    visitor = Visitor(public, timeout=1)
    answer = visitor.ask("/", new_connection=False)

    assert (answer.status, answer.resent) == (0, False)
    assert "inside the answer 200" in answer.error
    assert len(site.seen) == 1


def test_a_server_that_hangs_or_refuses_or_has_no_name_is_one_line(start: Start) -> None:
    asleep = threading.Event()

    def reply(path: str) -> Reply:
        asleep.wait(5)
        return 200, {}, b""

    _, public = start(reply)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        refusing = public.model_copy(update={"connect": f"127.0.0.1:{taken.getsockname()[1]}"})
        errors = [
            Visitor(public, timeout=0.3).ask("/").error,
            Visitor(refusing).ask("/").error,
        ]
    asleep.set()

    assert errors[0].startswith("ReadTimeout")
    assert "refused" in errors[1]
    assert not any("\n" in error for error in errors)


def test_a_body_that_dribbles_in_does_not_outlast_the_time_limit(authority: Authority) -> None:
    """A read limit alone would never end this one: each byte comes in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not done.wait(0.05):
                    try:
                        connection.sendall(b"x" * 20_000)
                    except OSError:
                        return

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        public = public_of(domain=DOMAIN, connect_http=address, ca_file=str(authority.file))
        answer = Visitor(public, timeout=0.1).ask("/", scheme="http")
        done.set()

    assert answer.status == 0
    assert "too slowly" in answer.error


def test_redirects_and_proxies_of_the_environment_are_not_followed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    site, public = start(lambda path: (302, {"Location": "/login"}, b""))

    assert Visitor(public).ask("/").found == "302 to /login"
    assert [path for path, _, _ in site.seen] == ["/"]


def test_no_more_than_64_kib_of_a_body_are_kept(start: Start) -> None:
    _, public = start(lambda path: (200, {}, b"x" * 300_000))
    visitor = Visitor(public)

    assert len(visitor.ask("/", new_connection=False).body) == 65_536
    assert visitor.ask("/", new_connection=False).status == 200


@pytest.mark.parametrize(
    ("status", "body", "limited"),
    [(429, "", True), (503, NGINX_503, True), (503, '{"status":"down"}', False), (500, "", False)],
)
def test_the_rate_limiters_answer_is_told_from_the_releases(
    status: int, body: str, limited: bool
) -> None:
    assert Answer("/", status, body=body).limited is limited


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer("/h", 200, body='{"status":"ok","database":"connected"}'), ""),
        (Answer("/h", 200, body='{"status":"healthy","database":"connected"}'), ""),
        (Answer("/h", 200, body='{"status":"ok"}'), "expected database connected"),
        (Answer("/h", 200, body='{"status":"down","database":"connected"}'), "expected status ok"),
        (Answer("/h", 200, body="<html>"), "expected JSON"),
        (Answer("/h", 200, body="[1]"), "expected status ok"),
        (Answer("/h", 503, body='{"status":"ok","database":"connected"}'), "expected 200"),
        (Answer("/h", 0, error="ConnectTimeout: late"), "ConnectTimeout: late"),
    ],
)
def test_health_is_what_the_settings_say(answer: Answer, problem: str) -> None:
    found = healthy(answer, App.model_validate({}))
    assert (problem in found) if problem else (found == "")


def test_an_empty_health_database_is_not_asked_for() -> None:
    assert (
        healthy(
            Answer("/h", 200, body='{"status":"ok"}'), App.model_validate({"health_database": ""})
        )
        == ""
    )


def test_curls_output_is_read_with_its_interim_answers() -> None:
    text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nX-A: b: c\r\n\r\nline\r\n\r\nmore"
    status, headers, body = parse_response(text)

    assert (status, headers["x-a"], body) == (503, "b: c", "line\n\nmore")


# -- TLS -------------------------------------------------------------------------------------------


def test_a_good_certificate_is_verified_and_read(start: Start) -> None:
    _, public = start()
    found = certificate(public)

    assert (found.names, found.verified, found.why) == ((DOMAIN,), True, "")
    assert (found.issuer, found.days_left) == ("CN=intermediate", 30)
    assert supports(public, found.version)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda a: a.leaf(days=-2), "expired"),
        (lambda a: a.leaf(name="other.test"), "mismatch"),
        (lambda a: a.leaf(chain=False), "unable to get local issuer"),
        (lambda a: a.self_signed(), "self-signed"),
    ],
    ids=["expired", "wrong name", "no intermediate", "self-signed"],
)
def test_a_bad_certificate_is_refused_and_read_all_the_same(
    start: Start, authority: Authority, make: Callable[[Authority], ssl.SSLContext], words: str
) -> None:
    site, public = start(context=make(authority))
    found, answer = certificate(public), Visitor(public).ask("/")

    assert not found.verified
    assert words in found.why.lower()
    assert found.names
    assert (answer.status, site.seen) == (0, [])
    assert words in answer.error.lower()


def test_versions_that_the_site_does_not_offer_are_told(start: Start, authority: Authority) -> None:
    context = authority.leaf()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    _, public = start(context=context)

    assert [supports(public, v) for v in ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")] == [
        False,
        False,
        True,
        False,
    ]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_an_outdated_version_that_is_offered_is_found(start: Start, authority: Authority) -> None:
    """Our own OpenSSL refuses it by default; the probe must not take that for the site's no."""
    context = authority.leaf()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    _, public = start(context=context)

    assert supports(public, "TLSv1")
    outdated = {c.name: c.verdict for c in check_security(Visitor(public)) if c.name == "TLSv1"}
    assert outdated == {"TLSv1": "warn"}


def test_a_listener_that_closes_or_speaks_no_tls_is_a_failed_check_and_no_crash(
    start: Start,
) -> None:
    _, public = start()
    plain = LocalSite(None, lambda path: (200, {}, b"in the clear"))
    visitor = Visitor(public.model_copy(update={"connect": plain.address}))
    with pytest.raises(NoHandshake):
        certificate(visitor.public)
    found = {check.name: check.verdict for check in check_security(visitor)}
    plain.close()

    assert found["HTTPS"] == "fail"


def test_no_listener_is_no_handshake_and_a_bad_trust_file_is_a_bad_setting(
    start: Start, tmp_path: Path
) -> None:
    site, public = start()
    site.close()
    with pytest.raises(NoHandshake, match="refused"):
        certificate(public)
    with pytest.raises(BadSettings, match="ca_file"):
        Visitor(public.model_copy(update={"ca_file": str(tmp_path / "none.pem")}))


# -- pages, headers, sign-in, assets ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "answer", "verdict"),
    [
        (page(), Answer("/", 200, body="hi"), "pass"),
        (page(contains="hi"), Answer("/", 200, body="ho"), "fail"),
        (page(), Answer("/", 500), "fail"),
        (page(critical=False), Answer("/", 500), "warn"),
        (page(status=(200, 302)), Answer("/", 302), "pass"),
        (page(), Answer("/", 429), "warn"),
        (page(), Answer("/", 0, error="ConnectTimeout: late"), "fail"),
    ],
)
def test_a_page_is_judged_by_its_settings(wanted: Page, answer: Answer, verdict: str) -> None:
    assert check_page("/", wanted, answer).verdict == verdict


def test_the_main_page_is_where_the_settings_say_that_a_page_is_shown(start: Start) -> None:
    replies: dict[str, Reply] = {"/": (302, {"Location": "/items"}, b""), "/items": (200, {}, b"x")}
    moved = {"/": page(status=(302,)), "/items": page()}
    for pages, verdicts in (
        (moved, ["pass"]),
        ({"/": page()}, ["fail"]),
        ({"/": page(status=(302,))}, []),
    ):
        _, public = start(lambda path: replies[path], pages=pages)
        assert [c.verdict for c in check_main_page(Visitor(public))] == verdicts


def test_missing_headers_warn_and_present_ones_pass(start: Start) -> None:
    headers = {"x-frame-options": "DENY"}
    wanted = ("X-Frame-Options", "Referrer-Policy")
    _, public = start(lambda path: (200, headers, b""), security_headers=wanted)

    found = [(c.name, c.verdict) for c in check_headers(Visitor(public))]
    assert found == [("header X-Frame-Options", "pass"), ("header Referrer-Policy", "warn")]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ((301, {"Location": f"https://{DOMAIN}/"}, b""), "pass"),
        ((301, {"Location": f"http://{DOMAIN}/"}, b""), "warn"),
        ((200, {}, b"in the clear"), "fail"),
    ],
)
def test_plain_http_must_lead_to_https(start: Start, reply: Reply, verdict: str) -> None:
    _, public = start()
    plain = LocalSite(None, lambda path: reply)
    visitor = Visitor(public.model_copy(update={"connect_http": plain.address}))
    found = check_redirect(visitor)
    plain.close()

    assert found.verdict == verdict


def test_a_protected_page_that_leads_to_a_broken_sign_in_fails(start: Start) -> None:
    replies: dict[str, Reply] = {
        "/login": (200, {}, b"<form>"),
        "/dashboard": (302, {"Location": "/login?next=%2Fdashboard"}, b""),
        "/admin": (307, {"Location": "/broken"}, b""),
        "/broken": (500, {}, b""),
    }
    site, public = start(
        lambda path: replies[path.partition("?")[0]],
        pages={"/dashboard": page(status=(200, 302)), "/admin": page(status=(200, 307))},
    )
    checks = check_sign_in(Visitor(public), Settings.model_validate({"public": public}))

    assert [(c.name, c.verdict) for c in checks] == [
        ("login page /login", "pass"),
        ("protected /dashboard", "pass"),
        ("protected /admin", "fail"),
    ]
    assert "/login?next=%2Fdashboard" in [path for path, _, _ in site.seen]


def test_an_asset_that_the_main_page_links_to_and_is_gone_is_found(start: Start) -> None:
    main = (
        b'<link rel=stylesheet href="/new.css?v=1"><script src=old.js></script>'
        b'<a href="/other.png">o</a><img src="//cdn.test/a.png">'
    )
    replies: dict[str, Reply] = {
        "/": (200, {}, main),
        "/favicon.ico": (200, {}, b""),
        "/new.css": (200, {"ETag": "1"}, b"body {}"),
        "/old.js": (404, {}, b"gone"),
    }
    _, public = start(lambda path: replies[path.partition("?")[0]])

    found = {check.name: check.verdict for check in check_assets(Visitor(public))}
    assert found == {
        "/favicon.ico": "warn",  # empty
        "/new.css?v=1": "pass",
        "/new.css?v=1 caching": "pass",
        "/old.js": "warn",
    }


# -- times -----------------------------------------------------------------------------------------


def test_only_good_answers_are_timed_and_too_few_are_their_own_verdict(start: Start) -> None:
    site, public = start(lambda path: (200 if path == "/" else 500, {}, b""))
    visitor = Visitor(public)

    assert measure(visitor, ["/"], 25).samples == 25
    broken = measure(visitor, ["/broken"], 25)
    assert broken.samples == 0
    asked = [path for path, _, _ in site.seen if path == "/broken"]
    assert len(asked) == 1 + BAD_IN_A_ROW  # a site that is down is not asked on and on
    assert judge(None, broken, Limits.model_validate({})).word == "too few samples"


@pytest.mark.parametrize(
    ("before", "now", "word"),
    [
        (0.002, 0.005, "good"),  # more than twice, and nobody notices
        (0.100, 0.199, "good"),
        (0.100, 0.201, "slow"),
        (None, 0.201, "good"),
        (None, 2.1, "slow"),
        (1.9, 2.1, "slow"),
    ],
)
def test_slow_is_noticeable_and_more_than_the_limits_allow(
    before: float | None, now: float, word: str
) -> None:
    def timing(p95: float) -> Timing:
        return Timing(samples=50, p50=p95 / 2, p95=p95, maximum=p95)

    baseline = None if before is None else timing(before)
    assert judge(baseline, timing(now), Limits.model_validate({})).word == word


def test_percentiles_are_the_nearest_rank_and_survive_the_ledger() -> None:
    timing = Timing.of([n / 100 for n in range(100, 0, -1)])

    assert (timing.samples, timing.p50, timing.p95, timing.maximum) == (100, 0.5, 0.95, 1.0)
    assert Timing.from_json(timing.to_json()) == timing


# -- the second witness, users, the report ---------------------------------------------------------


def test_nginxs_log_is_counted_by_colour_release_and_status() -> None:
    text = (
        '     12 "colour":"green","release":"20240828-143000","status":200\n'
        '      1 "colour":"blue","release":"former","status":502\n'
    )
    assert parse(text) == [
        LogCount("green", "20240828-143000", 200, 12),
        LogCount("blue", "former", 502, 1),
    ]


@pytest.mark.parametrize(
    ("roles", "closed", "now", "verdicts"),
    [
        ({"CUSTOMER": 2, "ADMIN": 2}, True, True, ["pass"] * 4),
        ({"CUSTOMER": 3, "ADMIN": 2}, True, True, ["pass"] * 4),  # one signed up
        ({"CUSTOMER": 1, "ADMIN": 2}, True, True, ["pass", "fail", "pass", "fail"]),
        ({"CUSTOMER": 1, "ADMIN": 2}, True, False, ["pass", "warn", "pass", "warn"]),
        ({"CUSTOMER": 2, "ADMIN": 2, "LEARNER": 1}, True, True, ["fail", *["pass"] * 3]),
        ({"CUSTOMER": 2, "ADMIN": 2, "LEARNER": 1}, False, True, ["warn", *["pass"] * 3]),
    ],
)
def test_roles_are_held_against_what_was_there_before_the_migration(
    roles: dict[str, int], closed: bool, now: bool, verdicts: list[str]
) -> None:
    promise = Promise(moved=True, closed=closed, before={"LEARNER": 2, "ADMIN": 2}, now=now)
    checks = check_roles(roles, Roles(old="LEARNER", new="CUSTOMER"), promise)

    assert [check.verdict for check in checks] == verdicts


def test_a_site_that_was_never_migrated_is_not_taken_back_for_it() -> None:
    promise = Promise(moved=False, closed=False, before={}, now=False)
    checks = check_roles({"LEARNER": 2, "ADMIN": 2}, Roles(old="LEARNER", new="CUSTOMER"), promise)

    assert [(c.name, c.verdict) for c in checks] == [("old role", "warn")]


def test_the_report_groups_marks_and_counts() -> None:
    checks = [
        Check.of("Pages", "/", True, "200", "200", critical=True),
        Check.of("Logs", "app", False, "0", "3", critical=False),
        Check.of("Pages", "/login", False, "200", "500", critical=True),
    ]
    assert render(checks).splitlines() == [
        "=== Pages ===",
        "✅ /: 200",
        "❌ /login: 500 (expected 200)",
        "",
        "=== Logs ===",
        "⚠️ app: 3 (expected 0)",
        "",
        "3 checks: 1 passed, 1 warning, 1 failed",
    ]
    assert count([]) == "0 checks: 0 passed, 0 warnings, 0 failed"


def test_a_success_metric_stands_only_for_what_was_checked_and_passed() -> None:
    checks = [
        Check.of("Database", "old role", True, "", "0 LEARNER users", critical=True),
        Check.of("Security", "header A", True, "", "", critical=False),
        Check.of("Security", "header B", False, "", "", critical=False),
    ]
    assert success_metrics(checks) == ["Database Migration Success", "✅ 0 LEARNER users"]
