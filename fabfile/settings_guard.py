"""Invoke reads its configuration files before any task runs, and a bad one ends in a traceback.

So each file is read here first, at the two places where Invoke is told of it; a missing `-f` file,
which it would pass over, is refused too. Its own environment variables for our settings are: they
differ between `fab` and `invoke`, and turn "false" into true.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from invoke.config import Config
from invoke.exceptions import Exit

from .errors import BadSettings
from .nearest import nearest
from .settings_file import SUFFIXES, Keys, SettingsFile, dotted, settings_file

SECTION = "site"
_PREFIXES = ("INVOKE", "FABRIC")


def install() -> None:
    """Put the checks in front of Invoke's own reading; once a process."""
    Config.set_project_location = _first(  # type: ignore[method-assign]
        _refuse_bad_project, Config.set_project_location
    )
    Config.set_runtime_path = _first(  # type: ignore[method-assign]
        _refuse_bad_file, Config.set_runtime_path
    )
    Config.load_shell_env = _first(  # type: ignore[method-assign]
        _refuse_environment, Config.load_shell_env
    )
    for name in ("_load_yaml", "_load_yml"):
        setattr(Config, name, _once(getattr(Config, name)))


def files_of(config: Config) -> list[SettingsFile]:
    """The files that a configuration was read from, the one that counts first, first."""
    paths = (getattr(config, f"_{kind}_path") for kind in ("runtime", "project", "user", "system"))
    # Where there is no file, Invoke's last guess stands, which ends in .py.
    found = (Path(path).expanduser() for path in paths if path)
    return [settings_file(path) for path in found if path.suffix in SUFFIXES]


def _first(check: Callable[..., None], method: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(method)
    def checked(config: Config, *args: Any, **kwargs: Any) -> None:
        try:
            check(config, *args, **kwargs)
        except BadSettings as error:
            from .report.console import Console

            Console().failure(error)
            raise Exit(code=error.exit_code) from None
        method(config, *args, **kwargs)

    return checked


def _once(read: Callable[..., Any]) -> Callable[..., Any]:
    """What was read to be checked is what Invoke gets: to read it twice takes twice as long."""

    @functools.wraps(read)
    def reading(config: Config, path: str) -> Any:
        file = Path(path)
        return settings_file(file).values if file.exists() else read(config, path)

    return reading


def _refuse_bad_project(config: Config, path: str | None) -> None:
    for suffix in SUFFIXES if path else ():
        file = Path(str(path)) / f"{config.file_prefix or config.prefix}{suffix}"
        if os.path.lexists(file):  # also a link that leads nowhere
            _refuse_bad_file(config, file)
            return


def _refuse_bad_file(config: Config, path: str | Path | None) -> None:
    if path is None:
        return
    file = settings_file(Path(path).expanduser())
    _refuse_unknown_section(file)
    _refuse_other_shape(file, config._config, file.values, ())


def _refuse_unknown_section(file: SettingsFile) -> None:
    """`sites:`, or a setting without `site:` above it, would be passed over without a word."""
    others = [name for name in file.values if name != SECTION]
    known = [SECTION, *_sections_of_fabric()] if others else []
    for name in others:
        if name not in known:
            near = nearest(name, known) or f"; settings of the site stand below `{SECTION}:`"
            raise BadSettings(f"{file.at((name,))}: {dotted((name,))}: no such section{near}")


def _sections_of_fabric() -> Iterable[str]:
    from fabric.config import Config as FabricConfig

    sections: Iterable[str] = FabricConfig.global_defaults()
    return sections


def _refuse_other_shape(
    file: SettingsFile, below: Mapping[str, Any], values: Mapping[str, Any], above: Keys
) -> None:
    """Invoke cannot merge a mapping with anything else.

    :param below: what the files and defaults that it is merged into have.
    :param above: the keys under which both stand.
    """
    for key, value in values.items():
        keys = (*above, key)
        if key not in below or not (isinstance(value, dict) or isinstance(below[key], dict)):
            continue
        if isinstance(value, dict) and isinstance(below[key], dict):
            _refuse_other_shape(file, below[key], value, keys)
            continue
        from .settings import Settings
        from .settings_words import allowed_at, shown

        words = allowed_at(Settings, keys[1:]) if keys[0] == SECTION else ""
        if isinstance(below[key], dict):
            raise BadSettings(
                f"{file.at(keys)}: {dotted(keys)} is {shown(value)}; "
                f"allowed: {words or 'names with values'}"
            )
        raise BadSettings(
            f"{file.at(keys)}: {dotted(keys)} has names below it, and elsewhere it is "
            f"{shown(below[key])}; allowed: {words or 'one value'}"
        )


def _refuse_environment(config: Config) -> None:
    for name in sorted(os.environ):
        program, middle, _ = name.partition(f"_{SECTION.upper()}_")
        if program in _PREFIXES and middle:
            from .settings_words import shown

            raise BadSettings(
                f"{name} is {shown(os.environ[name])}; not read: `fab` and `invoke` would differ; "
                "allowed: DEPLOY_ and the setting's name, for instance DEPLOY_APP__PORT=3000"
            )
