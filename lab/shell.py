"""Running programs on this machine, with a time limit and an error that explains itself."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import IO

Completed = subprocess.CompletedProcess[str]


class LabError(Exception):
    """Why the lab cannot go on, in words for the person at the keyboard."""


def run(
    arguments: Sequence[str],
    *,
    check: bool = True,
    timeout: float = 60,
    text: str | None = None,
    environment: dict[str, str] | None = None,
) -> Completed:
    """Run a program to its end and keep what it says.

    :param check: raise `LabError` with the program's last lines if it fails
    :param text: what it reads on standard input (nothing if absent)
    """
    try:
        result = subprocess.run(
            list(arguments),
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment,
        )
    except FileNotFoundError as error:
        raise LabError(f"{arguments[0]} is not installed: run lab/install-packages.sh") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no end after {timeout:g} s: {' '.join(arguments[:6])}") from error
    if check and result.returncode != 0:
        raise LabError(_explain(arguments, result.returncode, result.stderr or result.stdout))
    return result


def feed(arguments: Sequence[str], content: bytes | IO[bytes], *, timeout: float = 300) -> str:
    """Run a program with bytes, or an open pipe, on its standard input; answer what it prints."""
    try:
        if isinstance(content, bytes):
            result = subprocess.run(
                list(arguments), input=content, capture_output=True, timeout=timeout
            )
        else:
            result = subprocess.run(
                list(arguments), stdin=content, capture_output=True, timeout=timeout
            )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no end after {timeout:g} s: {' '.join(arguments[:6])}") from error
    if result.returncode != 0:
        words = (result.stderr or result.stdout).decode(errors="replace")
        raise LabError(_explain(arguments, result.returncode, words))
    return result.stdout.decode(errors="replace")


def _explain(arguments: Sequence[str], code: int, words: str) -> str:
    tail = "\n".join(words.strip().splitlines()[-12:])
    return f"{' '.join(arguments[:6])} ended with {code}:\n{tail}"
