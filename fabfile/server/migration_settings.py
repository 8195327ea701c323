"""`migration.yaml` in a migration's folder: what it says, and whether that can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from ..errors import BadSettings
from ..settings import Model
from ..settings_types import SqlName

OWN_SETTINGS = "migration.yaml"


class Roles(Model):
    """A move of everybody from one role to another."""

    old: SqlName
    new: SqlName
    expect: dict[str, int] = Field(
        default_factory=dict, description="users per role before the first run; empty: any"
    )

    @model_validator(mode="after")
    def differ(self) -> Roles:
        if self.old == self.new:
            raise ValueError("roles.old and roles.new must differ")
        return self


class OwnSettings(Model):
    """The whole file; empty where there is none."""

    title: str = ""
    roles: Roles | None = None


def own_settings(file: Path) -> OwnSettings:
    """Read it.

    :raises BadSettings: it is not YAML, or a value cannot be.
    """
    try:
        values: Any = yaml.safe_load(file.read_text()) if file.is_file() else None
        return OwnSettings.model_validate({} if values is None else values)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadSettings(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "the file"
        allowed = first["msg"].removeprefix("Value error, ")
        raise BadSettings(f"{file}: {name} is {first['input']!r}; allowed: {allowed}") from None
