"""What each task would do; one function a task, with that task's own options."""

from __future__ import annotations

from .others import (
    backup,
    lock_release,
    monitor_install,
    monitor_uninstall,
    prune,
    psql,
    reverse,
    verify,
)
from .phases import (
    assess,
    blue_green_deploy,
    deploy,
    full_rollback,
    migrate,
    restore,
    rollback,
    undo_restore,
    validate,
)

__all__ = [
    "assess",
    "backup",
    "blue_green_deploy",
    "deploy",
    "full_rollback",
    "lock_release",
    "migrate",
    "monitor_install",
    "monitor_uninstall",
    "prune",
    "psql",
    "restore",
    "reverse",
    "rollback",
    "undo_restore",
    "validate",
    "verify",
]
