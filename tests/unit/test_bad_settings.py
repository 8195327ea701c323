"""Every setting wrong in every way: one line with its place, name, value and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke.config import Config
from invoke.exceptions import Exit

from fabfile import preflight
from fabfile.errors import BadSettings
from fabfile.server.connection import Server
from fabfile.server.source import Source
from fabfile.settings import Settings, load
from fabfile.settings_file import Origins, SettingsFile
from fabfile.settings_words import SECRET, shown
from tests.programs import ROOT, Done, program
from tests.settings_walk import Keys, Setting, settings

# What is below a host's name is any other setting, laid over the site's.
ALL = [setting for setting in settings() if setting.keys[0] != "hosts"]
NOBODY = "ssh.host=nobody@127.0.0.1:9"
BY_PYDANTIC = re.compile(r"Input should|String should|Value error|valid (integer|number|string)")


def nested(keys: Keys, value: Any) -> Any:
    """The value below its keys, and beside it in a list's mapping what that needs."""
    for place in range(len(keys) - 1, -1, -1):
        key = keys[place]
        value = [value] if isinstance(key, int) else {key: value}
        if place and isinstance(keys[place - 1], int):
            value |= {name: given for name, given in needed(keys[:place]).items() if name != key}
    return {"site": value}


def needed(keys: Keys) -> dict[str, Any]:
    """The shipped defaults of a list's first mapping, or what one needs where none is shipped."""
    if keys in NEEDED:
        return NEEDED[keys]
    found: Any = Settings().model_dump(mode="json")
    for key in keys:
        found = found[key]
    return dict(found)


NEEDED: dict[Keys, dict[str, Any]] = {
    ("notify", "webhooks", 0): {"url": "env:HOOK"},
    ("hooks", 0): {"phase": "deploy", "when": "before", "run": "./x"},
}


def line_of(keys: Keys) -> int:
    """Where `nested` has it: a line a key, but `- name: value` is one."""
    shared = sum(isinstance(above, int) for above in keys[:-1])
    return 1 + len(keys) - shared


def refusal(path: Path, document: Any) -> BadSettings:
    path.write_text(yaml.safe_dump(document, sort_keys=False, width=10_000, allow_unicode=True))
    with pytest.raises(BadSettings) as caught:
        load(document["site"], origins=Origins([SettingsFile(path)]))
    return caught.value


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.name)
def test_a_wrong_value_is_one_line_with_file_line_name_value_and_what_is_allowed(
    setting: Setting, tmp_path: Path
) -> None:
    path = tmp_path / "site.yaml"
    for value in setting.bad_values:
        error = refusal(path, nested(setting.keys, value))
        start = f"{path}:{line_of(setting.keys)}: {setting.name}"
        assert error.exit_code == 2
        assert error.reason.startswith(start), value
        assert error.reason.isprintable(), value
        assert not BY_PYDANTIC.search(error.reason)
        # A mapping where a section is wanted is refused by the name of what is in it.
        if error.reason.startswith(f"{start}.no: no such setting"):
            continue
        said, _, allowed = error.reason.removeprefix(start).partition("; allowed: ")
        secret = setting.kind is not None and setting.kind.secret
        assert said == f" is {SECRET if secret else shown(value)}"
        assert allowed


@pytest.mark.parametrize(
    "setting", [one for one in ALL if one.keys[-1] not in (0, "KEY", "/key")], ids=lambda s: s.name
)
def test_a_name_with_a_slip_is_refused_with_the_right_one(setting: Setting, tmp_path: Path) -> None:
    *above, name = setting.keys
    wrong = (*above, f"{name}x")
    error = refusal(tmp_path / "site.yaml", nested(wrong, 1))
    lines = [error.reason, *error.evidence.splitlines()]
    where = f"{tmp_path}/site.yaml:{line_of(wrong)}: {setting.name}x: no such setting"
    assert f"{where}; did you mean {name}?" in lines


def test_a_section_of_every_kind_of_value_is_walked() -> None:
    """The walk that the tests above rely on sees what there is."""
    names = {setting.name for setting in ALL}
    assert {"site.app.port", "site.public.pages./key.status.0", "site.name"} <= names
    assert {"site.nginx.rate_limits.0.burst", "site.source.build_args.KEY"} <= names
    assert all(len(setting.bad_values) >= 2 for setting in ALL)


