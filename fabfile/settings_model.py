"""What every group of settings is: frozen, strict, without unknown names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from typing_extensions import Self


def plain(value: Any) -> Any:
    """Mappings of any kind as dicts, and lists as tuples: the types are strict."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return tuple(plain(entry) for entry in value)
    return value


class Model(BaseModel):
    # Strict: `port: true` is no 1, and `port: "80"` no number.
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, strict=True, allow_inf_nan=False
    )

    def __deepcopy__(self, memo: object = None) -> Self:
        """Invoke copies what a task is called with; what is frozen needs no copy."""
        return self

    @model_validator(mode="before")
    @classmethod
    def reads_lists(cls, values: Any) -> Any:
        return plain(values)
