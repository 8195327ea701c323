"""Every setting there is, found by walking the model: a new one is in the tests by itself."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fabfile.settings import Settings
from fabfile.settings_types import Kind

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Setting:
    """One place where a value stands, also inside of a list or a mapping.

    :param keys: below `site:`; in a list the first place, in a mapping a key that is allowed.
    :param metadata: what stands beside its type.
    :param nullable: null is allowed.
    """

    keys: Keys
    type: Any
    metadata: tuple[Any, ...]
    nullable: bool = False

    @property
    def name(self) -> str:
        return ".".join(map(str, ("site", *self.keys)))

    @property
    def kind(self) -> Kind | None:
        return next((one for one in self.metadata if isinstance(one, Kind)), None)

    def bound(self, which: type[Any], attribute: str) -> Any:
        found = (getattr(one, attribute) for one in self.metadata if isinstance(one, which))
        return next(found, None)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest number that are allowed."""
        above = self.bound(Gt, "gt")
        least = self.bound(Ge, "ge") if above is None else above + 1
        return least or 0, self.bound(Le, "le")

    @property
    def bad_values(self) -> list[Any]:
        """Values of the wrong type, empty, out of range, or with what no shell should meet."""
        bad: list[Any] = [{"no": "such"}] if get_origin(self.type) is not dict else ["text", [1]]
        if isinstance(self.type, type) and issubclass(self.type, BaseModel):
            bad = ["text", 7, ["a"]]
        if not self.nullable:
            bad.append(None)
        if get_origin(self.type) is tuple:
            bad += ["text", 7] + ([[]] if self.bound(MinLen, "min_length") else [])
        if self.type is str:
            bad += [7, True, ["a"], "line\nline", "bell\x07", "nul\0", "esc\x1b[1m"]
            takes_none = self.nullable or getattr(self.kind, "empty", False)
            if not takes_none and self.kind and not self._takes(""):
                bad.append("")
        if self.type is bool:
            bad += ["true", 1, ""]
        if self.type in (int, float):
            bad += ["7", "", True, float("nan"), float("inf"), [1]]
            least, above = self.bound(Ge, "ge"), self.bound(Gt, "gt")
            bad += [] if least is None else [least - 1]
            bad += [] if above is None else [above]
            most = self.bound(Le, "le")
            bad += [] if most is None else [most + 1, 10**30]
        if self.type is int:
            bad.append(1.5)
        return bad

    def _takes(self, value: str) -> bool:
        try:
            assert self.kind
            self.kind._refuse(value)
        except ValueError:
            return False
        return True


def settings() -> list[Setting]:
    """Sections, settings, and what is inside of lists and mappings."""
    return list(_fields(Settings, ()))


def _fields(model: type[BaseModel], above: Keys) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        yield from _places(field.annotation, field.metadata, (*above, name))


def _places(annotation: Any, metadata: list[Any], keys: Keys) -> Iterator[Setting]:
    nullable = False
    if get_origin(annotation) in (Union, types.UnionType):
        [annotation] = [part for part in get_args(annotation) if part is not type(None)]
        nullable = True
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = [*metadata, *more]
    flat = [
        one
        for entry in metadata
        for one in (entry.metadata if isinstance(entry, FieldInfo) else [entry])
    ]
    yield Setting(keys, annotation, tuple(flat), nullable)
    inner = get_args(annotation)
    if get_origin(annotation) is tuple:
        yield from _places(inner[0], [], (*keys, 0))
    if get_origin(annotation) is dict:
        yield from _places(inner[1], [], (*keys, "/key" if "pages" in keys else "KEY"))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _fields(annotation, keys)
