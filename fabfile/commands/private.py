"""Which commands print what nobody may write down: environments, passwords, keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_COMPOSE = {"compose", "docker-compose"}
_NAMES_ONLY = {"--services", "--images", "--volumes", "--quiet", "--hash"}
# A shell's word that reads a file of secrets, or the whole environment.
_READS = re.compile(
    r"^(?:cat|head|tail)\b.*(?:PASSWORD|SECRET|TOKEN|/secrets/|\.env\b|privkey|\.pem\b)",
    re.IGNORECASE | re.DOTALL,
)


def prints_secrets(argv: Sequence[str]) -> bool:
    """Whether what this command prints may hold secrets, so that no log keeps it."""
    words = set(argv)
    if "inspect" in words:
        shown = argv[argv.index("--format") + 1 :][:1] if "--format" in words else []
        return not shown or "Env" in shown[0] or "json ." in shown[0]
    if "config" in words and words & _COMPOSE:
        return not words & _NAMES_ONLY
    if "printenv" in words or argv[-1:] == ["env"]:
        return True
    return bool(_READS.match(" ".join(argv))) or any(_READS.match(word) for word in argv)
