"""Cookies as the site sets them: their names and flags, never their values. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..report.checks import Check
from ..settings_checks import CookieFlag

GROUP = "Authentication"


@dataclass(frozen=True)
class Cookie:
    """One Set-Cookie header without its value.

    :param same_site: `Lax`, `Strict`, `None`; empty where it does not say.
    """

    name: str
    secure: bool
    http_only: bool
    same_site: str

    @property
    def flags(self) -> str:
        """`Secure, HttpOnly, SameSite=Lax`; `none of them`."""
        set_ = [name for name, there in self._there if there]
        if self.same_site:
            set_.append(f"SameSite={self.same_site}")
        return ", ".join(set_) or "none of them"

    def lacks(self, wanted: Sequence[CookieFlag]) -> list[str]:
        """The flags that are wanted and not there; SameSite=None protects from nothing."""
        there = dict(self._there)
        there["SameSite"] = self.same_site.lower() in ("lax", "strict")
        return [flag for flag in wanted if not there[flag]]

    @property
    def _there(self) -> tuple[tuple[str, bool], ...]:
        return (("Secure", self.secure), ("HttpOnly", self.http_only))


def cookies(lines: Sequence[str]) -> list[Cookie]:
    """The cookies that Set-Cookie headers set; what takes one away is left out."""
    found: dict[str, Cookie] = {}
    for line in lines:
        pair, *rest = (part.strip() for part in line.split(";"))
        name, _, value = pair.partition("=")
        attributes = {
            key.strip().lower(): text.strip() for key, _, text in (p.partition("=") for p in rest)
        }
        if not value or attributes.get("max-age") == "0":
            found.pop(name, None)
            continue
        found[name] = Cookie(
            name, "secure" in attributes, "httponly" in attributes, attributes.get("samesite", "")
        )
    return list(found.values())


def check_cookies(
    found: Sequence[Cookie], wanted: Sequence[CookieFlag], *, tls: bool
) -> list[Check]:
    """A check for each cookie: the flags that keep it from strangers.

    :param tls: without TLS a browser would not send a cookie with Secure back.
    """
    wanted = [flag for flag in wanted if tls or flag != "Secure"]
    return [
        Check.of(
            GROUP,
            f"cookie {cookie.name}",
            not cookie.lacks(wanted),
            ", ".join(_expected(flag) for flag in wanted) or "any",
            cookie.flags,
            critical=False,
        )
        for cookie in found
    ]


def _expected(flag: CookieFlag) -> str:
    return "SameSite=Lax or Strict" if flag == "SameSite" else flag