PATHS = [
    ("folders.project", "/srv/../etc"),
    ("folders.state", "/"),
    ("folders.backups", "relative"),
    ("folders.state", "/srv/a:b"),
    ("compose.files", "[../docker-compose.yml]"),
    ("compose.files", "[a.yml, /etc/docker-compose.yml]"),
    ("compose.env_file", "a/../../.env"),
    ("source.dockerfile", "../Dockerfile"),
    ("nginx.config", "/etc/nginx/../nginx.conf"),
    ("nginx.certificate", "/etc/x; }"),
    ("nginx.certificate_key", "/a b"),
    ("app.health_path", "/a{1}"),
    ("app.login_path", "login"),
]
NAMES = [
    ("app.container", "-v"),
    ("app.container", "a; rm -rf /"),
    ("app.container", "a" * 58),
    ("app.image", "Site"),
    ("app.image", "--all"),
    ("source.revision", "--upload-pack=x"),
    ("source.revision", "two words"),
    ("source.image", "-x"),
    ("compose.app", "--build"),
    ("compose.project", "-p"),
    ("ssh.host", "-oProxyCommand=x"),
    ("ssh.host", "u@"),
    ("ssh.host", "u@host:0"),
    ("ssh.host", "u@host:70000"),
    ("ssh.host", "u@host:port"),
    ("ssh.host", "u@a..b"),
    ("ssh.host", f"u@{'a' * 64}.org"),
    ("public.domain", "-x.org"),
    ("public.domain", "a.org; }"),
    ("public.connect", "host"),
    ("public.connect_http", "host:99999"),
    ("nginx.limit_exempt", "[10.0.0.0/99]"),
    ("nginx.limit_exempt", "[1.2.3.999]"),
    ("database.user_table", "é" * 32),
    ("source.build_args", "{A=B: x}"),
    ("public.pages", "{login: {}}"),
]


@pytest.mark.parametrize(("name", "value"), PATHS + NAMES)
def test_what_climbs_out_or_would_be_an_option_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=rf"^--set {name}: site\.{name}.*; allowed: "):
        load({}, assignments=[f"{name}={value}"])


@pytest.mark.parametrize(
    "value", ["", "u@host", "host:22", "u@host:22", "u@10.0.0.1", "u@::1", "deploy-1@a-b.example"]
)
def test_a_host_in_every_spelling_that_there_is(value: str) -> None:
    assert load({}, assignments=[f"ssh.host={value}"]).ssh.host == value


CONTRADICTIONS = [
    ({"app": {"blue_port": 4000, "green_port": 4000}}, "blue_port is 4000 and site.app.green_port"),
    ({"compose": {"app": "db"}}, "site.compose.app is 'db' and"),
    ({"compose": {"files": ["a.yml", "a.yml"]}}, "allowed: each file once"),
    ({"folders": {"state": "/srv/x", "backups": "/srv/x"}}, "three different folders"),
    (
        {"source": {"kind": "registry"}},
        "site.source.kind is 'registry' and site.source.image is ''",
    ),
    (
        {"public": {"scheme": "http"}, "nginx": {"manage": "whole"}},
        "site.public.scheme is 'http' and site.nginx.manage is 'whole'",
    ),
    ({"deploy": {"drain_seconds": 20}}, "drain_seconds is 20.0 and site.nginx.worker_shutdown"),
    ({"deploy": {"lock_dead_after": 12}}, "site.deploy.lock_dead_after is 12.0; allowed: at least"),
    ({"database": {"user_id": "role"}}, "different columns"),
    ({"database": {"session_table": "User"}}, "two different tables"),
    ({"database": {"lock_timeout": 200}}, "lock_timeout is 200.0 and site.database.statement"),
    ({"meter": {"timeout": 2}}, "site.limits.response_seconds is 2.0 and site.meter.timeout is 2"),
    ({"meter": {"connections": 64, "requests_per_second": 1}}, "connections is 64 and"),
    ({"nginx": {"keepalive_min_timeout": 30}}, "keepalive_min_timeout is 30 and"),
    (
        {"nginx": {"rate_limits": [{"path": "/", "requests_per_second": 1, "burst": 1}] * 2}},
        "site.nginx.rate_limits is [",
    ),
]


