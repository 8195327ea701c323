"""A program: calls `module:function` with what a hook is told; `--check` only imports them.

Run by its path, in a process of its own; it needs nothing of the project, which would be slow to
import.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping

PREFIX = "DEPLOY_HOOK_"


def main(names: list[str]) -> str:
    """:returns: what went wrong, in a line; empty where nothing did."""
    sys.path[0] = str(os.getcwd())  # noqa: PTH109
    if names[0] == "--check":
        for name in names[1:]:
            if problem := _refused(name):
                return f"{name}\n{problem}"
        return ""
    facts = {
        name[len(PREFIX) :].lower(): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
    }
    try:
        _function(names[0])(facts)
    except Exception as error:
        return _line(error)
    return ""


def _refused(name: str) -> str:
    try:
        _function(name)
    except (Exception, SystemExit) as error:
        return _line(error)
    return ""


def _function(name: str) -> Callable[[Mapping[str, str]], object]:
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not callable(found):
        raise TypeError(f"{attribute} in {module} is no function")
    return found  # type: ignore[no-any-return]


def _line(error: BaseException) -> str:
    """`check.py:12: ValueError: …`: the last place that is not ours or Python's own."""
    words = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    frames = traceback.extract_tb(error.__traceback__)
    places = [f for f in frames if f.filename != __file__ and "importlib" not in f.filename]
    return f"{places[-1].filename}:{places[-1].lineno}: {words}" if places else words


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
