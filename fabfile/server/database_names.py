"""What the databases beside the live one are called; by these names they are found again. Pure.

`<live>_candidate_<stamp>`: being restored, to become the live one.
`<live>_scratch_<stamp>`: being restored to try a backup.
`<live>_kept_<stamp>`: was live until that moment.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Literal, get_args

Role = Literal["candidate", "scratch", "kept"]
LIMIT = 63  # bytes of a PostgreSQL name; what is longer is cut without an error
STAMP = "%Y%m%d_%H%M%S"
_ENDING = len("_candidate_YYYYMMDD_HHMMSS")
_DIGEST = 8


def named(live: str, role: Role, stamp: str) -> str:
    """The name of a database beside the live one.

    :param stamp: a release's stamp, `YYYYMMDD-HHMMSS`.
    """
    return f"{_short(live)}_{role}_{stamp.replace('-', '_')}"


def ours(live: str, existing: Iterable[str], *roles: Role) -> list[str]:
    """Which of the existing databases have these roles for the live one, oldest first."""
    found = [(moment, name) for name in existing if (moment := moment_of(live, name, *roles))]
    return [name for _, name in sorted(found)]


def moment_of(live: str, name: str, *roles: Role) -> datetime | None:
    """The moment in a database's name; None where it is no name of ours for these roles."""
    words = "|".join(roles or get_args(Role))
    match = re.fullmatch(rf"{re.escape(_short(live))}_(?:{words})_([0-9]{{8}}_[0-9]{{6}})", name)
    if not match:
        return None
    try:
        return datetime.strptime(match[1], STAMP).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _short(live: str) -> str:
    """The live name, where it is long cut and told apart by a digest of the whole."""
    room = LIMIT - _ENDING
    if len(live.encode()) <= room:
        return live
    digest = hashlib.sha256(live.encode()).hexdigest()[:_DIGEST]
    beginning = live.encode()[: room - _DIGEST - 1].decode(errors="ignore")
    return f"{beginning}_{digest}"
