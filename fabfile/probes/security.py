"""What keeps visitors safe: HTTPS everywhere, its certificate, TLS versions, headers."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from ..report.checks import Check
from ..settings import Public
from ..settings_checks import Expect
from .headers import fits, rule_of
from .http import Answer, Visitor
from .pages import allowed, patiently
from .tls import VERSIONS, NoHandshake, certificate, chain_problem, supports

GROUP = "Security"
REDIRECTS = (301, 302, 307, 308)
CURRENT = ("TLSv1.2", "TLSv1.3")
ONLY_WITH_TLS = "strict-transport-security"  # browsers ignore it over plain HTTP


def check_security(visitor: Visitor, expect: Expect | None = None) -> list[Check]:
    """All of it, for the visitor's site; a site without TLS has its headers alone."""
    expect = expect or Expect()
    public = visitor.public
    if public.scheme == "http":
        return check_headers(visitor, expect)
    try:
        encrypted = [*check_certificate(public), *check_versions(public, expect)]
    except NoHandshake as error:
        encrypted = [Check.of(GROUP, "HTTPS", False, "an answer", error.reason, critical=True)]
    redirect = [check_redirect(visitor)] if expect.redirect else []
    return [*check_headers(visitor, expect), *redirect, *encrypted]


def check_headers(visitor: Visitor, expect: Expect | None = None) -> list[Check]:
    """The headers that the settings name, on the main page: that they are set, and to what."""
    expect = expect or Expect()
    public, own = visitor.public, {name.lower(): v for name, v in expect.headers.items()}
    names = {name.lower(): name for name in (*expect.headers, *public.security_headers)}
    if public.scheme == "http":
        names.pop(ONLY_WITH_TLS, None)
    path = public.front or "/"
    answer = patiently(visitor, path) if names else Answer(path, 0)
    checks = []
    for lower, name in names.items():
        rule, value = rule_of(name, own.get(lower)), answer.headers.get(name, "")
        good = bool(value) and fits(rule, value)
        found = value or ("missing" if answer.status else answer.found)
        checks.append(Check.of(GROUP, f"header {name}", good, rule.words, found, critical=False))
    return checks


def check_redirect(visitor: Visitor) -> Check:
    """Plain HTTP leads to HTTPS, in one step, to a page that answers.

    A page served in the clear is critical; a closed port warns.
    """
    path = visitor.public.front or "/"
    answer = visitor.ask(path, scheme="http")
    target = urlsplit(urljoin(f"http://{visitor.public.domain}{path}", _location(answer)))
    good, found = answer.status in REDIRECTS and target.scheme == "https", answer.found
    if good and target.hostname == visitor.public.domain:
        query = f"?{target.query}" if target.query else ""
        reached = patiently(visitor, (target.path or "/") + query)
        again = _location(reached) == _location(answer)
        known = reached.ok or reached.limited or reached.status in allowed(visitor.public, path)
        good = known and not again
        found = f"{found}: {reached.found}"
    critical = 200 <= answer.status < 300
    expected = "a redirect to a page over https:// that answers"
    return Check.of(GROUP, "HTTP to HTTPS", good, expected, found, critical=critical)


def check_certificate(public: Public) -> list[Check]:
    """Chain, name and days left.

    :raises NoHandshake: nothing answers there.
    """
    seen, broken = certificate(public), chain_problem(public)
    ends = f"{seen.days_left} days, until {seen.not_after:%Y-%m-%d}"
    return [
        Check.of(
            GROUP,
            "certificate chain and name",
            seen.verified,
            f"valid for {public.domain}",
            f"{', '.join(seen.names)} by {seen.issuer}" if seen.verified else seen.why,
            critical=True,
        ),
        Check.of(
            GROUP,
            "certificate chain complete",
            not broken,
            "every certificate up to one that is trusted",
            broken or f"{seen.issuer} and what is above it",
            critical=False,  # the check above is, and says so of the same chain
        ),
        Check.of(
            GROUP,
            "certificate days left",
            seen.days_left >= public.certificate_days,
            f"{public.certificate_days} or more",
            ends,
            critical=False,
        ),
    ]


def check_versions(public: Public, expect: Expect | None = None) -> list[Check]:
    """A current TLS version is offered, and of all of them just those that are expected.

    :raises NoHandshake: nothing answers there.
    """
    wanted = (expect or Expect()).tls
    offered = [version for version in VERSIONS if supports(public, version)]
    current = [version for version in CURRENT if version in offered]
    modern = Check.of(
        GROUP,
        "TLS 1.2 or later",
        bool(current),
        "accepted",
        ", ".join(current) or "not accepted",
        critical=True,
    )
    return [
        modern,
        *(
            Check.of(
                GROUP,
                version,
                (version in offered) == (version in wanted),
                "accepted" if version in wanted else "refused",
                "accepted" if version in offered else "refused",
                critical=False,
            )
            for version in VERSIONS
        ),
    ]


def _location(answer: Answer) -> str:
    return answer.headers.get("Location", "")
