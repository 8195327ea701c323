"""Whatever the names and values: settings load or are refused, and a value is one argument."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import fabfile.commands
from fabfile.commands import compose, docker, nginx, postgres
from fabfile.errors import BadSettings
from fabfile.server.compose import Compose
from fabfile.server.connection import Server
from fabfile.settings import Settings, load
from fabfile.settings_file import read_value
from tests.settings_walk import Setting
from tests.settings_walk import settings as walked

QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
# What ends a word, a directive, a quotation or a line somewhere, and what begins an option.
NASTY = st.text("aZ0 _-./:@=,;#{}()[]$`'\"\\|&<>*?~!%+^\n\t\r\x1b é\u2028", max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | NASTY
    | st.dates()
    | st.binary(max_size=4)
)
YAML_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.integers(), inner),
    max_leaves=6,
)


def nested(setting: Setting, value: Any) -> Any:
    for key in reversed(setting.keys):
        value = [value] if isinstance(key, int) else {key: value}
    return value


def merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


# -- the settings ------------------------------------------------------------------------------

ALL = walked()


@QUICK
@given(st.lists(st.tuples(st.sampled_from(ALL), YAML_VALUES), min_size=1, max_size=3))
def test_any_value_anywhere_loads_or_is_refused_in_one_line(
    chosen: list[tuple[Setting, Any]],
) -> None:
    section: Any = {}
    for setting, value in chosen:
        section = merged(section, nested(setting, value))
    _loads_or_is_refused(section)


@QUICK
@given(st.dictionaries(st.sampled_from(list(Settings.model_fields)) | TEXT, YAML_VALUES))
def test_any_section_loads_or_is_refused_in_one_line(section: Any) -> None:
    _loads_or_is_refused(section)


@QUICK
@given(st.sampled_from(ALL), TEXT | NASTY)
def test_any_override_loads_or_is_refused_in_one_line(setting: Setting, text: str) -> None:
    names = ".".join(map(str, setting.keys))
    try:
        chosen = load({}, assignments=[f"{names}={text}"])
    except BadSettings as error:
        assert error.reason.isprintable()
    else:
        assert chosen == load(chosen.model_dump(mode="json"))


@QUICK
@given(TEXT | NASTY)
def test_any_text_of_an_override_is_a_value_or_refused(text: str) -> None:
    try:
        read_value(text, "--set name")
    except BadSettings as error:
        assert error.reason.startswith("--set name: ") or error.reason.startswith("--set name:1")


def _loads_or_is_refused(section: Any) -> None:
    try:
        chosen = load(section)
    except BadSettings as error:
        assert error.exit_code == 2
        lines = [error.reason, *error.evidence.splitlines()]
        assert all(line.isprintable() for line in lines)
        assert len(lines) <= 6
    else:
        assert load(yaml.safe_load(yaml.safe_dump(chosen.model_dump(mode="json")))) == chosen


# -- the builders ------------------------------------------------------------------------------


NO_COMMANDS = {nginx.carried_over, compose.images_of}  # what they list are no arguments


def builders() -> Iterator[Any]:
    """Every public function of commands/ that makes an argument list."""
    for found in pkgutil.iter_modules(fabfile.commands.__path__):
        module = importlib.import_module(f"fabfile.commands.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if not own or function in NO_COMMANDS:
                continue
            if get_type_hints(function)["return"] == list[str]:
                yield pytest.param(function, id=f"{found.name}.{name}")


BUILDERS = list(builders())
# Where a value that stands alone comes from, so that it never begins with `-`: a name that the
# settings refuse such a start, an id or a name that the engine has, or a fixed word of ours.
NEVER_AN_OPTION = {
    "name": "a container: Docker's own rule",
    "names": "containers or images: Docker's own rule",
    "new_name": "app.container",
    "container": "a container: Docker's own rule",
    "image": "source.image, or an id",
    "repository": "app.image",
    "context": "folders, absolute",
    "path": "folders, absolute",
    "service": "compose.app and a colour",
    "user": "ssh.host, or who is signed in there",
    "argv": "the caller's own words, of which the first is a program",
    "compose": "docker compose or docker-compose",
}
TAKES_A_VALUE = {
    *("--tag", "--file", "--build-arg", "--label", "--filter", "--time", "--tail", "--since"),
    *("--volumes-from", "--network", "--volume", "--entrypoint", "--type", "--format"),
    *("--project-name", "--project-directory", "--profile", "-U", "-d"),
    *("--groups", "-m", "-o", "-g"),
}


class Values:
    """Arguments for a builder by the annotation of each parameter, and which text is whose."""

    def __init__(self, function: Callable[..., list[str]], text: Callable[[str], str]) -> None:
        self.given: dict[str, str] = {}  # the text, and the parameter that it is for
        self._text = text
        self.positional: list[Any] = []
        self.named: dict[str, Any] = {}
        hints = get_type_hints(function)
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                self.positional += [self._new(name), self._new(name)]
            elif parameter.kind is parameter.KEYWORD_ONLY:
                self.named[name] = self._value(hints[name], name)
            else:
                self.positional.append(self._value(hints[name], name))

    def _new(self, name: str) -> str:
        text = self._text(f"{len(self.given)}")
        self.given[text] = name
        return text

    def _value(self, hint: Any, name: str) -> Any:
        if type(None) in get_args(hint):
            hint = next(part for part in get_args(hint) if part is not type(None))
        if hint is str:
            return self._new(name)
        if hint is bool:
            return True
        if hint in (int, float):
            return 7
        if get_origin(hint) is Literal:
            return get_args(hint)[-1]
        if get_origin(hint) is Sequence:
            return [self._new(name), self._new(name)]
        assert get_origin(hint) is Mapping, f"no strategy for {name}: {hint}"
        return {self._new(name): self._new(name)}


def test_the_builders_of_every_module_are_found() -> None:
    names = {builder.id for builder in BUILDERS}
    assert {"docker.build", "compose.up_one", "postgres.psql"} <= names
    assert len(names) >= 25


@pytest.mark.parametrize("function", BUILDERS)
@QUICK
@given(data=st.data())
def test_whatever_the_values_each_reaches_the_shell_inside_of_one_argument(
    function: Callable[..., list[str]], data: st.DataObject
) -> None:
    values = Values(function, lambda mark: f"{data.draw(NASTY | TEXT)}«{mark}»")
    plain = Values(function, lambda mark: f"value{mark}")
    argv = function(*values.positional, **values.named)
    model = function(*plain.positional, **plain.named)
    assert shlex.split(shlex.join(argv)) == argv
    assert len(argv) == len(model)  # no value makes or takes away an argument
    for mark, (text, simple) in enumerate(zip(values.given, plain.given, strict=True)):
        places = [n for n, argument in enumerate(model) if simple in argument]
        assert places, f"{simple} is not used"
        for place in places:
            assert f"«{mark}»" in argv[place]
            assert text in argv[place] or _is_connection(argv[place])
    others = [n for n, argument in enumerate(model) if not any(s in argument for s in plain.given)]
    assert [argv[n] for n in others] == [model[n] for n in others]


def _is_connection(argument: str) -> bool:
    return argument.startswith("dbname='")


@pytest.mark.parametrize("function", BUILDERS)
def test_no_value_begins_an_option(function: Callable[..., list[str]]) -> None:
    values = Values(function, lambda mark: f"-x{mark}")
    argv = function(*values.positional, **values.named)
    ours = argv[: argv.index("sh")] if "sh" in argv else argv  # behind it, another's arguments
    for place, argument in enumerate(ours):
        owner = next((name for text, name in values.given.items() if argument == text), None)
        if owner is None or "--" in argv[:place] or argv[place - 1] in TAKES_A_VALUE:
            continue
        assert owner in NEVER_AN_OPTION, f"{argument} of {owner} would be read as an option"


@pytest.mark.parametrize(
    "setting",
    [
        "app.container",
        "app.image",
        "source.image",
        "source.revision",
        "compose.app",
        "compose.nginx",
        "compose.database",
        "compose.project",
        "folders.project",
        "folders.state",
        "folders.backups",
    ],
)
@QUICK
@given(text=NASTY)
def test_what_would_begin_an_option_is_refused_by_the_settings(setting: str, text: str) -> None:
    with pytest.raises(BadSettings):
        load({}, assignments=[f"{setting}=-{text}"])


@QUICK
@given(NASTY | TEXT)
def test_a_database_whose_name_looks_like_a_connection_is_still_a_name(name: str) -> None:
    argv = postgres.psql("db", user="u", database=f"postgres://{name}=")
    assert argv[-1].startswith("dbname='") and argv[-1].endswith("'")
    inner = argv[-1].removeprefix("dbname='").removesuffix("'")
    assert not re.search(r"(?<!\\)(?:\\\\)*'", inner)
    assert re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) == f"postgres://{name}="


# -- what is rendered --------------------------------------------------------------------------

COMPOSE_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | NASTY, inner, max_size=3),
    max_leaves=5,
)


@QUICK
@given(
    service=st.dictionaries(TEXT, COMPOSE_VALUES, max_size=3),
    names=st.lists(NASTY | TEXT, min_size=7, max_size=7),
    environment=st.none() | st.dictionaries(TEXT, TEXT | NASTY, max_size=3),
    labels=st.dictionaries(TEXT, TEXT | NASTY, max_size=3),
    volumes=st.dictionaries(TEXT, COMPOSE_VALUES, max_size=2),
)
def test_an_override_is_read_back_with_exactly_the_values_that_were_given(
    service: dict[str, Any],
    names: list[str],
    environment: dict[str, str] | None,
    labels: dict[str, str],
    volumes: dict[str, Any],
) -> None:
    app, project, file, colour, release, container, image = names
    own = ("labels", "networks", "build", "container_name", "depends_on", "hostname", "links")
    service = {k: v for k, v in service.items() if k not in (*own, "ports", "profiles")}
    text = compose.override(
        yaml.safe_dump({"services": {app: service}, "volumes": volumes, "version": "3.8"}),
        app,
        project=project,
        file_names=[file],
        colour=colour,
        release=release,
        container=container,
        image=image,
        host_port=3001,
        port=3000,
        labels=labels,
        environment=environment,
    )
    expected = service | {
        "container_name": container,
        "image": image,
        "labels": labels,
        "ports": ["127.0.0.1:3001:3000"],
    }
    if environment is not None:  # Compose reads `$$` as a dollar
        expected["environment"] = {k: v.replace("$", "$$") for k, v in environment.items()}
    document = yaml.safe_load(text)
    assert document.pop("volumes", {}) == volumes
    assert document == {"version": "3.8", "services": {f"{app}-{colour}": expected}}
    assert compose.labels_of(text) == labels


# Beside nginx's own settings, these stand in its configuration.
BESIDE = ("site.app.container", "site.app.port", "site.app.health_path", "site.public.domain")
NEAR_PATHS = NASTY.map(lambda text: f"/{text}")


def right_values(setting: Setting) -> st.SearchStrategy[Any]:
    """Values that a setting of this kind may take, the odd ones first."""
    if setting.type in (int, float):
        least, most = setting.bounds
        return st.integers(int(least), int(most))
    pattern = setting.kind.pattern if setting.kind else ".*"
    near = NASTY | NEAR_PATHS
    return st.from_regex(pattern, fullmatch=True) | near if pattern != ".*" else near


RENDERED = [
    one
    for one in ALL
    if one.type in (int, float, str)
    and (one.keys[0] == "nginx" or one.name in BESIDE)
    and one.name != "site.nginx.template"
]


@QUICK
@given(data=st.data())
def test_no_setting_ends_a_directive_of_the_nginx_configuration(data: st.DataObject) -> None:
    section: Any = {}
    for setting in data.draw(st.lists(st.sampled_from(RENDERED), min_size=1, max_size=4)):
        section = merged(section, nested(setting, data.draw(right_values(setting))))
    try:
        chosen = load(section)
    except BadSettings:
        assume(False)
    tame = _tame(chosen)
    for manage in ("whole", "upstream"):
        assert _structure(_rendered(chosen, manage)) == _structure(_rendered(tame, manage))


@QUICK
@given(st.lists(NEAR_PATHS | st.sampled_from(["/", "/api/"]), max_size=3))
def test_no_rate_limit_ends_a_directive_either(paths: list[str]) -> None:
    limits = [{"path": path, "requests_per_second": 3, "burst": 5} for path in paths]
    try:
        chosen = load({"nginx": {"rate_limits": limits}})
    except BadSettings:
        assume(False)
    assert _structure(_rendered(chosen)) == _structure(_rendered(_tame(chosen)))


def _rendered(chosen: Settings, manage: str = "whole") -> str:
    update = {"nginx": chosen.nginx.model_copy(update={"manage": manage})}
    return nginx.configuration(
        chosen.model_copy(update=update),
        colour="green",
        release="20240828-143000",
        container=chosen.app.container_of("green"),
        version=(1, 30, 6),
        former="upstream app { server app:3000; }",
    )


def _tame(chosen: Settings) -> Settings:
    """The shipped values, with as many limits and exemptions."""
    limits = [
        limit.model_copy(update={"path": limit.path if limit.path == "/" else f"/p{n}"})
        for n, limit in enumerate(chosen.nginx.rate_limits)
    ]
    exempt = ("127.0.0.1",) * len(chosen.nginx.limit_exempt)
    update = {"rate_limits": tuple(limits), "limit_exempt": exempt}
    return Settings(nginx=Settings().nginx.model_copy(update=update))


_TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]""", re.DOTALL)


