"""Which servers a command is for, and with which settings; nothing is contacted before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fabfile.errors import BadSettings
from fabfile.hosts import choose, refuse_shared
from fabfile.settings import Settings, load
from lab.places import MOST_SERVERS
from lab.places import Server as LabServer
from tests.programs import ROOT, Done, program

# Nobody listens on port 9: were it contacted, the exit code would be 1.
SITE: dict[str, Any] = {
    "ssh": {"host": ""},
    "app": {"port": 1},
    "public": {"domain": "example.org", "pages": {"/": {"contains": "Seeds"}}},
    "hosts": {
        "web1": {"ssh": {"host": "u@127.0.0.1:9"}, "public": {"connect": "127.0.0.1:1"}},
        "web2": {
            "ssh": {"host": "v@127.0.0.1:9"},
            "public": {"connect": "127.0.0.1:2", "pages": {"/": {"status": [204]}}},
            "app": {"port": 2},
        },
        "test": {"ssh": {"host": "w@127.0.0.1:9"}, "public": {"domain": "test.example.org"}},
    },
    "groups": {"web": ["web1", "web2"], "all": ["web2", "test", "web1"]},
}


def site(**changes: Any) -> Settings:
    return load({**SITE, **changes})


def refused(words: list[str], settings: Settings) -> BadSettings:
    with pytest.raises(BadSettings) as caught:
        choose(words, settings)
    assert "\n" not in caught.value.reason
    return caught.value


@pytest.mark.parametrize(
    ("words", "servers"),
    [
        (["web2", "web1"], ["web2", "web1"]),
        (["web"], ["web1", "web2"]),
        (["web1", "all", " web2 "], ["web1", "web2", "test"]),
        (["v@127.0.0.1:9", "x@127.0.0.1:9"], ["web2", "x@127.0.0.1:9"]),
        (["web1", "u@127.0.0.1:9"], ["web1"]),
        (["10.0.0.1", "a.example.org"], ["10.0.0.1", "a.example.org"]),
    ],
)
def test_names_groups_and_addresses_are_mixed_and_each_server_comes_once(
    words: list[str], servers: list[str]
) -> None:
    assert choose(words, site()) == servers


def test_without_hosts_every_word_is_an_address() -> None:
    assert choose(["desk", "u@b"], site(hosts={}, groups={})) == ["desk", "u@b"]


def test_without_a_word_it_is_the_settings_host_under_its_name() -> None:
    assert choose([""], site(ssh={"host": "x@y"})) == ["x@y"]
    assert choose([], site(ssh={"host": "v@127.0.0.1:9"})) == ["web2"]


def test_nothing_is_chosen_by_itself() -> None:
    error = refused([], site())
    assert error.reason == ("no server is chosen: hosts: web1, web2, test; groups: web, all")
    assert "ssh.host is empty" in refused([], site(hosts={}, groups={})).reason


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert refused(["web1", "wbe"], site()).reason == (
        "wbe: no such host or group; did you mean web?"
    )
    assert "allowed: all, test, web, web1, web2" in refused(["production"], site()).reason


def test_an_address_of_two_hosts_needs_a_name() -> None:
    own = {"ssh": {"host": "u@b"}}
    error = refused(["u@b"], site(hosts={"blog": own, "shop": own}, groups={}))
    assert error.reason == "u@b is the address of blog and shop; allowed: a name"


def test_a_hosts_own_settings_lie_over_the_sites_and_the_environment() -> None:
    environment = {"DEPLOY_APP__PORT": "3", "DEPLOY_SSH__HOST": "somewhere@else"}
    web1, web2 = (load(SITE, environment=environment, server=name) for name in ("web1", "web2"))
    assert (web1.app.port, web2.app.port) == (3, 2)
    assert web2.ssh.host == "v@127.0.0.1:9"
    assert (web2.public.domain, web2.public.connect) == ("example.org", "127.0.0.1:2")
    page = web2.public.pages["/"]
    assert (page.contains, page.status) == ("Seeds", (204,)), "laid over, not put in its place"
    assert load(SITE, server="web2", assignments=["app.port=4"]).app.port == 4
    assert load(SITE, server="web2", assignments=["hosts.web2.app.port=5"]).app.port == 5


def test_an_address_has_nothing_of_its_own() -> None:
    other = load(SITE, server="x@y")
    assert (other.ssh.host, other.app.port, other.public.connect) == ("x@y", 1, "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hosts": {"web1": {"ap": {}}}}, "site.hosts.web1.ap: no such setting; did you mean app?"),
        ({"hosts": {"web1": {"hosts": {}}}}, "site.hosts.web1.hosts: no such setting"),
        ({"hosts": {"web1": "u@b"}}, "site.hosts.web1 is 'u@b'"),
        ({"hosts": {"web.1": {}}, "groups": {}}, "site.hosts.web.1 is 'web.1'"),
        ({"hosts": ["web1"]}, "site.hosts is ['web1']"),
        ({"groups": {"web": ["web1", "wbe2"]}}, "groups.web names wbe2: no such host; did you"),
        ({"groups": {"web": []}}, "groups.web is empty"),
        ({"groups": {"web1": ["web2"]}}, "web1 is a host and a group"),
    ],
)
def test_hosts_and_groups_are_checked(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettings) as caught:
        site(**changes)
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"app": {"prt": 1}}, "site.hosts.web1.app.prt: no such setting; did you mean port?"),
        ({"app": {"port": 0}}, "site.hosts.web1.app.port is 0; allowed"),
        ({"public": {"static_paths": ["x"]}}, "site.hosts.web1.public.static_paths.0 is 'x'"),
    ],
)
def test_a_wrong_setting_of_a_host_is_named_as_its_own(own: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load({**SITE, "hosts": {"web1": own}, "groups": {}}, server="web1")
    assert words in caught.value.reason


def test_a_wrong_setting_of_the_site_is_not_the_hosts() -> None:
    with pytest.raises(BadSettings) as caught:
        load({**SITE, "app": {"port": 0}}, server="web1")
    assert "site.app.port is 0" in caught.value.reason


def test_two_servers_never_share_a_public_address() -> None:
    refuse_shared({name: load(SITE, server=name) for name in ("web1", "web2", "test")})
    same = {"public.connect": "127.0.0.1:1"}
    both = {
        name: load(SITE, server=name, assignments=[f"{k}={v}" for k, v in same.items()])
        for name in ("web1", "web2")
    }
    with pytest.raises(BadSettings) as caught:
        refuse_shared(both)
    assert caught.value.reason == (
        "web1 and web2 are both https://example.org at 127.0.0.1:1: each server needs its own"
    )


def test_the_lab_knows_its_servers_by_name() -> None:
    section = yaml.safe_load((ROOT / "lab/settings.yaml").read_text())["site"]
    servers = [LabServer(number) for number in range(1, MOST_SERVERS + 1)]
    assert list(section["hosts"]) == [server.alias for server in servers]
    for server in servers:
        settings = load(section, server=server.alias)
        assert settings.ssh.host == server.host
        assert settings.public.connect == f"127.0.0.1:{server.https_port}"
        assert settings.public.connect_http == f"127.0.0.1:{server.http_port}"


# -- at the command line -----------------------------------------------------------------------


@pytest.fixture
def settings_file(tmp_path: Path) -> str:
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump({"site": SITE}, sort_keys=False))
    return str(path)


def run(program_name: str, settings_file: str, *arguments: str) -> Done:
    environment = {"DEPLOY_SSH__HOST": ""}
    return program(
        program_name, "-f", settings_file, *arguments, seconds=60, environment=environment
    )


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("-H", "web1,wbe2", "deploy"), "wbe2: no such host or group; did you mean web2?"),
        (("deploy", "--on", "webb"), "webb: no such host or group; did you mean web?"),
        (("status",), "no server is chosen: hosts: web1, web2, test; groups: web, all"),
        (("-H", "web", "deploy", "--on", "web1"), "-H and --on both name servers"),
        (("assess", "--on=web1", "migrate", "--on=web2"), "--on is web1 and web2; allowed: one"),
        (("-H", "web", "deploy", "--parallel=x"), "--parallel is 'x'; allowed: a whole number"),
        (("-H", "web", "deploy", "--parallel=0"), "--parallel is '0'; allowed: a whole number"),
        (
            ("-H", "web", "status", "--set=hosts.web2.app.port=0"),
            "site.hosts.web2.app.port is 0; allowed: a whole number from 1 to 65535",
        ),
        (
            ("-H", "web", "status", "--set=public.connect=127.0.0.1:1"),
            "web1 and web2 are both https://example.org at 127.0.0.1:1",
        ),
        (
            ("-H", "u@127.0.0.1:9,x@127.0.0.1:9,y@127.0.0.1:9", "status"),
            "x@127.0.0.1:9 and y@127.0.0.1:9 are both https://example.org at its own address",
        ),
        (
            ("-H", "web", "deploy", "--all-or-nothing", "rollback"),
            "--all-or-nothing: what rollback does is not taken back",
        ),
        (
            ("-H", "web", "deploy", "--all-or-nothing", "--resume"),
            "--all-or-nothing is for a whole run; allowed: without --resume",
        ),
        (("-H", "web", "deploy", "--set=source.folder=/none"), "site.source.folder is '/none'"),
    ],
)
def test_a_wrong_choice_is_one_line_and_exit_code_2(
    settings_file: str, argv: tuple[str, ...], words: str
) -> None:
    done = run("fab", settings_file, *argv)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "Unable to connect" not in done.stderr


def test_invoke_says_the_same(settings_file: str) -> None:
    done = run("invoke", settings_file, "assess", "migrate", "--on=web1,tset")
    assert done.returncode == 2
    assert "tset: no such host or group; did you mean test?" in done.stderr


@pytest.mark.parametrize(
    "argv", [("fab", "-H", "web2", "status"), ("invoke", "status", "--on=web2")]
)
def test_one_name_is_one_server_at_its_address_with_nothing_around_it(
    settings_file: str, argv: tuple[str, ...]
) -> None:
    done = run(argv[0], settings_file, *argv[1:])
    assert done.returncode == 1
    assert "cannot connect to v@127.0.0.1:9" in done.stderr
    assert done.stdout == ""


def test_a_choice_behind_one_task_of_a_chain_holds_for_all_of_it(settings_file: str) -> None:
    done = run("invoke", settings_file, "assess", "migrate", "--on=web2")
    assert "cannot connect to v@127.0.0.1:9" in done.stderr
    assert done.returncode == 1
