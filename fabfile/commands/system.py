"""Argument lists for a Debian or Ubuntu server: packages, users, folders. Pure: nothing is run."""

from __future__ import annotations

from collections.abc import Sequence

# No question may be asked.
_QUIET = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1"]
_APT = [*_QUIET, "apt-get", "-q", "-y"]


def finish_packages() -> list[str]:
    """Set up what an installation that was cut off has left unpacked."""
    return [*_QUIET, "dpkg", "--configure", "-a"]


def update_packages() -> list[str]:
    return [*_APT, "update"]


def install_packages(names: Sequence[str]) -> list[str]:
    """Install packages, and nothing that they only recommend."""
    return [*_APT, "install", "--no-install-recommends", *names]


def package_candidate(name: str) -> list[str]:
    """What apt would install: `Candidate: VERSION`; `(none)` or no such line where nothing."""
    return ["apt-cache", "policy", name]


def add_to_group(user: str, group: str) -> list[str]:
    return ["usermod", "--append", "--groups", group, user]


def groups_of(user: str) -> list[str]:
    """The user's groups as they are written down, whatever the session has."""
    return ["id", "-nG", user]


def make_folder(path: str, *, mode: str, owner: str, group: str) -> list[str]:
    """Make a folder, or give the one that is there its owner and rights."""
    return ["install", "-d", "-m", mode, "-o", owner, "-g", group, "--", path]
