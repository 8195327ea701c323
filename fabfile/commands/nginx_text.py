"""nginx's configuration language: directives and where they stand. Pure: text in, positions out.

Positions, because a site's own configuration is changed in one place and kept byte for byte
elsewhere; a parser that builds it anew from its own tree would lose comments and spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<mark>[;{}])
      | (?P<word>(?:\\.|\$\{[^}]*\}|[^\s;{}\#"'\\]|(?<=[^\s;{}])[\#"'])+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Word:
    """One argument, quotes included, and where it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Directive:
    """One directive, simple or a block.

    :param inside: names of the blocks around it, the outermost first.
    :param end: after its `;`, or after the `}` of its block.
    :param body: where the inside of its block starts and ends; None for a simple one.
    """

    words: tuple[Word, ...]
    inside: tuple[str, ...]
    start: int
    end: int
    body: tuple[int, int] | None

    @property
    def name(self) -> str:
        return self.words[0].text

    @property
    def arguments(self) -> tuple[Word, ...]:
        return self.words[1:]


def directives(text: str) -> list[Directive]:
    """Every directive of a configuration, blocks before what is in them."""
    return sorted(_directives(text), key=lambda directive: directive.start)


def _directives(text: str) -> Iterator[Directive]:
    words: list[Word] = []
    blocks: list[tuple[tuple[Word, ...], int]] = []  # words of the open blocks, start of the inside
    for found in _TOKEN.finditer(text):
        if found.lastgroup == "comment":
            continue
        if found.lastgroup != "mark":
            words.append(Word(found[0], found.start(), found.end()))
            continue
        inside = tuple(names[0].text for names, _ in blocks if names)
        if found[0] == "{":
            blocks.append((tuple(words), found.end()))
        elif found[0] == "}" and blocks:
            names, begin = blocks.pop()
            if names:
                yield Directive(
                    names, inside[:-1], names[0].start, found.end(), (begin, found.start())
                )
        elif words:
            yield Directive(tuple(words), inside, words[0].start, found.end(), None)
        words = []
