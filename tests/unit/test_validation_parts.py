"""What the validation adds to pages: header values, cookies, a real sign-in, assets, memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fabfile.errors import BadSettings
from fabfile.probes.account import Account, account, check_account
from fabfile.probes.assets import check_assets
from fabfile.probes.cookies import check_cookies, cookies
from fabfile.probes.http import Visitor
from fabfile.probes.page_parts import PageParts
from fabfile.probes.resources import check_containers
from fabfile.probes.security import check_headers, check_redirect, check_versions
from fabfile.probes.use import baseline, check_growth, in_bytes
from fabfile.report.checks import Check
from fabfile.server.containers import Container, gone
from fabfile.server.ledger import Entry
from fabfile.settings import Page, Public, Settings
from fabfile.settings_checks import Expect, SignIn
from tests.unit.local_site import Asked, LocalSite, Reply

PASSWORD = "correct horse"


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def expect(**values: Any) -> Expect:
    return Expect.model_validate(values)


Plain = Callable[..., Public]


@pytest.fixture
def plain(request: pytest.FixtureRequest) -> Plain:
    """A site without TLS that answers as a test wants."""

    def begin(reply: Callable[[Asked], Reply], **public: Any) -> Public:
        site = LocalSite(reply)
        request.addfinalizer(site.close)
        values = {"domain": "site.test", "scheme": "http", "connect_http": site.address, **public}
        return Public.model_validate(values)

    return begin


# -- headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("X-Content-Type-Options", "NoSniff", "pass"),
        ("X-Content-Type-Options", "sniff", "warn"),
        ("X-Frame-Options", "SAMEORIGIN", "pass"),
        ("X-Frame-Options", "ALLOWALL", "warn"),
        ("Referrer-Policy", "no-referrer, strict-origin", "pass"),
        ("Referrer-Policy", "unsafe-url", "warn"),
        ("Content-Security-Policy", "anything", "pass"),
    ],
)
def test_a_header_is_held_against_what_it_should_say(
    plain: Plain, name: str, value: str, verdict: str
) -> None:
    public = plain(lambda asked: (200, [(name, value)], b""), security_headers=(name,))
    [check] = check_headers(Visitor(public))
    assert (check.found, check.verdict) == (value, verdict)


@pytest.mark.parametrize(
    ("allowed", "value", "verdict"),
    [
        ({"x-frame-options": ["DENY"]}, "SAMEORIGIN", "warn"),
        ({"X-Frame-Options": ["ALLOW-FROM https://a.test", "DENY"]}, "deny", "pass"),
        ({"X-Frame-Options": []}, "whatever", "pass"),
        ({"Permissions-Policy": []}, "SAMEORIGIN", "warn"),  # asked for, and not set
    ],
)
def test_the_settings_say_what_a_header_may_be(
    plain: Plain, allowed: dict[str, list[str]], value: str, verdict: str
) -> None:
    public = plain(lambda asked: (200, [("X-Frame-Options", value)], b""), security_headers=())
    assert [c.verdict for c in check_headers(Visitor(public), expect(headers=allowed))] == [verdict]


def test_hsts_is_for_half_a_year_and_only_asked_for_with_tls(plain: Plain) -> None:
    name = "Strict-Transport-Security"
    answers = {"/": "max-age=15552000", "/short": "max-age=60; includeSubDomains", "/none": ""}
    public = plain(
        lambda asked: (200, [(name, answers[asked.path])], b""), security_headers=(name,)
    )
    assert check_headers(Visitor(public)) == []
    # The scheme is what the check goes by; the connection stays the plain one.
    visitor = Visitor(public)
    visitor.ask = lambda path, **_: Visitor(public).ask(path)  # type: ignore[method-assign]
    found = {}
    for page in answers:
        secure = {"scheme": "https", "pages": {page: Page()}}
        visitor.public = public.model_copy(update=secure)
        found[page] = check_headers(visitor)[0].verdict
    assert found == {"/": "pass", "/short": "warn", "/none": "warn"}


def test_the_page_that_is_looked_at_is_the_first_that_is_to_answer_200(plain: Plain) -> None:
    public = plain(
        lambda asked: (200 if asked.path == "/en/" else 302, [("X-A", asked.path)], b""),
        security_headers=("X-A",),
        pages={"/": Page(status=(302,)), "/en/": Page()},
    )
    [check] = check_headers(Visitor(public))
    assert check.found == "/en/"


def test_a_redirect_that_leads_round_in_circles_is_no_way_to_https(plain: Plain) -> None:
    public = plain(lambda asked: (301, [("Location", "https://site.test/")], b""))
    visitor = Visitor(public)
    visitor.ask = lambda path, **_: Visitor(public).ask(path)  # type: ignore[method-assign]
    assert check_redirect(visitor).verdict == "warn"


def test_versions_are_those_that_the_settings_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {"TLSv1.1", "TLSv1.2"}
    monkeypatch.setattr("fabfile.probes.security.supports", lambda public, one: one in offered)
    public = Public()
    assert verdicts(check_versions(public)) == {
        "TLS 1.2 or later": "pass",
        "TLSv1": "pass",
        "TLSv1.1": "warn",
        "TLSv1.2": "pass",
        "TLSv1.3": "warn",
    }
    known = expect(tls=["TLSv1.1", "TLSv1.2"])
    assert set(verdicts(check_versions(public, known)).values()) == {"pass"}


# -- cookies ---------------------------------------------------------------------------------------


def test_cookies_are_read_without_their_values_and_the_last_word_counts() -> None:
    found = cookies(
        [
            "a=secret1; Path=/; HttpOnly; Secure; SameSite=Lax",
            "b=secret2; samesite=None; secure",
            "old=; Max-Age=0",
            "c=first; Secure",
            "c=second",
        ]
    )
    assert [(one.name, one.flags) for one in found] == [
        ("a", "Secure, HttpOnly, SameSite=Lax"),
        ("b", "Secure, SameSite=None"),
        ("c", "none of them"),
    ]
    assert "secret" not in repr(found)
    checks = check_cookies(found, ("Secure", "HttpOnly", "SameSite"), tls=True)
    assert verdicts(checks) == {"cookie a": "pass", "cookie b": "warn", "cookie c": "warn"}


def test_secure_is_not_asked_for_without_tls_and_flags_are_a_setting() -> None:
    [bare] = cookies(["s=1; HttpOnly; SameSite=Strict"])
    assert bare.lacks(("Secure", "HttpOnly", "SameSite")) == ["Secure"]
    assert verdicts(check_cookies([bare], ("Secure", "HttpOnly"), tls=False)) == {
        "cookie s": "pass"
    }
    assert verdicts(check_cookies([bare], (), tls=True)) == {"cookie s": "pass"}


# -- the test user ---------------------------------------------------------------------------------


class SignInSite:
    """A site with a form, a token in it, and a page for who is signed in.

    :param login: its sign-in page.
    """

    def __init__(self, login: bytes, body: str = "form") -> None:
        self.login, self.body = login, body
        self.sent: list[dict[str, str]] = []
        self.cookies: list[str] = []

    def reply(self, asked: Asked) -> Reply:
        if asked.path in ("/login", "/token"):
            return 200, [("Set-Cookie", "csrf=t0; Secure; HttpOnly; SameSite=Lax")], self.login
        if asked.method == "POST":
            text = asked.body.decode()
            sent = dict(json.loads(text) if self.body == "json" else parse_qsl(text))
            self.sent.append(sent)
            if sent.get("password") != PASSWORD or sent.get("token") != "t0":
                return 302, [("Location", f"/login?error=no&p={sent.get('password')}")], b""
            where = ("Location", "/dashboard")
            return 302, [where, ("Set-Cookie", "sid=1; Path=/; HttpOnly; SameSite=Lax")], b""
        if "sid=1" not in asked.headers.get("Cookie", ""):
            return 307, [("Location", "/login")], b""
        return 200, [], b"Hello Ann"


def settings_of(public: Public, **sign_in: Any) -> Settings:
    return Settings.model_validate({"public": public, "sign_in": {"email": "a@b.c", **sign_in}})


FORM = b'<form><input type="hidden" name="token" value="t0"><input name="password"></form>'


def test_a_test_user_signs_in_with_the_forms_own_token_and_meets_their_page(plain: Plain) -> None:
    site = SignInSite(FORM)
    settings = settings_of(plain(site.reply), contains="Hello", fields={"next": "/"})
    checks = check_account(Visitor(settings.public), settings, Account("a@b.c", PASSWORD))

    assert verdicts(checks) == {
        "sign-in of the test user": "pass",
        "signed in /dashboard": "pass",
        "cookie csrf": "pass",
        "cookie sid": "pass",
    }
    wanted = {"token": "t0", "email": "a@b.c", "password": PASSWORD, "next": "/"}
    assert site.sent == [wanted]
    assert "302 to /dashboard in " in checks[0].found
    assert PASSWORD not in "".join(check.line for check in checks)


def test_a_token_may_come_as_json_and_the_form_go_as_json(plain: Plain) -> None:
    site = SignInSite(b'{"token": "t0", "n": 1}', body="json")
    settings = settings_of(plain(site.reply), token_path="/token", body="json", page="")
    checks = check_account(Visitor(settings.public), settings, Account("a@b.c", PASSWORD))
    assert verdicts(checks)["sign-in of the test user"] == "pass"
    assert "signed in /dashboard" not in verdicts(checks)


@pytest.mark.parametrize("sign_in", [{}, {"cookie": "other"}, {"status": [200]}])
def test_a_refused_sign_in_fails_and_never_says_the_password(
    plain: Plain, sign_in: dict[str, Any]
) -> None:
    settings = settings_of(plain(SignInSite(FORM).reply), **sign_in)
    secret = PASSWORD if sign_in else "wrong-password"
    checks = check_account(Visitor(settings.public), settings, Account("a@b.c", secret))
    assert verdicts(checks)["sign-in of the test user"] == "fail"
    assert "signed in /dashboard" not in verdicts(checks)
    assert secret not in "".join(check.line for check in checks)


def test_without_a_test_user_only_the_sign_in_pages_cookies_are_looked_at(plain: Plain) -> None:
    site = SignInSite(FORM)
    settings = settings_of(plain(site.reply), email="")
    checks = check_account(Visitor(settings.public), settings, None)
    assert verdicts(checks) == {"cookie csrf": "pass"}
    assert site.sent == []


def test_the_password_comes_from_a_variable_or_a_private_file(tmp_path: Path) -> None:
    def found(environment: dict[str, str], **values: Any) -> Account | None:
        return account(SignIn.model_validate({"email": "a@b.c", **values}), environment)

    assert account(SignIn(), {}) is None
    assert found({"SITE_TEST_PASSWORD": "x"}) == Account("a@b.c", "x")
    assert "x" not in repr(Account("a", "x"))
    with pytest.raises(BadSettings, match=r"sign_in.password_variable.*a variable that is set"):
        found({})
    path = tmp_path / "password"
    path.write_text("from file\n")
    path.chmod(0o644)
    with pytest.raises(BadSettings, match=r"others may read it \(-rw-r--r--\); allowed: "):
        found({}, password_file=str(path))
    path.chmod(0o600)
    assert found({}, password_file=str(path)) == Account("a@b.c", "from file")
    path.write_text("")
    with pytest.raises(BadSettings, match="it is empty"):
        found({}, password_file=str(path))
    with pytest.raises(BadSettings, match="No such file"):
        found({}, password_file=str(tmp_path / "none"))


def test_a_variable_that_would_be_a_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="without DEPLOY_ in front"):
        SignIn.model_validate({"password_variable": "DEPLOY_PASSWORD"})


# -- pages and assets ------------------------------------------------------------------------------


def test_a_pages_assets_are_those_that_a_browser_would_fetch_from_this_site() -> None:
    text = """
      <base href="/app/"><link rel="StyleSheet" href='a.css'><link rel=canonical href="/no.css">
      <script src=/b.js?v=2></script><script>inline()</script><img src="https://cdn.test/c.png">
      <img src="//site.test/d.png"><img src="data:image/png;base64,xx"><a href="/e.png">e</a>
      <img src="/d.png">
    """
    parts = PageParts("https://site.test/app/page", text)
    assert parts.assets == ["/app/a.css", "/b.js?v=2", "/d.png"]


@pytest.mark.parametrize(
    ("headers", "seconds", "verdict"),
    [
        ([("Cache-Control", "public, max-age=3600")], 3600, "pass"),
        ([("Cache-Control", "public, max-age=60")], 3600, "warn"),
        ([("ETag", "1")], 0, "pass"),
        ([("ETag", "1")], 1, "warn"),
        ([("Cache-Control", "no-store"), ("ETag", "1")], 0, "warn"),
        ([], 0, "warn"),
    ],
)
def test_an_asset_says_how_long_it_may_be_kept(
    plain: Plain, headers: list[tuple[str, str]], seconds: int, verdict: str
) -> None:
    public = plain(lambda asked: (200, headers, b"x"), static_paths=("/a.css",))
    checks = check_assets(Visitor(public), expect(asset_seconds=seconds))
    assert verdicts(checks) == {"/a.css": "pass", "/a.css caching": verdict}
    assert checks[0].found == "200, 1 B, of no type"


# -- containers ------------------------------------------------------------------------------------


def container(name: str, restarts: int = 0) -> Container:
    values = {**vars(gone(name, {})), "id": name, "state": "running", "restarts": restarts}
    return Container(**values)


@pytest.mark.parametrize(
    ("restarts", "started", "switched", "verdict", "words"),
    [
        (3, "2026-11-23T10:00:00.123Z", "2026-11-23T10:00:00Z", "pass", "none since 2026-"),
        (0, "2026-11-23T10:00:01.000Z", "2026-11-23T10:00:00Z", "warn", "started again at"),
        (3, "2026-11-23T10:00:01.000Z", "", "warn", "3 in all"),
        (0, "2026-11-23T10:00:01.000Z", "", "pass", "0 in all"),
    ],
)
def test_restarts_count_since_the_switch(
    restarts: int, started: str, switched: str, verdict: str, words: str
) -> None:
    one = container("app", restarts)
    checks = check_containers([one], [], started={"app": started}, switched=switched)
    [found] = [check for check in checks if check.name == "app restarts"]
    assert found.verdict == verdict
    assert words in found.found


@pytest.mark.parametrize(
    ("text", "size"),
    [("45.3MiB", 47_500_492), ("1.5GiB", 1_610_612_736), ("12kB", 12_000), ("7B", 7), ("--", 0)],
)
def test_the_engines_sizes_are_bytes(text: str, size: int) -> None:
    assert in_bytes(text) == size


@pytest.mark.parametrize(("now", "verdict"), [(150, "pass"), (299, "pass"), (301, "warn")])
def test_memory_is_held_against_the_baseline(now: int, verdict: str) -> None:
    of = {"app": container("site-app-green"), "nginx": container("nginx")}
    before = {"app": 150 * 10**6}
    checks = check_growth({"app": now * 10**6, "nginx": 5}, before, of, 2)
    assert verdicts(checks) == {"site-app-green memory against the baseline": verdict}


def test_a_small_container_may_double() -> None:
    of = {"app": container("app")}
    [check] = check_growth({"app": 60 * 10**6}, {"app": 10**6}, of, 2)
    assert (check.verdict, check.found) == ("pass", "60.0 MB, 60.0 x")


def test_the_memory_that_was_read_last_counts() -> None:
    def entry(**detail: Any) -> Entry:
        return Entry("memory", "deploy", "r", detail=detail)

    assert baseline([]) == {}
    assert baseline([entry(memory={"app": 1}), entry(memory={"app": 2})]) == {"app": 2}
