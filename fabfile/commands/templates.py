"""Rendering: Jinja2, strict about names. Pure: text in, text out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from ..errors import BadSettings

FOLDER = Path(__file__).resolve().parents[2] / "templates"


def render(name: str, values: dict[str, Any]) -> str:
    """Render a template of `templates/`, or of a path of the user's own.

    :raises BadSettings: there is no such template, or it uses a name that is not given.
    """
    path = Path(name) if "/" in name else FOLDER / name
    if not path.is_file():
        raise BadSettings(f"no such template: {path}")
    # Configuration files, not HTML: nothing is escaped here, values are validated as settings.
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    try:
        return environment.from_string(path.read_text()).render(values)
    except jinja2.TemplateError as error:
        raise BadSettings(f"template {path}: {error}") from None
