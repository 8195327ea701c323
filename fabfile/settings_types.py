"""The kinds of values that settings have, each with words for what is allowed.

A number with bounds, a choice or a list needs no words here: settings_words.py reads them from
the type. What is text is one of these kinds, never a bare `str`: whatever reaches a shell, a
configuration file or a log is one line.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Kind:
    """A kind of text.

    :param words: what is allowed, as a person says it.
    :param pattern: what the whole text must match.
    :param check: a predicate beside it.
    :param empty: nothing is allowed too.
    :param secret: a wrong one is not shown.
    """

    words: str
    pattern: str = ".*"
    check: Callable[[str], bool] | None = None
    empty: bool = False
    secret: bool = False

    @property
    def or_nothing(self) -> Kind:
        """The same kind, where the setting may be empty."""
        return dataclasses.replace(self, words=f"{self.words}; or nothing", empty=True)

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._refuse, handler(source))

    def _refuse(self, value: str) -> str:
        if value or not self.empty:
            matches = is_line(value) and re.fullmatch(self.pattern, value)
            if not matches or (self.check and not self.check(value)):
                raise ValueError(self.words)
        return value


def is_line(text: str) -> bool:
    """Whether it is one line: no control characters, line separators or halves of characters."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text)


def _climbs(path: str) -> bool:
    return ".." in PurePosixPath(path).parts


def _is_folder(path: str) -> bool:
    return bool(path.strip("/")) and not _climbs(path)


def _is_inside(path: str) -> bool:
    return bool(PurePosixPath(path).parts) and not path.startswith("/") and not _climbs(path)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_domain(text: str) -> bool:
    return len(text) <= 253 and bool(re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*", text))


def _is_host(text: str) -> bool:
    """`user@host:port`; an IPv6 address stands alone, without a port, as Fabric spells it."""
    user, at, place = text.rpartition("@")
    if at and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", user):
        return False
    return _is_network(place) if place.count(":") > 1 else _has_port(place, needed=False)


def _has_port(text: str, *, needed: bool = True) -> bool:
    host, colon, port = text.rpartition(":")
    if not colon and not needed:
        return _is_domain(text)
    here = _is_network(host[1:-1]) if re.fullmatch(r"\[[^/]*\]", host) else _is_domain(host)
    return here and bool(re.fullmatch("[0-9]{1,5}", port)) and 1 <= int(port) <= 65_535


_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
_PART = "[a-z0-9]+(?:[._-]+[a-z0-9]+)*"

_HOST = Kind("user@host or user@host:port", check=_is_host)
_HOST_PORT = Kind("host:port, for instance 127.0.0.1:8443", check=_has_port)
_IMAGE = Kind(
    "an image's name, for instance registry.example.org/site:1", "[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*"
)
_PROJECT = Kind(
    "lower-case letters, digits and _ -, a letter or digit first", "[a-z0-9][a-z0-9_-]*"
)
_INNER = Kind("a path inside that folder: without '..', not from /", check=_is_inside)

# -- numbers -----------------------------------------------------------------------------------

# Not less than a tenth: rounded to 0 on its way, it would mean `no limit` to some.
Seconds = Annotated[float, Field(ge=0.1, le=86_400)]
WholeSeconds = Annotated[int, Field(ge=1, le=86_400)]  # nginx and paramiko read no fractions
Port = Annotated[int, Field(ge=1, le=65_535)]
HttpStatus = Annotated[int, Field(ge=100, le=599)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]

# -- text --------------------------------------------------------------------------------------

Text = Annotated[str, Kind("text in one line, without control characters")]
Word = Annotated[str, Kind("text in one line, not empty", r".*\S.*")]
# PostgreSQL cuts a longer name off without a word.
SqlName = Annotated[
    str,
    Kind("a name of 1 to 63 bytes in one line", check=lambda name: 1 <= len(name.encode()) <= 63),
]

# -- names -------------------------------------------------------------------------------------

# Docker's own rule for container and service names; keeps every name one plain word.
Name = Annotated[str, Kind("letters, digits and _ . -, a letter or digit first", _NAME + "{0,127}")]
# With -green behind it, still a name that DNS can carry.
ContainerName = Annotated[
    str, Kind("up to 57 letters, digits and _ . -, a letter or digit first", _NAME + "{0,56}")
]
# No dot, colon or @, so that nobody takes an address for one.
HostName = Annotated[
    str,
    Kind(
        "up to 64 letters, digits and _ -, a letter or digit first",
        "[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}",
    ),
]
Project = Annotated[str, _PROJECT.or_nothing]
Repository = Annotated[
    str,
    Kind(
        "an image's name without a tag, in lower case: letters, digits, . _ - /",
        f"{_PART}(?:/{_PART})*",
    ),
]
ImageOrNothing = Annotated[str, _IMAGE.or_nothing]
Revision = Annotated[
    str,
    Kind(
        "a branch, tag or commit, without spaces and with no - in front",
        r"[^\s:~^?*\[\\-][^\s:?*\[\\]*",
    ),
]
VariableName = Annotated[
    str, Kind("a variable's name: letters, digits and _", "[A-Za-z_][A-Za-z0-9_]*")
]
HeaderName = Annotated[
    str, Kind("a header's name: letters, digits and -", "[A-Za-z0-9][A-Za-z0-9-]*")
]

# -- addresses ---------------------------------------------------------------------------------

Domain = Annotated[str, Kind("a domain name, for instance www.example.org", check=_is_domain)]
HostOrNothing = Annotated[str, _HOST.or_nothing]
HostPortOrNothing = Annotated[str, _HOST_PORT.or_nothing]
Network = Annotated[
    str,
    Kind(
        "an address or a network, for instance 10.0.0.0/8",
        r"[0-9a-fA-F:.]+(?:/[0-9]{1,3})?",
        _is_network,
    ),
]
_URL_PATH = Kind("a path from /, without spaces and #", r"/[^\s#]*")
UrlPath = Annotated[str, _URL_PATH]
UrlPathOrNothing = Annotated[str, _URL_PATH.or_nothing]

# -- paths -------------------------------------------------------------------------------------

# What stands in nginx's configuration must not end a directive.
ConfigPath = Annotated[
    str,
    Kind(
        "a path from /: letters, digits and . _ / @ % + -, without '..'",
        "/[A-Za-z0-9._/@%+-]*",
        lambda path: not _climbs(path),
    ),
]
Size = Annotated[str, Kind("a number with k, m or g behind it, or none", "[0-9]{1,12}[kmg]?")]
# Docker reads a colon in a mount as its end.
AbsoluteFolder = Annotated[
    str,
    Kind("an absolute folder without '..' and ':', not '/' itself", "/[^:]*", _is_folder),
    AfterValidator(lambda path: path.rstrip("/")),
]
InnerPath = Annotated[str, _INNER]
InnerPathOrNothing = Annotated[str, _INNER.or_nothing]
