"""What a task has that runs before there are settings: `init`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .report.console import Console
from .server.connection import Server


@dataclass(frozen=True)
class Newcomer:
    """What a task gets that runs before there are settings.

    :param server: None under `invoke`: the site's files are on this machine.
    :param given: settings from `--set`, as they would be in a file.
    """

    console: Console
    server: Server | None
    given: Mapping[str, Any]
