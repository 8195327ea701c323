"""Private keys are tried on this machine, before a server is asked anything."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paramiko

from ..errors import BadSettings, WrongSetting
from ..settings import Ssh

DEFAULTS = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")  # as paramiko tries them
ALLOWED = "a private key that is open, or that ssh-agent holds"
LOCKED = "it needs a passphrase, and no agent has it"


def refuse_unusable_keys(ssh: Ssh, options: dict[str, Any], own: Sequence[str]) -> None:
    """See that every key that was named can be used; where none was, that one of ~/.ssh can.

    :param options: what the connection will be opened with.
    :param own: key files that ~/.ssh/config names; as for OpenSSH, they need not be there.
    :raises BadSettings: a key is missing, unreadable, or needs a passphrase that nobody gave.
    """
    if options.get("passphrase") or options.get("password"):
        return
    given = options.get("key_filename") or []
    named = [path for path in ([given] if isinstance(given, str) else given) if path not in own]
    agent = [key.asbytes() for key in paramiko.Agent().get_keys()]
    for path in named:
        if found := _fault(path, agent):
            raise _wrong(ssh, path, found)
    if named or agent:
        return
    there = [path for path in (*own, *DEFAULTS) if Path(path).expanduser().is_file()]
    if there and all(_fault(path, agent) == LOCKED for path in there):
        raise _wrong(ssh, there[0], LOCKED)


def _fault(path: str, agent: Sequence[bytes]) -> str:
    """Why a key cannot be used, or nothing."""
    file = Path(path).expanduser()
    try:
        if _public_half(file) in agent:
            return ""
        paramiko.PKey.from_path(file)
    except TypeError:  # how cryptography says that it has a passphrase
        return LOCKED
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except Exception:  # of many kinds: no key at all, cut short, an unknown algorithm
        return "it is no private key"
    return ""


def _public_half(file: Path) -> bytes | None:
    """What stands in the .pub beside it, which an agent's keys can be compared with."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return base64.b64decode(file.with_name(f"{file.name}.pub").read_text().split()[1])
    return None


def _wrong(ssh: Ssh, path: str, found: str) -> BadSettings:
    next_command = (
        f"ssh-add {path}, or name another key; for once: fab --prompt-for-passphrase …"
        if found == LOCKED
        else ""
    )
    if ssh.key_file and path == str(Path(ssh.key_file).expanduser()):
        return WrongSetting(
            "ssh.key_file", ssh.key_file, ALLOWED, found=found, next_command=next_command
        )
    return BadSettings(f"the key {path!r}: {found}; allowed: {ALLOWED}", next_command=next_command)
