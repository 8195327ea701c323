"""What is known of a site's settings so far, each with where it was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fact:
    """One setting's value.

    :param origin: where it was found, in a few words; it becomes the line's comment.
    """

    value: Any
    origin: str


class Facts:
    """Settings by dotted name. What was added first stays: the surest source comes first."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def add(self, name: str, value: Any, origin: str) -> None:
        """Note a value, unless a surer one is known."""
        self._facts.setdefault(name, Fact(value, origin))

    def add_all(self, values: Mapping[str, Any], origin: str, prefix: str = "") -> None:
        """Note every value of nested groups, as a settings file has them."""
        for name, value in values.items():
            if isinstance(value, Mapping) and not prefix:
                self.add_all(value, origin, f"{name}.")
            else:
                self.add(f"{prefix}{name}", value, origin)

    def __contains__(self, name: str) -> bool:
        return name in self._facts

    def __getitem__(self, name: str) -> Any:
        return self._facts[name].value

    def get(self, name: str) -> Any:
        """The value, or None where nothing is known."""
        fact = self._facts.get(name)
        return fact.value if fact else None

    def items(self) -> Iterator[tuple[str, Fact]]:
        yield from self._facts.items()

    def nested(self) -> dict[str, Any]:
        """The settings as a file's `site:` section has them."""
        section: dict[str, Any] = {}
        for name, fact in self.items():
            group, _, field = name.rpartition(".")
            (section.setdefault(group, {}) if group else section)[field] = fact.value
        return section
