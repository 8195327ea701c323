"""Write the pages that say what the code says: docs/tasks, docs/settings.md and docs/schemas.

`make docs` writes them; a test refuses a page that is not what this would write.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from invoke.parser.argument import Argument
from invoke.tasks import Task
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import fabfile
import fabfile.documents
from fabfile.documents import Document
from fabfile.documents.plan import PlanDocument
from fabfile.settings import Settings
from fabfile.tasks_base import ALL_OR_NOTHING, OPTIONS

DOCS = Path(__file__).resolve().parent
TASKS, SETTINGS, SCHEMAS = "tasks", "settings.md", "schemas"
HEAD = "<!-- Made by `make docs` from the code: change it there. -->"

# The groups of settings that a task goes by, beside ssh, folders and compose, which all do.
EVERY = ("ssh", "folders", "compose")
GOES_BY: Mapping[str, tuple[str, ...]] = {
    "assess-infrastructure": ("public", "database", "limits", "deploy"),
    "run-migration": ("database", "migration"),
    "blue-green-deploy": (
        *("app", "source", "public", "nginx", "limits", "deploy", "canary", "meter"),
        *("notify", "report"),
    ),
    "validate-deployment": ("public", "validation", "expect", "sign_in", "limits"),
    "rollback": ("app", "public", "nginx", "database", "migration", "deploy", "meter"),
    "deploy": (
        *("app", "source", "public", "nginx", "database", "migration", "validation"),
        *("expect", "sign_in", "limits", "deploy", "canary", "meter", "notify", "report", "log"),
    ),
    "plan": (
        *("app", "source", "public", "nginx", "database", "migration", "validation"),
        *("sign_in", "limits", "deploy", "canary", "meter", "notify", "report"),
    ),
    "status": ("app", "look", "database", "public"),
    "releases": ("app", "deploy"),
    "backup": ("database", "deploy"),
    "backups": ("deploy",),
    "restore": ("database", "deploy"),
    "nginx": ("app", "nginx"),
    "init": (),
    "migrations": ("database", "migration"),
    "migration": ("database", "migration"),
    "lock.status": ("deploy",),
    "lock.release": ("deploy",),
    "logs": ("look",),
    "health": ("app", "public"),
    "ps": (),
    "users": ("database",),
    "timing": ("public", "look"),
    "stats": (),
    "psql": ("database",),
    "shell": (),
    "exec": (),
    "report": ("report",),
    "notify": ("notify",),
    "monitor": ("monitor", "public", "expect", "limits"),
    "doctor": ("app", "source", "public", "nginx", "database", "limits"),
    "setup": ("app", "limits"),
}


def tasks() -> dict[str, Task[Any]]:
    """Every task of the library, by the name that it is called by."""
    found = dict(fabfile.ns.tasks)
    for name, collection in fabfile.ns.collections.items():
        found |= {f"{name}.{inner}": task for inner, task in collection.tasks.items()}
    return found


@functools.cache
def arguments(task: Task[Any]) -> tuple[Argument, ...]:
    """A task's options. Invoke forgets their help once it was asked for them."""
    return tuple(task.get_arguments())


def pages() -> dict[str, str]:
    """Every page, by its path below docs/."""
    written = {f"{TASKS}/{name}.md": _task(name, task) for name, task in tasks().items()}
    written[f"{TASKS}/README.md"] = _index()
    written[SETTINGS] = _settings()
    for name, document in documents().items():
        written[f"{SCHEMAS}/{name}.json"] = _schema(document)
    return written


@functools.cache
def documents() -> dict[str, type[Document]]:
    """Each document that is no part of another, by file name: the command's that prints it."""
    found: list[type[Document]] = []
    for module in pkgutil.iter_modules(fabfile.documents.__path__):
        here = importlib.import_module(f"fabfile.documents.{module.name}")
        found += [
            value
            for value in vars(here).values()
            if inspect.isclass(value) and issubclass(value, Document)
            if value.__module__ == here.__name__
        ]
    schemas = [document.model_json_schema(mode="serialization") for document in found]
    parts = {name for schema in schemas for name in schema.get("$defs", {})}
    whole = [one for one in found if one.command or one.__name__ not in parts]
    return {_file_name(one.command or one.__name__.lower()): one for one in whole}


def printed_by(name: str) -> dict[str, str]:
    """A task's documents: the file's name of each by the command that prints it."""
    found = {
        one.command: file
        for file, one in documents().items()
        if one.command.partition(" ")[0] == name
    }
    if any(one.name == "plan" for one in arguments(tasks()[name])):
        found[f"{name} --plan"] = PlanDocument.command
    return found


def _file_name(command: str) -> str:
    """`report --list` as report-list."""
    return command.replace(" --", "-")


# -- a task ------------------------------------------------------------------------------------


def _task(name: str, task: Task[Any]) -> str:
    own, common = _options(task)
    lines = [HEAD, "", f"# {name}", ""]
    if task.aliases:
        lines += [f"Also: {', '.join(f'`{alias}`' for alias in task.aliases)}.", ""]
    lines += [inspect.cleandoc(task.__doc__ or ""), "", "```", *_usage(name, own), "```", ""]
    if own:
        lines += ["| option | what it is for |", "|---|---|"]
        lines += [f"| {_spelled(one)} | {_cell(one.help or '')} |" for one in own]
        lines.append("")
    if found := printed_by(name):
        links = (f"[`{c} --json`](../{SCHEMAS}/{file}.json)" for c, file in found.items())
        lines += [f"The schema of what it prints: {', '.join(links)}.", ""]
    groups = ", ".join(f"[`{g}`](../{SETTINGS}#{g})" for g in (*EVERY, *GOES_BY[name]))
    lines += [
        f"With {', '.join(_spelled(one) for one in common)}: "
        "[what every task takes](README.md#options-of-every-task).",
        "",
        f"Settings that it goes by: {groups}.",
    ]
    return "\n".join(lines) + "\n"


