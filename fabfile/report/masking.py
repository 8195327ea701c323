"""What must not be read in a log: values that were met on the way, and what looks like one."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from urllib.parse import quote, unquote

MASKED = "***"
SHORTEST = 4  # characters; a shorter value would be found in half of all words

_SECRET = (
    r"password|passwd|passphrase|pwd|secret|token|credential|webhook|"
    r"(?:api|access|private|signing|encryption)[_-]?key"
)
_SECRET_NAME = re.compile(rf"{_SECRET}|(?:^|_)(?:key|pass|salt)(?:$|_)", re.IGNORECASE)
# Where a secret is, or what it is called: that is none.
_POINTER = re.compile(r"_(?:variable|field|file|path|name|column|header)$", re.IGNORECASE)
# A random value gives itself away, whatever its name is; a host's or a file's name does not.
_RANDOM = re.compile(
    r"[0-9a-fA-F]{32,}|eyJ[\w.-]{24,}|"
    r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+=_-][A-Za-z0-9+/=_-]{23,}"
)
_IN_URL = re.compile(r"://[^\s:/@]*:([^\s@/]+)@")

# What comes before the value is kept, the value is not. A shell's `${…}` is no value.
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for pattern, replacement in (
        (
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            rf"\1{MASKED}",
        ),
        (r"(://[^\s:/@]*:)[^\s@/]+@", rf"\1{MASKED}@"),
        (r"(hooks\.slack\.com/\w+/|discord(?:app)?\.com/api/webhooks/)[^\s\"']+", rf"\1{MASKED}"),
        (r"(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)[^\s\"']+", rf"\1{MASKED}"),
        (r"(\b(?:set-)?cookie\s*:\s*)[^\n]+", rf"\1{MASKED}"),
        (
            rf"(\b[\w.-]{{0,60}}(?:{_SECRET})\w{{0,60}}[\"']?\s*[=:]\s*)(?![\"']?[-:]?\$|-/dev/null)"
            r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&}\"']+)",
            rf"\1{MASKED}",
        ),
    )
)
# Comments and names in SQL stay; a value, and the body of a function, do not.
_SQL = re.compile(
    r"""(--[^\n]*|/\*.*?\*/|"(?:[^"]|"")*")|'(?:[^']|'')*'|(\$\w*\$).*?\2""", re.DOTALL
)


class Mask:
    """The secrets of this process; from any thread.

    Every value of a container's environment that may be one is learned where the environment is
    read, so that it is known wherever else it turns up: in a log line, an error, a command.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def learn(self, secret: str) -> None:
        """Mask this value from now on, also as JSON, a URL or a compose file spell it."""
        lines = [line for line in secret.splitlines() if len(line.strip()) >= SHORTEST]
        spelt = {
            spelling
            for line in lines
            for spelling in (
                line,
                json.dumps(line)[1:-1],
                json.dumps(line, ensure_ascii=False)[1:-1],
                line.replace("$", "$$"),
                line.replace("'", "''"),
                line.replace("'", "'\"'\"'"),
                quote(line, safe=""),
            )
        }
        with self._guard:
            if not spelt <= self._values:
                self._values |= spelt
                longest_first = sorted(self._values, key=len, reverse=True)
                self._known = re.compile("|".join(map(re.escape, longest_first)))

    def learn_environment(self, environment: Mapping[str, str]) -> None:
        """Learn what may be a secret in it: by its name, by its look, or inside a URL."""
        for name, value in environment.items():
            if found := _IN_URL.search(value):
                self.learn(found[1])
                self.learn(unquote(found[1]))
            elif _RANDOM.fullmatch(value):
                self.learn(value)
            else:
                self.learn_if_named_so(name, value)

    def learn_if_named_so(self, name: str, value: str) -> None:
        """Learn a value whose name says that it is a secret, unless it is a path or a page."""
        address = value.startswith(("/", "~", ".", "http://", "https://"))
        named_so = _SECRET_NAME.search(name) and not _POINTER.search(name)
        if named_so and (not address or "webhook" in name.lower()):
            self.learn(value)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        known = self._known
        if known:
            text = known.sub(MASKED, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


mask = Mask()


def sql_without_values(sql: str) -> str:
    """A statement as one line, its text values masked: they may be users' data."""
    shown = _SQL.sub(lambda found: found[1] or f"'{MASKED}'", sql)
    return " ".join(shown.split())
