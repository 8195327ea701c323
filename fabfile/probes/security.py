"""What keeps visitors safe: HTTPS everywhere, its certificate, TLS versions, headers."""

from __future__ import annotations

from ..report.checks import Check
from ..settings import Public
from .http import Visitor
from .pages import patiently
from .tls import NoHandshake, certificate, supports

GROUP = "Security"
REDIRECTS = (301, 302, 307, 308)
FORBIDDEN = ("TLSv1", "TLSv1.1")
WANTED = ("TLSv1.2", "TLSv1.3")


def check_security(visitor: Visitor) -> list[Check]:
    """All of it, for the visitor's site; a site without TLS has its headers alone."""
    if visitor.public.scheme == "http":
        return check_headers(visitor)
    try:
        encrypted = [*check_certificate(visitor.public), *check_versions(visitor.public)]
    except NoHandshake as error:
        encrypted = [Check.of(GROUP, "HTTPS", False, "an answer", error.reason, critical=True)]
    return [*check_headers(visitor), check_redirect(visitor), *encrypted]


def check_headers(visitor: Visitor) -> list[Check]:
    """The headers that the settings name, on the main page."""
    answer = patiently(visitor, "/")
    return [
        Check.of(
            GROUP,
            f"header {name}",
            bool(answer.headers.get(name)),
            "to be set",
            answer.headers.get(name) or ("missing" if answer.status else answer.found),
            critical=False,
        )
        for name in visitor.public.security_headers
    ]


def check_redirect(visitor: Visitor) -> Check:
    """Plain HTTP leads to HTTPS. A page served in the clear is critical; a closed port warns."""
    answer = visitor.ask("/", scheme="http")
    location = answer.headers.get("Location", "")
    good = answer.status in REDIRECTS and location.startswith("https://")
    expected = "a redirect to https://"
    critical = 200 <= answer.status < 300
    return Check.of(GROUP, "HTTP to HTTPS", good, expected, answer.found, critical=critical)


def check_certificate(public: Public) -> list[Check]:
    """Chain, name and days left.

    :raises NoHandshake: nothing answers there.
    """
    seen = certificate(public)
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
            "certificate days left",
            seen.days_left >= public.certificate_days,
            f"{public.certificate_days} or more",
            ends,
            critical=False,
        ),
    ]


def check_versions(public: Public) -> list[Check]:
    """A current TLS version is offered, the outdated ones are not.

    :raises NoHandshake: nothing answers there.
    """
    offered = [version for version in WANTED if supports(public, version)]
    modern = Check.of(
        GROUP,
        "TLS 1.2 or later",
        bool(offered),
        "offered",
        ", ".join(offered) or "not offered",
        critical=True,
    )
    outdated = []
    for version in FORBIDDEN:
        offers = supports(public, version)
        found = "offered" if offers else "refused"
        outdated.append(Check.of(GROUP, version, not offers, "refused", found, critical=False))
    return [modern, *outdated]