@pytest.mark.parametrize(("section", "words"), CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused_with_both_names(
    section: dict[str, dict[str, Any]], words: str, tmp_path: Path
) -> None:
    error = refusal(tmp_path / "site.yaml", {"site": section})
    assert re.match(rf"{tmp_path}/site.yaml:[34]: site\.", error.reason)  # not a default's place
    assert words in error.reason
    assert "; allowed: " in error.reason


def test_each_wrong_setting_of_a_file_has_its_line_and_the_first_is_the_reason(
    tmp_path: Path,
) -> None:
    wrong = {"app": {f"wrong{n}": n for n in range(8)}}
    error = refusal(tmp_path / "site.yaml", {"site": wrong})
    assert error.reason.startswith(f"{tmp_path}/site.yaml:3: site.app.wrong0: no such setting")
    assert [line.split(":")[1] for line in error.evidence.splitlines()[:4]] == list("4567")
    assert error.evidence.splitlines()[4:] == ["… and 3 more"]


def test_a_name_that_belongs_elsewhere_is_named_with_its_place() -> None:
    with pytest.raises(BadSettings, match=r"did you mean site\.deploy\.drain_seconds\?$"):
        load({"app": {"drain_seconds": 3}})


def test_a_number_where_text_belongs_wants_quotes() -> None:
    with pytest.raises(BadSettings, match=r"site.source.revision is 1234567; .*, in quotes$"):
        load({}, assignments=["source.revision=1234567"])


# -- the files themselves ----------------------------------------------------------------------

FILES = [
    (b"site: [\n", 2, "not YAML: "),
    (b"site:\n\tname: x\n", 2, "not YAML: "),
    (b"site:\n  name: *x\n", 2, "not YAML: "),
    (b"site: !!python/object:os.system {}\n", 1, "not YAML: "),
    (b"a: 1\n---\nb: 2\n", 2, "not YAML: "),
    (b"", 0, "is empty; allowed: `site:`"),
    (b"# nothing\n", 0, "is empty; allowed: `site:`"),
    (b"- site\n", 0, "is no mapping: ['site']"),
    (b"site\n", 0, "is no mapping: 'site'"),
    (b"site:\n  name: caf\xe9\n", 2, "not UTF-8"),
    ("site: {}".encode("utf-16"), 1, "not UTF-8"),
    (b"site:\n  app: {}\n  name: a\n  app: {}\n", 4, "site.app stands on line 2 too"),
    (b"site:\n  app:\n    port: 1\n    'port': 2\n", 4, "site.app.port stands on line 3 too"),
    (b"site:\n  on: 1\n", 2, "site.on is no name; write it in quotes"),
    (b"site:\n  ? [a]\n  : 1\n", 2, "is no name"),
    (b"site: &a\n  app: *a\n", 1, "holds itself"),
    (b"site:\n  name: 2026-99-99\n", 0, "not a value that YAML knows: month must be"),
    (b"site: " + b"[" * 5000 + b"]" * 5000, 0, "nested far too deeply"),
    (b"sites:\n  name: x\n", 1, "sites: no such section; did you mean site?"),
    (b"site:\n  app: 3\n", 2, "site.app is 3; allowed: settings below it: image, "),
    (b"site:\n  app:\n", 2, "site.app is empty; allowed: settings below it: image, "),
    (b"site:\n  name: {a: 1}\n", 2, "site.name has names below it, and elsewhere it is '1001"),
    (b"tasks: 5\n", 1, "tasks is 5; allowed: names with values"),
]


def refused(done: Done) -> str:
    """The one line that a program refuses with."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout.strip()
    first, *others = done.stderr.strip().splitlines()
    assert all(re.match(r"  (│|next:|state:) ", line) for line in others)
    return first.removeprefix("✗ ")


@pytest.mark.parametrize(("content", "line", "words"), FILES)
def test_a_file_that_is_no_settings_file_is_one_line_before_invoke_reads_it(
    content: bytes, line: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(content)
    reason = named(path, capsys)
    assert reason.startswith(f"✗ {path}:{line}: " if line else f"✗ {path}")
    assert words in reason


def named(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said when Invoke is told of a file, in the order of both programs."""
    config = Config()
    config.set_project_location(ROOT)
    config.load_project()
    with pytest.raises(Exit) as caught:
        config.set_runtime_path(path)
    assert caught.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[0]


@pytest.mark.parametrize("name", ["fab", "invoke"])
@pytest.mark.parametrize("number", [0, 19])
def test_such_a_file_ends_both_programs_without_a_traceback(
    name: str, number: int, tmp_path: Path
) -> None:
    path, (content, _, words) = tmp_path / "site.yaml", FILES[number]
    path.write_bytes(content)
    assert words in refused(program(name, "-f", str(path), "status"))


def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "site.txt").write_text("site: {}")
    assert "cannot be read: Is a directory" in named(tmp_path / "folder.yaml", capsys)
    assert "ends in .yaml or .yml" in named(tmp_path / "site.txt", capsys)


def test_a_file_that_is_not_there_is_refused_however_it_was_named(tmp_path: Path) -> None:
    """Invoke itself would go on without it."""
    path = str(tmp_path / "none.yaml")
    by_variable = program("invoke", "status", environment={"INVOKE_RUNTIME_CONFIG": path})
    for done in (by_variable, program("fab", f"--config={path}", "status")):
        assert refused(done) == f"{path}: cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["fab", "invoke"])
