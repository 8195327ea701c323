"""A process of this machine, named so that nobody takes another one for it."""

from __future__ import annotations

import os
from pathlib import Path


def mark(pid: int) -> str:
    """The boot, the process namespace and the moment a process began; empty where none is known.

    A process id alone names another process after a reboot, in another container, or once the
    numbers have gone round.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
        # Field 22, counted after the name in brackets, which may hold anything.
        began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{boot} {namespace} {began}"


def is_gone(pid: int, marked: str) -> bool:
    """Whether a process of this very machine has ended; False where nobody here can know.

    :param marked: what `mark` said of it while it ran.
    """
    here = mark(os.getpid())
    if not here or not marked or marked.split()[:2] != here.split()[:2]:
        return False
    now = mark(pid)
    return now != marked if now else not _exists(pid)


def _exists(pid: int) -> bool:
    """Where /proc hides other people's processes, the kernel still says whether there is one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
