"""The settings of hooks and webhooks, held against what there is on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

from ..commands.templates import BadTemplate
from ..errors import WrongSetting
from ..settings import Settings
from .hooks import CALL, FUNCTION, LEAVE_OUT, path_of
from .shapes import refuse_bad_template

_IMPORTED_WITHIN = 30  # seconds


def check(settings: Settings) -> None:
    """See that every hook can be run, and that every template gives JSON; contacts nothing.

    :raises WrongSetting: the first that does not.
    """
    check_webhooks(settings)
    functions = {}
    for number, hook in enumerate(settings.hooks):
        if FUNCTION.fullmatch(hook.run):
            functions[hook.run] = f"hooks.{number}.run"
        else:
            _refuse_no_executable(f"hooks.{number}.run", hook.run)
    if functions:
        _refuse_no_function(functions)


def check_webhooks(settings: Settings) -> None:
    """:raises WrongSetting: a template is not there, or would not give JSON each time."""
    for number, webhook in enumerate(settings.notify.webhooks):
        if webhook.kind != "template":
            continue
        try:
            refuse_bad_template(webhook.template)
        except BadTemplate as error:
            raise WrongSetting(
                f"notify.webhooks.{number}.template",
                webhook.template,
                "a Jinja2 template that gives JSON, each value through tojson",
                found=str(error),
                next_command="mend it; without any webhook: --set notify.webhooks=[]",
            ) from None


def _refuse_no_executable(setting: str, run: str) -> None:
    path = path_of(run)
    if not path.is_file():
        found = "it is a folder" if path.is_dir() else "it is not there"
    elif not os.access(path, os.X_OK):
        found = "it is not executable"
    else:
        return
    raise _wrong(setting, run, found)


def _refuse_no_function(functions: dict[str, str]) -> None:
    """:param functions: each with its setting."""
    argv = [sys.executable, CALL, "--check", *functions]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_IMPORTED_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        function, setting = next(iter(functions.items()))
        found = f"its import takes longer than {_IMPORTED_WITHIN} s"
        raise _wrong(setting, function, found) from None
    if done.returncode == 0:
        return
    name, _, found = done.stderr.strip().rpartition("\n")
    name = name.rpartition("\n")[2]  # what a module prints comes before
    if name not in functions:
        name, found = next(iter(functions)), found or f"exit code {done.returncode}"
    raise _wrong(functions[name], name, found)


def _wrong(setting: str, run: str, found: str) -> WrongSetting:
    return WrongSetting(
        setting,
        run,
        "an executable of this machine, or module:function of Python's path or this folder",
        found=found,
        next_command=f"mend it; {LEAVE_OUT}",
    )
