"""The right name for a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(wrong: str, right: Iterable[str]) -> str:
    """`; did you mean port?`, or nothing where none is near."""
    near = difflib.get_close_matches(wrong, right, n=1)
    return f"; did you mean {near[0]}?" if near else ""
