"""Argument lists for systemd. Pure: nothing is run here."""

from __future__ import annotations

FOLDER = "/etc/systemd/system"


def reload() -> list[str]:
    """Read the unit files anew."""
    return ["systemctl", "daemon-reload"]


def enable(unit: str) -> list[str]:
    """Start a unit now, and after each boot."""
    return ["systemctl", "enable", "--now", "--", unit]


def disable(unit: str) -> list[str]:
    """Stop a unit, also after a boot."""
    return ["systemctl", "disable", "--now", "--", unit]


def is_active(unit: str) -> list[str]:
    """`active`, `inactive`, `failed`; the exit code is 0 for active alone."""
    return ["systemctl", "is-active", "--", unit]
