"""The settings file that `init` writes: every value with where it was found. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ..settings import Settings
from .facts import Fact, Facts

COMMENT_AT = 44  # column
WIDEST = 100
HEAD = """\
# {name}: the settings of one site, found by `init`. Please read it once. Use it so:
#   fab -f {file} -H {host} deploy
# Every setting, with its default, unit and meaning: fabfile/settings.py. What is not here has
# its default; `complete` keeps the shipped invoke.yaml's site out of it.

site:
"""


def render(facts: Facts, file: str) -> str:
    """The file's text.

    :param file: its name, for the command in its head.
    """
    host = facts.get("ssh.host") or "user@host"
    known = dict(facts.items())
    lines = [HEAD.format(name=facts["name"], file=file, host=host).rstrip("\n")]
    for group, info in Settings.model_fields.items():
        if group in known:
            lines += _lines(1, group, known[group])
            continue
        order = getattr(info.annotation, "model_fields", {})
        names = [field for field in order if f"{group}.{field}" in known]
        if names:
            lines += ["", f"  {group}:"]
        for field in names:
            lines += _lines(2, field, known[f"{group}.{field}"])
    return "\n".join(lines) + "\n"


def _lines(depth: int, name: str, fact: Fact) -> Iterator[str]:
    """One setting; a mapping of mappings, such as the pages, has a line for each."""
    indent = "  " * depth
    if isinstance(fact.value, Mapping) and fact.value:
        yield from _commented(f"{indent}{name}:", fact.origin)
        for key, value in fact.value.items():
            yield f"{indent}  {_flow(key)}: {_flow(value)}"
        return
    yield from _commented(f"{indent}{name}: {_flow(fact.value)}", fact.origin)


def _commented(text: str, origin: str) -> Iterator[str]:
    """The comment behind the value; above it where the line would be too long."""
    comment = f"# {' '.join(origin.split())}"
    line = f"{text:<{COMMENT_AT - 2}}  {comment}"
    if len(line) <= WIDEST:
        yield line
        return
    yield f"{text[: len(text) - len(text.lstrip())]}{comment}"[:WIDEST]
    yield text


def _flow(value: Any) -> str:
    if value == "":
        return '""'
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
