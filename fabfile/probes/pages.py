"""The pages of a visitor who is not signed in."""

from __future__ import annotations

from .. import interrupts
from ..report.checks import Check
from ..settings import SHOWN, Page, Public, Settings
from .http import Answer, Visitor

GROUP = "Application endpoints"
LIMITER_PAUSE = 1.0  # seconds until a page that the rate limit refused is asked for again
LIMITER_TRIES = 3


def check_pages(visitor: Visitor, settings: Settings) -> list[Check]:
    """Ask for each page of `public.pages` once.

    :returns: a check for each; one that the rate limit kept turning away warns, since that is
        not the release's fault.
    :raises Interrupted: a signal came.
    """
    return [
        check_page(path, page, patiently(visitor, path))
        for path, page in settings.public.pages.items()
    ]


def allowed(public: Public, path: str) -> tuple[int, ...]:
    """The statuses that a page may answer: those of the settings, else 200."""
    page = public.pages.get(path)
    return page.status if page else (SHOWN,)


def check_main_page(visitor: Visitor) -> list[Check]:
    """The page that shows the site, wherever that is; none where no page is to answer 200."""
    if not visitor.public.front:
        return []
    main = patiently(visitor, visitor.public.front)
    good, critical = main.status == SHOWN, not main.limited
    return [Check.of(GROUP, "main page", good, str(SHOWN), main.found, critical=critical)]


def check_page(path: str, page: Page, answer: Answer) -> Check:
    """Judge one page's answer by its settings."""
    statuses = " or ".join(str(status) for status in page.status)
    expected = statuses + (f" with {page.contains!r}" if page.contains else "")
    if answer.limited and answer.status not in page.status:
        return Check.of(GROUP, path, False, expected, answer.found, critical=False)
    good, found = answer.status in page.status, answer.found
    if good and page.contains not in answer.body:
        good, found = False, f"{answer.found} without {page.contains!r}"
    return Check.of(GROUP, path, good, expected, found, critical=page.critical)


def patiently(visitor: Visitor, path: str) -> Answer:
    """Ask; and where the rate limit turned that away, a little later again."""
    answer = visitor.ask(path)
    for _ in range(LIMITER_TRIES - 1):
        if not answer.limited:
            break
        interrupts.pause(LIMITER_PAUSE)
        answer = visitor.ask(path)
    return answer