def _options(task: Task[Any]) -> tuple[list[Argument], list[Argument]]:
    """The task's own, and those that every task has."""
    common = {*OPTIONS, "all-or-nothing"}
    given = arguments(task)
    own = [one for one in given if one.name not in common]
    return own, [one for one in given if one.name in common]


def _usage(name: str, own: list[Argument]) -> list[str]:
    positional = " ".join(str(one.name).upper() for one in own if one.positional)
    optional = " [options]" if any(not one.positional for one in own) else ""
    rest = f"{optional} {positional}".rstrip()
    return [f"fab -H user@host {name}{rest}", f"invoke {name}{rest}"]


def _spelled(one: Argument) -> str:
    if one.positional:
        return f"`{str(one.name).upper()}`"
    long = next(name for name in one.names if len(name) > 1)
    value = "" if one.kind is bool else f"={long.upper()}"
    shorts = [f"`-{short}`" for short in one.names if len(short) == 1]
    return ", ".join([f"`--{long}{value}`", *shorts])


def _index() -> str:
    lines = [HEAD, "", "# The tasks", "", "| task | what it does |", "|---|---|"]
    for name, task in tasks().items():
        first = inspect.cleandoc(task.__doc__ or "").splitlines()[0]
        lines.append(f"| [{name}]({name}.md) | {_cell(first)} |")
    lines += ["", "## Options of every task", "", "| option | what it is for |", "|---|---|"]
    for name, (kind, text) in OPTIONS.items():
        lines.append(f"| {_spelled(Argument(name=name, kind=kind))} | {_cell(text)} |")
    changes = f"{_cell(ALL_OR_NOTHING)} (tasks that move visitors)"
    lines.append(f"| `--all-or-nothing` | {changes} |")
    return "\n".join(lines) + "\n"


# -- settings ----------------------------------------------------------------------------------


def _settings() -> str:
    lines = [
        *(HEAD, "", "# The settings", ""),
        "They stand under `site:` in a YAML file (`fab -f FILE`), in the environment "
        "(`DEPLOY_LIMITS__RESPONSE_SECONDS=3`) and behind `--set limits.response_seconds=3`.",
        "",
    ]
    top = {n: f for n, f in Settings.model_fields.items() if not _group(f)}
    lines += _table("", top)
    for name, field in Settings.model_fields.items():
        if group := _group(field):
            lines += [f"## {name}", "", inspect.cleandoc(group.__doc__ or ""), ""]
            lines += _table(f"{name}.", group.model_fields)
            for inner, entry in _entries(group):
                lines += [f"Each of `{name}.{inner}`: {inspect.cleandoc(entry.__doc__ or '')}", ""]
                lines += _table("", entry.model_fields)
    return "\n".join(lines).rstrip() + "\n"


def undescribed(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The settings that do not say what they mean."""
    for name, field in model.model_fields.items():
        if group := _group(field):
            yield from undescribed(group, f"{prefix}{name}.")
        elif not field.description:
            yield f"{prefix}{name}"
    for name, entry in _entries(model):
        yield from undescribed(entry, f"{prefix}{name}: ")


def _group(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if inspect.isclass(kind) and issubclass(kind, BaseModel) else None


def _entries(group: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The settings that are a list or a mapping of models, each with that model."""
    for name, field in group.model_fields.items():
        for part in get_args(field.annotation):
            if inspect.isclass(part) and issubclass(part, BaseModel):
                yield name, part


def _table(prefix: str, fields: Mapping[str, FieldInfo]) -> list[str]:
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in _flat(prefix, fields):
        meaning = _cell(field.description or "")
        lines.append(f"| `{name}` | {_default(field)} | {meaning} |")
    return [*lines, ""]


def _flat(prefix: str, fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, FieldInfo]]:
    """The settings by their whole name, those of a group within a group too."""
    for name, field in fields.items():
        if group := _group(field):
            yield from _flat(f"{prefix}{name}.", group.model_fields)
        else:
            yield f"{prefix}{name}", field


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = _plain(field.get_default(call_default_factory=True))
    if value in (None, "", [], {}):
        return "empty"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{_cell(text)}`"


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


# -- schemas -----------------------------------------------------------------------------------


def _schema(document: type[Document]) -> str:
    schema = document.model_json_schema(mode="serialization")
    for model in (schema, *schema.get("$defs", {}).values()):
        _describe(model)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _describe(model: dict[str, Any]) -> None:
    """What a docstring says of a field belongs to the field."""
    text, *fields = re.split(r"^:param (\w+): ", model.get("description", ""), flags=re.MULTILINE)
    for name, words in zip(fields[::2], fields[1::2], strict=True):
        model["properties"][name]["description"] = " ".join(words.split())
    if fields:
        model["description"] = text.strip()


# -- writing -----------------------------------------------------------------------------------


def outdated() -> Iterator[str]:
    """What is not on disk as it should be: a page that differs, is missing, or is left over."""
    wanted = pages()
    for path, text in wanted.items():
        file = DOCS / path
        if not file.is_file() or file.read_text() != text:
            yield path
    for folder in (TASKS, SCHEMAS):
        for file in sorted((DOCS / folder).glob("*")):
            path = str(file.relative_to(DOCS))
            if path not in wanted:
                yield path


def main() -> None:
    """Write every page, and remove those that nothing stands behind any more."""
    wanted = pages()
    for path in list(outdated()):
        file = DOCS / path
        if path not in wanted:
            file.unlink()
            print(f"removed docs/{path}")
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted[path])
        print(f"wrote docs/{path}")


if __name__ == "__main__":
    main()
