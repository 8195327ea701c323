"""What is wrong with a setting, and what is allowed, in words that a person can act on."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from .masking import without_paths
from .nearest import nearest
from .settings_file import Keys, Origins, dotted
from .settings_rules import Contradictions
from .settings_types import Kind

LONGEST = 80  # characters of a value that are shown
SECRET = "a secret, not shown"
MOST = 5  # errors that are listed
_SIMPLE = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def explain(error: ValidationError, model: type[BaseModel], origins: Origins) -> list[str]:
    """One line for each error, five at most: place, setting, value, what is allowed."""
    found: dict[str, None] = {}  # in order, each once
    for one in error.errors(include_url=False):
        contradictions = one.get("ctx", {}).get("error")
        if isinstance(contradictions, Contradictions):
            found |= dict.fromkeys(_contradicting(contradictions, origins))
        else:
            found[_line(one, model, origins)] = None
    lines = list(found)
    more = [f"… and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return lines[:MOST] + more


def shown(value: object) -> str:
    """A value as the settings file spells it, in one line and not too long."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = list(value)
    try:
        text = value.isoformat() if isinstance(value, date) else repr(value)
    except (ValueError, RecursionError):  # a number of more digits than Python writes
        text = "far too large"
    text = without_paths(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def allowed(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """What a type allows: the words of its kind, else read from the type and its bounds.

    :param metadata: what stands beside the type in `Annotated`, or in the field.
    """
    constraints = [
        constraint
        for entry in metadata
        for constraint in (entry.metadata if isinstance(entry, FieldInfo) else [entry])
    ]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return allowed(inner[0], [*inner[1:], *constraints])
    kind = next((c for c in constraints if isinstance(c, Kind)), None)
    if kind:
        return kind.words
    if origin in (Union, types.UnionType):
        some = [allowed(part, constraints) for part in inner if part is not type(None)]
        return "; or ".join([*some, *(["null"] if type(None) in inner else [])])
    if origin is Literal:
        return f"{', '.join(map(str, inner[:-1]))} or {inner[-1]}" if inner[1:] else str(inner[0])
    if origin is tuple:
        return f"a list, each {allowed(inner[0])}"
    if origin is dict:
        return f"names with values; a name: {allowed(inner[0])}; a value: {allowed(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"settings below it: {', '.join(annotation.model_fields)}"
    return _SIMPLE.get(annotation, "another value") + _bounds(constraints)


def allowed_at(model: type[BaseModel], keys: Keys) -> str:
    """What the setting at this place allows."""
    return allowed(*_type_at(model, keys))


def _bounds(constraints: list[Any]) -> str:
    least = next((c.ge for c in constraints if isinstance(c, Ge)), None)
    above = next((c.gt for c in constraints if isinstance(c, Gt)), None)
    most = next((c.le for c in constraints if isinstance(c, Le)), None)
    if least is not None:
        return f" from {least:g} to {most}" if most is not None else f", {least} or more"
    if above is not None:
        return f" above {above}" + (f", up to {most}" if most is not None else "")
    return f" up to {most}" if most is not None else ""


def _line(error: Any, model: type[BaseModel], origins: Origins) -> str:
    path = tuple(part for part in error["loc"] if part != "[key]")
    place, name = origins.of(path), dotted(("site", *origins.real(path)))
    if error["type"] == "extra_forbidden":
        return f"{place}: {name}: no such setting{_nearest(path, model)}"
    if error["type"] == "value_error" and isinstance(error["input"], Mapping):
        return f"{place}: {name}: {error['ctx']['error']}"
    own = str(error["ctx"]["error"]) if error["type"] == "value_error" else ""
    words = own or allowed_at(model, error["loc"])
    if error["type"] == "missing":
        return f"{place}: {name} is missing; allowed: {words}"
    value = error["input"]
    if error["type"] == "string_type" and isinstance(value, (bool, int, float, date)):
        words += ", in quotes"
    if error["type"] == "too_short":
        words += ", not empty"
    secret = any(isinstance(c, Kind) and c.secret for c in _type_at(model, error["loc"])[1])
    return f"{place}: {name} is {SECRET if secret else shown(value)}; allowed: {words}"


def _contradicting(error: Contradictions, origins: Origins) -> Iterator[str]:
    for names, values, words in error.found:
        said = (f"site.{name} is {shown(value)}" for name, value in zip(names, values, strict=True))
        place = origins.of(*(tuple(name.split(".")) for name in names))
        yield f"{place}: {' and '.join(said)}; allowed: {words}"


def _type_at(model: type[BaseModel], location: Keys) -> tuple[Any, list[Any]]:
    """The type that a value has at this place, and what stands beside it."""
    annotation: Any = model
    keys: Any = None
    metadata: list[Any] = []
    for part in location:
        while get_origin(annotation) in (Union, types.UnionType, Annotated):
            annotation = get_args(annotation)[0]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return None, []
            annotation, metadata = field.annotation, field.metadata
        elif part == "[key]":
            annotation, metadata = keys, []
        else:  # a list has one type inside, a mapping two
            keys, *_ = inner = get_args(annotation) or (None,)
            annotation, metadata = inner[-1 if get_origin(annotation) is dict else 0], []
    return annotation, metadata


def _nearest(path: Keys, model: type[BaseModel]) -> str:
    """The right name for a wrong one: of its neighbours, else of a setting anywhere."""
    wrong, parent = str(path[-1]), _type_at(model, path[:-1])[0]
    neighbours = list(getattr(parent, "model_fields", {}))
    if near := nearest(wrong, neighbours):
        return near
    elsewhere = {name.rpartition(".")[2]: name for name in _names(model, "site")}
    if found := difflib.get_close_matches(wrong, elsewhere, n=1, cutoff=0.8):
        return f"; did you mean {elsewhere[found[0]]}?"
    return f"; allowed: {', '.join(neighbours)}" if neighbours else ""


def _names(model: type[BaseModel], above: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{above}.{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{above}.{name}")
