"""Rendering: Jinja2, strict about names. Pure: text in, text out."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

FOLDER = Path(__file__).resolve().parents[2] / "templates"


class BadTemplate(Exception):
    """What is wrong with a template, in one line."""


def render(name: str, values: dict[str, Any]) -> str:
    """Render a template of `templates/`, or of a path of the user's own.

    :raises BadTemplate: it is not there, is no template, or uses a name that is not given.
    """
    path = Path(name).expanduser() if "/" in name else FOLDER / name
    try:
        return _compiled(path.read_text(encoding="utf-8")).render(values)
    except OSError as error:
        raise BadTemplate(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadTemplate(f"{path} is not UTF-8") from None
    except jinja2.TemplateSyntaxError as error:
        raise BadTemplate(f"{path}:{error.lineno}: {error.message}") from None
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise BadTemplate(f"{path}: {error}") from None


@lru_cache(maxsize=32)
def _compiled(text: str) -> jinja2.Template:
    """Kept by its text: a run renders the same few again and again."""
    # Configuration files, not HTML: nothing is escaped here, values are validated as settings.
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["line"] = _line
    environment.policies["json.dumps_kwargs"]["default"] = str  # refuses a name that is not given
    return environment.from_string(text)


def _line(value: object) -> str:
    """A value in a comment, which nothing in it can end."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))