def test_the_projects_own_file_is_refused_too(name: str, tmp_path: Path) -> None:
    for entry in ("fabfile", "tasks.py", "lab", "templates", "sql"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    (tmp_path / "invoke.yaml").write_text("site:\n  app: {}\n  app: {}\n")
    (tmp_path / "fabric.yaml").symlink_to("invoke.yaml")
    done = program(name, "status", folder=tmp_path)
    assert refused(done) == "invoke.yaml:3: site.app stands on line 2 too; allowed: each name once"


# -- the same through the programs -------------------------------------------------------------

WRONG = [
    ("app:\n    port: x", 3, "site.app.port is 'x'; allowed: a whole number from 1 to 65535"),
    ("app:\n    prot: 1", 3, "site.app.prot: no such setting; did you mean port?"),
    ("migration:\n    data: later", 3, "site.migration.data is 'later'; allowed: auto, now or"),
    ("ssh:\n    key_file: /nowhere/key", 3, "site.ssh.key_file is '/nowhere/key': it cannot be"),
    ("ssh:\n    known_hosts: /nowhere", 3, "site.ssh.known_hosts is '/nowhere'; allowed: a file"),
    ("public:\n    ca_file: /dev/null", 3, "site.public.ca_file is '/dev/null': no certificates"),
    ("nginx:\n    manage: whole\n    template: no.j2", 4, "site.nginx.template is 'no.j2': "),
    ("migration:\n    folder: sql/migrations/02-database-migration", 3, "site.migration.folder is"),
    ("migration:\n    folder: nowhere", 3, "site.migration.folder is 'nowhere': no such folder"),
]


@pytest.mark.parametrize(("content", "line", "words"), WRONG)
def test_a_wrong_setting_of_a_runtime_file_is_named_with_its_line(
    content: str, line: int, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(f"site:\n  {content}\n")
    origins = Origins([SettingsFile(path)])
    with pytest.raises(BadSettings) as caught:
        section = yaml.safe_load(path.read_text())["site"]
        chosen = load(section, assignments=[NOBODY], origins=origins)
        preflight.check(chosen)
        Server(chosen)
    origins.explain(caught.value)
    assert caught.value.reason.startswith(f"{path}:{line}: {words}")


@pytest.mark.parametrize(("name", "number"), [("fab", 1), ("invoke", 3)])
def test_such_a_setting_ends_both_programs_and_contacts_nothing(
    name: str, number: int, tmp_path: Path
) -> None:
    path, (content, line, words) = tmp_path / "site.yaml", WRONG[number]
    path.write_text(f"site:\n  {content}\n")
    assert refused(program(name, "-f", str(path), "status")).startswith(f"{path}:{line}: {words}")


def test_a_list_of_a_runtime_file_is_not_looked_up_in_the_file_below(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("site:\n  nginx:\n    rate_limits:\n      - {path: /, burst: 1}\n")
    reason = refused(program("invoke", "-f", str(path), "status"))
    assert reason.startswith(f"{path}:4: site.nginx.rate_limits.0.requests_per_second is missing")


def test_what_fab_and_invoke_would_read_differently_is_not_read_at_all() -> None:
    for name, variable in (("fab", "FABRIC_SITE_APP_PORT"), ("invoke", "INVOKE_SITE_NAME")):
        reason = refused(program(name, "status", environment={variable: "80"}))
        assert reason.startswith(f"{variable} is '80'; not read")


def test_a_server_whose_name_does_not_resolve_is_a_bad_setting() -> None:
    """An address with a scope that is none: that is seen without asking anybody."""
    reason = refused(program("fab", "-H", "u@fe80::1%none", "status"))
    assert reason.startswith("-H is 'fe80::1%none': fe80::1%none does not resolve")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("source.folder", "{tmp}", "allowed: a working copy of git"),
        ("source.folder", "{tmp}/no", "no such folder; allowed: a folder of this machine"),
        ("source.revision", "no/such", "allowed: a branch, tag or commit of the working copy"),
        ("source.dockerfile", "none", "allowed: a file of the working copy"),
    ],
)
def test_a_source_that_is_not_there_is_a_bad_setting(
    name: str, value: str, words: str, tmp_path: Path
) -> None:
    chosen = load({}, assignments=[NOBODY, f"{name}={value.format(tmp=tmp_path)}"])
    with pytest.raises(BadSettings, match=rf"^site\.{name} is .*{words}"):
        Source(Server(chosen), chosen, "20260101-000000", print).check()


def test_a_deploy_without_its_source_contacts_nothing() -> None:
    reason = refused(program("invoke", "deploy", "--set=source.revision=no/such"))
    assert reason.startswith("--set source.revision: site.source.revision is 'no/such'; allowed: ")
