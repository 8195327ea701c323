"""Static assets: those of the settings, and those that the page needs."""

from __future__ import annotations

import re

from ..report.checks import Check
from ..report.words import size
from ..settings_checks import Expect
from .http import BODY_LIMIT, Answer, Visitor
from .page_parts import PageParts
from .pages import patiently

GROUP = "Static assets"
LINKED_LIMIT = 10
CACHING = ("Cache-Control", "ETag", "Last-Modified", "Expires")
_AGE = re.compile(r"(?:^|[\s,])(?:s-)?max-age\s*=\s*\"?(\d+)", re.IGNORECASE)


def check_assets(visitor: Visitor, expect: Expect | None = None) -> list[Check]:
    """Each asset answers with something in it, and says how long it may be kept.

    What the page links to is checked as well: a page of one release whose files are another's is
    the usual fault of a switch.
    """
    expect, front = expect or Expect(), visitor.public.front or "/"
    page = patiently(visitor, front)
    linked = PageParts(f"{visitor.public.url}{front}", page.body).assets[:LINKED_LIMIT]
    checks = []
    for path in dict.fromkeys([*visitor.public.static_paths, *linked]):
        answer = patiently(visitor, path)
        good = answer.status == 200 and bool(answer.body)
        checks.append(
            Check.of(GROUP, path, good, "200 with a body", _found(answer), critical=False)
        )
        if good:
            checks.append(_caching(path, answer, expect.asset_seconds))
    return checks


def _found(answer: Answer) -> str:
    if not answer.status:
        return answer.found
    length = answer.headers.get("Content-Length", "")
    read = len(answer.body.encode())
    least = "at least " if read >= BODY_LIMIT and not length else ""
    kind = answer.headers.get("Content-Type", "of no type").partition(";")[0]
    amount = size(int(length) if length.isdecimal() else read) if answer.body else "empty"
    return f"{answer.found}, {least}{amount}, {kind}"


def _caching(path: str, answer: Answer, seconds: int) -> Check:
    found = [f"{name}: {answer.headers[name]}" for name in CACHING if name in answer.headers]
    wanted = f"one of {', '.join(CACHING)}"
    if seconds:
        wanted = f"Cache-Control: max-age={seconds} or more"
    control = answer.headers.get("Cache-Control", "").lower()
    age = _AGE.search(control)
    kept = int(age.group(1)) if age else 0
    good = "no-store" not in control and (kept >= seconds if seconds else bool(found))
    words = ", ".join(found) or "none"
    return Check.of(GROUP, f"{path} caching", good, wanted, words, critical=False)
