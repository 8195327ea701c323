"""The two programs as a user starts them: real processes, from the project's root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

# The shipped settings name a real server: no test may reach it, whatever it gets wrong.
NOWHERE = {"DEPLOY_SSH__HOST": "nobody@127.0.0.1:9"}

Done = subprocess.CompletedProcess[str]


def program(
    *argv: str,
    seconds: float = 600,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> Done:
    """Run `fab` or `invoke` with these arguments and wait for it.

    :param seconds: time limit.
    :param environment: added to this process's own.
    :param folder: where it is started.
    """
    return subprocess.run(
        [str(BIN / argv[0]), *argv[1:]],
        cwd=folder,
        env={**os.environ, **NOWHERE, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
