"""A test user who signs in as a person would; the password is never said."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import WrongSetting
from ..report.checks import Check
from ..report.words import milliseconds
from ..settings import Settings
from ..settings_checks import SignIn
from .cookies import GROUP, check_cookies, cookies
from .http import Answer, Visitor
from .page_parts import PageParts
from .pages import patiently

SIGNED_IN = "sign-in of the test user"


@dataclass(frozen=True)
class Account:
    """The test user."""

    email: str
    password: str = field(repr=False)


def account(settings: SignIn, environment: Mapping[str, str] = os.environ) -> Account | None:
    """The test user that the settings name; None where they name none.

    :raises WrongSetting: there is no password for them, or others could read its file.
    """
    if not settings.email:
        return None
    if settings.password_file:
        return Account(settings.email, _from_file(settings.password_file))
    name = settings.password_variable
    if not environment.get(name):
        raise WrongSetting(
            "sign_in.password_variable",
            name,
            # Without "not set" behind a colon: the mask would take that for a password.
            "a variable that is set, to the password of sign_in.email; or sign_in.password_file",
            next_command="export it; or go without the test user: --set sign_in.email=",
        )
    return Account(settings.email, environment[name])


def _from_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8").strip("\r\n")
        found = "" if text else "it is empty"
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            found = f"others may read it ({stat.filemode(mode)})"
    except OSError as error:
        found = error.strerror or str(error)
    except UnicodeDecodeError:
        found = "it is not UTF-8"
    if not found:
        return text
    raise WrongSetting(
        "sign_in.password_file", name, "a file with the password, for its owner alone", found=found
    )


def check_account(visitor: Visitor, settings: Settings, user: Account | None) -> list[Check]:
    """Sign in for real, ask for a page that needs it, and look at the cookies on the way.

    :param visitor: one of its own: it keeps the session's cookie.
    :param user: None: nobody signs in, and only the sign-in page's cookies are looked at.
    """
    start = settings.sign_in.token_path or settings.app.login_path
    first = patiently(visitor, start) if start else Answer("", 0)
    answers, checks = [first], []
    if user:
        fields = _hidden(visitor, first) if first.ok else {}
        answer = _send(visitor, settings.sign_in, user, fields)
        answers.append(answer)
        checks.append(_signed_in(answer, settings.sign_in, user))
        if settings.sign_in.page and checks[0].verdict == "pass":
            checks.append(_page(visitor, settings.sign_in))
    seen = cookies([line for answer in answers for line in answer.set_cookie])
    tls = visitor.public.scheme == "https"
    return [*checks, *check_cookies(seen, settings.expect.cookie_flags, tls=tls)]


def _send(visitor: Visitor, settings: SignIn, user: Account, fields: Mapping[str, str]) -> Answer:
    own = {settings.email_field: user.email, settings.password_field: user.password}
    return visitor.send(
        settings.path, {**fields, **settings.fields, **own}, as_json=settings.body == "json"
    )


def _signed_in(answer: Answer, settings: SignIn, user: Account) -> Check:
    """A status that is allowed and the session's cookie; a redirect that says `error` is a no."""
    names = [cookie.name for cookie in cookies(answer.set_cookie)]
    has_cookie = settings.cookie in names if settings.cookie else bool(names)
    refused = "error=" in answer.headers.get("Location", "")
    wanted = f"the cookie {settings.cookie}" if settings.cookie else "a cookie"
    found = f"{answer.found} in {milliseconds(answer.seconds)}, " + (
        f"cookies: {', '.join(names)}" if names else "no cookie"
    )
    return Check.of(
        GROUP,
        SIGNED_IN,
        answer.status in settings.status and has_cookie and not refused,
        f"{' or '.join(map(str, settings.status))} and {wanted}",
        found.replace(user.password, "…"),
        critical=not answer.limited,
    )


def _page(visitor: Visitor, settings: SignIn) -> Check:
    answer = patiently(visitor, settings.page)
    good, found = answer.status == 200, answer.found
    if good and settings.contains not in answer.body:
        good, found = False, f"{found} without {settings.contains!r}"
    return Check.of(
        GROUP,
        f"signed in {settings.page}",
        good,
        "200" + (f" with {settings.contains!r}" if settings.contains else ""),
        f"{found} in {milliseconds(answer.seconds)}",
        critical=not answer.limited,
    )


def _hidden(visitor: Visitor, answer: Answer) -> dict[str, str]:
    """What the sign-in page wants to have back: a token against forged forms, mostly."""
    try:
        said = json.loads(answer.body)
    except json.JSONDecodeError:
        return PageParts(f"{visitor.public.url}{answer.path}", answer.body).hidden
    texts = said.items() if isinstance(said, dict) else ()
    return {name: value for name, value in texts if isinstance(value, str)}
