"""A settings file as text: whether it is one at all, and on which line each setting stands.

Invoke merges the files and keeps no lines; YAML itself takes the last of two keys without a word.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from .errors import BadSettings, DeployError, WrongSetting

Keys = tuple[str | int, ...]
SUFFIXES = (".yaml", ".yml")
MOST_VALUES = 10_000  # with every alias written out


class SettingsFile:
    """One file, read and held against what every settings file must be.

    :raises BadSettings: it cannot be read, is no YAML, no mapping, or says something twice.
    """

    def __init__(self, path: Path) -> None:
        self.name = _short(path)
        if path.suffix not in SUFFIXES:
            raise BadSettings(
                f"{self.name}: not the name of a settings file; allowed: a name that ends in "
                f"{' or '.join(SUFFIXES)}"
            )
        try:
            document = _Checked(self._text(path), self.name)
        except yaml.YAMLError as error:
            raise BadSettings(_explained(error, self.name)) from None
        if not isinstance(document.value, dict):
            found = "empty" if document.value is None else f"no mapping: {document.value!r:.40}"
            raise BadSettings(f"{self.name} is {found}; allowed: `site:` with settings below it")
        self._root = document.node
        self.values: dict[str, Any] = document.value

    def find(self, keys: Keys) -> tuple[int, int]:
        """Go down to a setting as far as the file has it.

        :returns: how many of the keys were found, and the line of the last one; (0, 1) for none.
        """
        node, found, line = self._root, 0, 1
        for key in keys:
            if isinstance(node, yaml.MappingNode):
                # The last: what a merge key brings stands before the mapping's own.
                pairs = [pair for pair in node.value if pair[0].value == str(key)]
                if not pairs:
                    break
                line, node = _line(pairs[-1][0]), pairs[-1][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
                node = node.value[key]
                line = _line(node)
            else:
                break
            found += 1
        return found, line

    def at(self, keys: Keys) -> str:
        """`invoke.yaml:12`: where a setting stands, or the nearest above it."""
        return f"{self.name}:{self.find(keys)[1]}"

    def _text(self, path: Path) -> str:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadSettings(
                f"{self.name}: cannot be read: {error.strerror}",
                next_command="name a settings file that is there and that you may read",
            ) from None
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise BadSettings(f"{self.name}:{line}: not UTF-8; allowed: text in UTF-8") from None


class Origins:
    """Where each value came from.

    :param files: the file that counts first, first.
    """

    def __init__(self, files: Sequence[SettingsFile] = ()) -> None:
        self.files = files
        self.assigned: dict[Keys, str] = {}  # keys below `site:`, and what a person typed
        self._own: tuple[Keys, Any] = ((), {})  # of one server: where it stands, and what it is

    def __deepcopy__(self, memo: object) -> Origins:
        """Invoke copies what a task is called with; a command's settings come from one place."""
        return self

    def lay_over(self, keys: Keys, own: Any) -> None:
        """Learn that what stands at these keys was laid over the site's settings."""
        self._own = (keys, own)

    def real(self, keys: Keys) -> Keys:
        """Where a setting's value stands: at its own keys, or at those of the server."""
        above, own = self._own
        for part in keys if keys not in self.assigned else ():
            if not isinstance(own, dict):
                break  # a part of a list, which is the server's as a whole
            if part not in own:
                return keys
            own = own[part]
        return (*above, *keys) if keys and keys not in self.assigned else keys

    @property
    def name(self) -> str:
        """Of the file that counts first."""
        return self.files[0].name if self.files else "invoke.yaml"

    def of(self, *settings: Keys) -> str:
        """`invoke.yaml:12`, `DEPLOY_APP__PORT` or `--set app.port`.

        :param settings: each by its keys below `site:`; the first that somebody has set decides.
        """
        return next(filter(None, map(self._exactly, settings)), None) or self._nearby(settings[0])

    def explain(self, error: DeployError) -> None:
        """Put in front of what was found wrong with a setting where its value came from."""
        if isinstance(error, WrongSetting):
            parts = error.setting.split(".")
            keys = tuple(int(part) if part.isdecimal() else part for part in parts)
            error.reason = f"{self.of(keys)}: {error.reason}"

    def _exactly(self, keys: Keys) -> str | None:
        keys = self.real(keys)
        for name, typed in reversed(self.assigned.items()):
            if keys[: len(name)] == name:
                return typed
        # A list counts whole: what it lacks is not to be had from a file below.
        names = tuple(itertools.takewhile(lambda key: isinstance(key, str), keys))
        for file in self.files:
            if file.find(("site", *names))[0] == len(names) + 1:
                return file.at(("site", *keys))
        return None

    def _nearby(self, keys: Keys) -> str:
        for name, typed in reversed(self.assigned.items()):
            if name[: len(keys)] == keys:
                return typed
        finds = [(*file.find(("site", *keys)), file.name) for file in self.files]
        # The deepest; of several, the file that counts first.
        found, line, file = max(finds, key=lambda find: find[0], default=(0, 0, self.name))
        return f"{file}:{line}" if found else file


