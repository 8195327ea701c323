"""Settings of the checks: what the validation expects, its test user, and the monitor."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from .settings_model import Model
from .settings_types import (
    HeaderName,
    HostPortOrNothing,
    HttpStatus,
    Kind,
    Text,
    UrlPath,
    UrlPathOrNothing,
    Word,
)

# The headings of the validation, as in its report.
CHECK_GROUPS = (
    "Containers",
    "Database",
    "Application endpoints",
    "Performance",
    "Security",
    "Authentication",
    "Static assets",
    "Logs",
    "Server",
)
CheckName = Annotated[
    str,
    Kind(
        f"a group or `group: check`; groups: {', '.join(CHECK_GROUPS)}",
        check=lambda entry: entry.partition(":")[0] in CHECK_GROUPS,
    ),
]
TlsVersion = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
CookieFlag = Literal["Secure", "HttpOnly", "SameSite"]


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


# `DEPLOY_…` are settings themselves.
PasswordVariable = Annotated[
    str,
    Kind(
        "a variable's name: letters, digits and _, without DEPLOY_ in front",
        "(?!DEPLOY_)[A-Za-z_][A-Za-z0-9_]*",
    ),
]
Pattern = Annotated[
    str, Kind("an extended regular expression, not empty", r".*\S.*", check=_compiles)
]


class Validation(Model):
    """Which checks of the validation take a deploy back; pages have `critical` of their own.

    An entry is a group (`Static assets`) or one check of it (`Security: certificate days left`).
    """

    critical: tuple[CheckName, ...] = Field(
        (), description="these too, beside those that do already"
    )
    only_warn: tuple[CheckName, ...] = Field((), description="these never; they only warn")


class Expect(Model):
    """What the validation expects of the site, beside its pages."""

    headers: dict[HeaderName, tuple[Text, ...]] = Field(
        default_factory=dict,
        description="values that a header may have, in place of what is expected of it by itself; "
        "none: any value",
    )
    tls: tuple[TlsVersion, ...] = Field(
        ("TLSv1.2", "TLSv1.3"),
        min_length=1,
        description="versions that must be accepted; the others must be refused",
    )
    redirect: bool = Field(
        True, description="plain HTTP leads to HTTPS; false: not looked at, nothing need listen"
    )
    cookie_flags: tuple[CookieFlag, ...] = Field(
        ("Secure", "HttpOnly", "SameSite"),
        description="what cookies must have that the sign-in sets; Secure only with TLS",
    )
    asset_seconds: int = Field(
        0,
        ge=0,
        le=31_536_000,
        description="seconds that a browser may keep a static asset, at least (max-age); 0: "
        "any of Cache-Control, ETag, Last-Modified, Expires will do",
    )
    error_lines: int = Field(
        0, ge=0, le=1_000_000, description="error lines in a container's log that are no finding"
    )
    harmless_lines: tuple[Pattern, ...] = Field(
        (), description="extended regular expressions of log lines that are no errors"
    )
    memory_times: float = Field(
        2, gt=1, le=1000, description="times the memory that a container had before the deploy"
    )


class SignIn(Model):
    """A test user who signs in for real: before a deploy, and at each validation.

    Each sign-in leaves a session behind, as any user's does.
    """

    email: Text = Field("", description="empty: nobody signs in")
    password_variable: PasswordVariable = Field(
        "SITE_TEST_PASSWORD", description="environment variable that holds the password"
    )
    password_file: Text = Field(
        "", description="or a file of this machine that holds it, for its owner alone (0600)"
    )
    path: UrlPath = Field("/api/auth/signin", description="where the form is sent")
    token_path: UrlPathOrNothing = Field(
        "",
        description="asked first: the hidden fields of its form, or the texts of its JSON, are "
        "sent along; empty: app.login_path",
    )
    email_field: Word = Field("email", description="the form's name for it")
    password_field: Word = Field("password", description="the form's name for it")
    fields: dict[Word, Text] = Field(default_factory=dict, description="sent along too")
    body: Literal["form", "json"] = Field("form", description="how the fields are sent")
    status: tuple[HttpStatus, ...] = Field(
        (200, 302, 303), min_length=1, description="what the sign-in answers"
    )
    cookie: Text = Field("", description="the session's cookie; empty: any that is set")
    page: UrlPathOrNothing = Field(
        "/dashboard", description="must answer 200 then; empty: no page is asked for"
    )
    contains: Text = Field("", description="text that page must hold")


class Monitor(Model):
    """What watches the site after a deploy."""

    calm_rounds: int = Field(
        3, ge=1, le=1000, description="good rounds in a row after which a finding is over"
    )
    leave_out: tuple[CheckName, ...] = Field((), description="checks that are not made")
    connect: HostPortOrNothing = Field(
        "",
        description="timer: host:port where the server itself finds the site; empty: nginx's "
        "container",
    )
