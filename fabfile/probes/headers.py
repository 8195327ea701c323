"""Security headers: what each is expected to say, and whether it does. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HALF_A_YEAR = 15_552_000  # seconds; less is no protection between two visits
_AGE = re.compile(r"max-age\s*=\s*\"?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """What one header is expected to say.

    :param words: fit after `expected`.
    :param holds: whether a value, lower case, is as expected.
    """

    words: str
    holds: Callable[[str], bool]


def _plain(value: str) -> str:
    return " ".join(value.lower().split())


def one_of(*values: str) -> Rule:
    """Any of these values, in any case and with any spaces."""
    known = {_plain(value) for value in values}
    return Rule(" or ".join(values), lambda value: value in known)


def _long_enough(value: str) -> bool:
    age = _AGE.search(value)
    return age is not None and int(age.group(1)) >= HALF_A_YEAR


ANY = Rule("to be set", bool)
# Of a header that is not here any value will do.
RULES = {
    "x-content-type-options": one_of("nosniff"),
    "x-frame-options": one_of("DENY", "SAMEORIGIN"),
    "referrer-policy": Rule(
        "a policy other than unsafe-url",
        # A list is read from its end, where the newest policy that a browser knows stands.
        lambda value: value.split(",")[-1].strip() not in ("", "unsafe-url"),
    ),
    "strict-transport-security": Rule(f"max-age of {HALF_A_YEAR} or more", _long_enough),
}


def rule_of(name: str, values: Sequence[str] | None) -> Rule:
    """What is expected of a header.

    :param values: those that the settings allow, none for any; None: they say nothing of it.
    """
    if values is None:
        return RULES.get(name.lower(), ANY)
    return one_of(*values) if values else ANY


def fits(rule: Rule, value: str) -> bool:
    """Whether a header's value is as expected."""
    return rule.holds(_plain(value))