def _structure(text: str) -> list[str]:
    """What opens, closes and ends in a configuration, outside of quotes and comments."""
    return [token for token in _TOKEN.findall(text) if token in "{};"]


# -- the whole way -----------------------------------------------------------------------------


@QUICK
@given(st.lists(NASTY | TEXT, min_size=1, max_size=5))
def test_what_is_sent_is_one_line_that_splits_into_the_arguments(argv: list[str]) -> None:
    sent, server = _server()
    server.run(argv)
    [line] = sent
    assert line.endswith(" </dev/null")
    assert shlex.split(line.removesuffix(" </dev/null")) == ["timeout", "-k", "5", "60", *argv]


@QUICK
@given(data=st.data())
def test_for_any_settings_that_load_every_command_of_them_is_one_line(data: st.DataObject) -> None:
    section: Any = {}
    texts = [one for one in ALL if one.type is str]
    for setting in data.draw(st.lists(st.sampled_from(texts), min_size=1, max_size=5)):
        section = merged(section, nested(setting, data.draw(right_values(setting))))
    try:
        chosen = load(section)
    except BadSettings:
        assume(False)
    source, app = chosen.source, chosen.app
    commands = [
        docker.build(
            chosen.folders.state,
            tag=f"{app.image}:1",
            dockerfile=source.dockerfile,
            arguments=source.build_args,
            labels={},
        ),
        docker.pull(source.image or "image"),
        docker.stop(app.container_of("blue"), app.stop_grace),
        Compose(("docker", "compose"), "2.26.1").of(chosen, chosen.compose.project or "p"),
    ]
    for argv in commands:
        sent, server = _server()
        server.run(argv)
        [line] = sent
        assert line.splitlines() == [line]
        assert shlex.split(line.removesuffix(" </dev/null"))[4:] == argv
        assert not [word for word in argv[2:] if word.startswith("-") and word not in KNOWN]


KNOWN = {"--force-rm", "--tag", "--file", "--build-arg", "--time"} | {
    "--project-name",
    "--project-directory",
    "--profile",
}


def _server() -> tuple[list[str], Server]:
    """A server that keeps what it is sent, and answers nothing."""
    sent: list[str] = []

    def run(line: str, **_: Any) -> SimpleNamespace:
        sent.append(line)
        return SimpleNamespace(stdout="", stderr="", exited=0)

    server = _SERVER
    session: Any = SimpleNamespace(
        is_connected=True, transport=None, turn=contextlib.nullcontext(), run=run
    )
    server.connection = session
    return sent, server


_SERVER = Server(load({"ssh": {"host": "nobody@127.0.0.1:9"}}))
