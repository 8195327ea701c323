"""The way in: the login page, the sign-in endpoint, and pages that ask for it."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from ..report.checks import Check
from ..settings import Settings
from .cookies import GROUP as GROUP
from .http import Answer, Visitor
from .pages import patiently

SIGN_IN_PREFIX = "/api/auth/"


def check_sign_in(visitor: Visitor, settings: Settings) -> list[Check]:
    """The login page answers, the sign-in endpoints answer, protected pages lead to a sign-in."""
    login_path = settings.app.login_path
    checks = [_login(login_path, patiently(visitor, login_path))] if login_path else []
    for path, page in settings.public.pages.items():
        if path.startswith(SIGN_IN_PREFIX):
            answer = patiently(visitor, path)
            good = answer.status in page.status
            expected = " or ".join(map(str, page.status))
            critical = page.critical and not answer.limited
            checks.append(
                Check.of(GROUP, f"sign-in {path}", good, expected, answer.found, critical=critical)
            )
        elif any(300 <= status < 400 for status in page.status):
            answer = patiently(visitor, path)
            checks.append(_protected(visitor, path, answer, page.critical))
    return checks


def _login(path: str, answer: Answer) -> Check:
    good = answer.status == 200 and bool(answer.body.strip())
    critical = not answer.limited
    return Check.of(
        GROUP, f"login page {path}", good, "200 with a page", answer.found, critical=critical
    )


def _protected(visitor: Visitor, path: str, answer: Answer, critical: bool) -> Check:
    """A protected page: sent to a page of this site that answers, or shown as it is."""
    name, expected = f"protected {path}", "a redirect to a sign-in that answers, or 200"
    good, found = answer.ok, answer.found
    location = answer.headers.get("Location", "")
    if 300 <= answer.status < 400:
        target = urlsplit(urljoin(f"{visitor.public.url}{path}", location))
        if target.hostname != visitor.public.domain:
            # Somebody else's sign-in service is theirs to check.
            found = f"{found} (not followed)"
        else:
            query = f"?{target.query}" if target.query else ""
            reached = patiently(visitor, (target.path or "/") + query)
            good, found = reached.ok or reached.limited, f"{found}: {reached.found}"
    return Check.of(GROUP, name, good, expected, found, critical=critical and not answer.limited)