@functools.cache
def settings_file(path: Path) -> SettingsFile:
    """A settings file, read once.

    :raises BadSettings: see SettingsFile.
    """
    return SettingsFile(path)


def read_value(text: str, origin: str) -> Any:
    """The value of an override, as YAML; what is no YAML is the text itself.

    :param origin: what a person typed, for messages.
    :raises BadSettings: it is a value that no setting can have.
    """
    if not text:
        return ""
    try:
        return _Checked(text, origin).value
    except yaml.YAMLError:
        return text


def dotted(keys: Keys) -> str:
    """A setting's name; keys that are odd are shown as they are spelled."""
    return ".".join(key if str(key).isprintable() else repr(key) for key in map(str, keys))


class _Checked:
    """One YAML document, without what YAML lets pass and nobody means.

    :param name: of the file or the option, for messages.
    :raises BadSettings: a key twice, a key that is no text, a value that holds itself.
    :raises yaml.YAMLError: it is no YAML.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._sizes: dict[int, int] = {}
        loader = yaml.SafeLoader(text)  # libyaml's dies of deep nesting
        try:
            self.node: yaml.Node | None = loader.get_single_node()
            if self.node is not None:
                self._check(self.node, (), ())
            # Also puts into a mapping's node what its merge keys (`<<`) bring.
            self.value = None if self.node is None else loader.construct_document(self.node)
        except (ValueError, OverflowError) as error:  # a 99th of May, a number without end
            raise BadSettings(f"{name}: not a value that YAML knows: {error}") from None
        except RecursionError:
            raise BadSettings(f"{name}: nested far too deeply") from None
        finally:
            loader.dispose()

    def _check(self, node: yaml.Node, path: Keys, above: tuple[int, ...]) -> int:
        """See to one node and all below it.

        :param above: the nodes that it is in.
        :returns: how many values it is, with every alias written out.
        """
        if id(node) in above:
            raise self._bad(node, f"{dotted(path)} holds itself; allowed: aliases of other values")
        if id(node) not in self._sizes:
            size = 1
            for key, below in self._children(node, path):
                size += self._check(below, (*path, key), (*above, id(node)))
            if size > MOST_VALUES:
                raise self._bad(node, f"too large: more than {MOST_VALUES} values")
            self._sizes[id(node)] = size
        return self._sizes[id(node)]

    def _children(self, node: yaml.Node, path: Keys) -> Iterator[tuple[str | int, yaml.Node]]:
        if isinstance(node, yaml.SequenceNode):
            yield from enumerate(node.value)
        if not isinstance(node, yaml.MappingNode):
            return
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _NAMES:
                spelled = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise self._bad(key, f"{dotted((*path, spelled))} is no name; write it in quotes")
            if key.value in lines:
                name = dotted((*path, key.value))
                raise self._bad(
                    key, f"{name} stands on line {lines[key.value]} too; allowed: each name once"
                )
            lines[key.value] = _line(key)
            yield key.value, value

    def _bad(self, node: yaml.Node, words: str) -> BadSettings:
        return BadSettings(f"{self.name}:{_line(node)}: {words}")


_NAMES = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _explained(error: yaml.YAMLError, name: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"{name}:{mark.line + 1}" if mark else name
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "no YAML"
    return f"{place}: not YAML: {problem}; allowed: names and values, indented with spaces"


def _short(path: Path) -> str:
    """The file as a person finds it; of a link, the file that it leads to."""
    real = path.expanduser().resolve()
    here = Path.cwd()
    return str(real.relative_to(here) if real.is_relative_to(here) else real)
