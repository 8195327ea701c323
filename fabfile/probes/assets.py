"""Static assets: those of the settings, and those that the main page needs."""

from __future__ import annotations

import re

from ..report.checks import Check
from .http import Answer, Visitor
from .pages import patiently

GROUP = "Static assets"
LINKED = re.compile(r'(?:src|href)="(/[^/"][^"]*\.(?:css|js|png|jpg|svg|ico|webp|woff2?))(?:\?|")')
LINKED_LIMIT = 10
CACHING = ("Cache-Control", "ETag", "Last-Modified", "Expires")


def check_assets(visitor: Visitor) -> list[Check]:
    """Each asset answers with something in it, and says how long it may be kept.

    What the main page links to is checked as well: a page of one release whose files are
    another's is the usual fault of a switch.
    """
    page = patiently(visitor, visitor.public.front or "/").body
    linked = list(dict.fromkeys(LINKED.findall(page)))[:LINKED_LIMIT]
    checks = []
    for path in dict.fromkeys([*visitor.public.static_paths, *linked]):
        answer = patiently(visitor, path)
        good = answer.status == 200 and bool(answer.body)
        found = f"{answer.found}{'' if answer.body or not answer.status else ', empty'}"
        checks.append(
            Check.of(GROUP, path, good, "200 with a body", found, critical=False),
        )
        if good:
            checks.append(_caching(path, answer))
    return checks


def _caching(path: str, answer: Answer) -> Check:
    found = [f"{name}: {answer.headers[name]}" for name in CACHING if name in answer.headers]
    return Check.of(
        GROUP,
        f"{path} caching",
        bool(found),
        f"one of {', '.join(CACHING)}",
        found[0] if found else "none",
        critical=False,
    )
