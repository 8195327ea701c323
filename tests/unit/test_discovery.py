"""What `init` reads out of compose files, nginx's dump, tables and ports."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fabfile.discovery import documents
from fabfile.discovery.app import add_pages
from fabfile.discovery.facts import Facts
from fabfile.discovery.nginx_files import domain, split_dump, targets, tree
from fabfile.discovery.ports import listening, next_free
from fabfile.discovery.roles import APP, DATABASE, NGINX, apps, candidates
from fabfile.discovery.services import Service, in_container, in_document
from fabfile.discovery.tables import Table, add_tables
from fabfile.probes.answer import Answer
from fabfile.server.containers import made_from


def service(name: str, image: str = "", **more: object) -> Service:
    return Service(name, image, "here", names=frozenset([name]), **more)  # type: ignore[arg-type]


def one(**entry: object) -> Service:
    [found] = in_document({"services": {"web": entry}}, "compose.yaml")
    return found


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ("8080:80", {80: 8080}),
        ("127.0.0.1:8080:80/tcp", {80: 8080}),
        ({"target": 80, "published": "8080"}, {80: 8080}),
        ("80", {}),
        ("8000-8001:80-81", {}),
    ],
)
def test_ports_in_every_spelling(port: object, expected: dict[int, int]) -> None:
    assert one(ports=[port]).ports == expected


@pytest.mark.parametrize(
    ("check", "path"),
    [
        (["CMD", "curl", "-f", "http://localhost:3000/api/health"], "/api/health"),
        ("curl -fsS http://127.0.0.1/up || exit 1", "/up"),
        ("wget -qO- 'http://[::1]:8000/health/?deep=1'", "/health/"),
        ("python -c \"urlopen('http://localhost:$$PORT/ok')\"", "/ok"),
        (["CMD", "curl", "http://localhost:3000"], "/"),
        (["CMD", "pg_isready"], ""),
    ],
)
def test_the_path_that_a_health_check_asks_for(check: object, path: str) -> None:
    assert one(healthcheck={"test": check}).health_path == path


def test_nginx_is_told_from_its_exporter_and_postgres_from_postgrest() -> None:
    services = [
        service("metrics", "nginx/nginx-prometheus-exporter:1.1"),
        service("rest", "postgrest/postgrest"),
        service("front", "openresty/openresty:alpine"),
        service("store", "timescale/timescaledb:2-pg15"),
    ]
    assert [s.name for s in candidates(NGINX, services)] == ["front"]
    assert [s.name for s in candidates(DATABASE, services)] == ["store"]
    assert candidates(APP, services) == []


def test_a_built_nginx_is_known_by_its_name_and_port() -> None:
    services = [service("web", ports={8000: 8000}), service("proxy", ports={443: 443})]
    assert [s.name for s in candidates(NGINX, services)] == ["proxy"]


def test_the_app_is_what_nginx_names_then_what_is_built() -> None:
    services = [service("worker", build="."), service("shop", build="."), service("redis")]
    assert [s.name for s in apps(services, ["shop"])] == ["shop"]
    assert [s.name for s in apps(services[1:], [])] == ["shop"]
    assert [s.name for s in apps(services, [])] == ["worker", "shop"]


NGINX_T = """\
# configuration file /etc/nginx/nginx.conf:
http {
    include conf.d/*.conf;   # relative to this file
}
# configuration file /etc/nginx/conf.d/a.conf:
upstream sockets { server live:4000; }
server {
    listen 443 ssl;
    server_name "_" ~^x www.example.org;
    set $behind web;
    location /socket/ { proxy_pass http://sockets; }
    include snippets/proxy.conf;
}
# configuration file /etc/nginx/snippets/proxy.conf:
location / { proxy_pass http://$behind:8000/; }
# configuration file /etc/nginx/conf.d/b.conf:
server { listen 80; server_name old.example.org; location / { proxy_pass http://old; } }
"""


def test_targets_are_found_through_includes_upstreams_and_variables() -> None:
    found = targets(tree(split_dump(NGINX_T)))
    assert [(t.host, t.port, t.file.rpartition("/")[2], t.location) for t in found] == [
        ("web", 8000, "proxy.conf", "/"),
        ("live", 4000, "a.conf", "/socket/"),
        ("old", 80, "b.conf", "/"),
    ]
    assert domain(found[0].server) == "www.example.org"


def test_a_colours_container_is_its_apps() -> None:
    found = in_container(
        {
            "Name": "/shop-green",
            "Config": {
                "Image": "shop:1",
                "Labels": {"com.docker.compose.service": "web-green"},
                "Env": ["A=b=c"],
            },
            "HostConfig": {"PortBindings": {"8000/tcp": [{"HostPort": "8001"}]}},
            "NetworkSettings": {"Networks": {"n": {"IPAddress": "10.0.0.2", "Aliases": ["x"]}}},
            "Mounts": [],
        }
    )
    assert (found.name, found.address, found.ports) == ("web", "10.0.0.2", {8000: 8001})
    assert found.names == {"web", "shop-green", "shop", "x"}
    assert found.environment == {"A": "b=c"}
    assert "b=c" not in repr(found)


def tables_say(*tables: Table) -> dict[str, object]:
    facts = Facts()
    add_tables(facts, tables, "the database")
    return {name.removeprefix("database."): fact.value for name, fact in facts.items()}


def test_users_are_the_table_with_an_enum_of_roles() -> None:
    said = tables_say(
        Table("account", {"id": None}, "id", {}),
        Table("Person", {"no": None, "rank": "UserRole", "updated_at": None}, "no", {}),
        Table("Session", {"whose": None}, None, {"whose": "Person"}),
    )
    assert said["user_table"] == "Person"
    assert (said["user_id"], said["role_column"], said["role_type"]) == ("no", "rank", "UserRole")
    assert (said["updated_column"], said["created_column"]) == ("updated_at", None)
    assert (said["session_table"], said["session_user"]) == ("Session", "whose")


def test_a_schema_is_named_where_the_tables_are_not_in_the_usual_one() -> None:
    columns: dict[str, str | None] = {"id": None, "role": "user_role"}
    there = Table("users", columns, "id", {}, schema="shop", seen=False)
    session = Table("session", {}, None, {"who": "users"}, schema="shop", seen=False)
    other = Table("session", {}, None, {"who": "users"}, schema="archive", seen=False)
    said = tables_say(other, session, there)
    assert (said["schema"], said["role_type"]) == ("shop", "user_role")
    assert (said["session_table"], said["session_user"]) == ("session", "who")

    usual = Table("account", {"id": None}, "id", {})
    assert tables_say(there, usual)["user_table"] == "account", "what is found without a schema"
    assert "schema" not in tables_say(usual)

    apart = replace(there, foreign_types=("user_role",))
    assert tables_say(apart)["role_type"] is None
    assert "schema" not in tables_say(replace(apart, seen=True))


def test_users_without_roles_are_users_and_other_tables_are_not() -> None:
    said = tables_say(Table("users", {"id": None}, "id", {}), Table("session", {}, None, {}))
    assert (said["user_table"], said["role_column"], said["role_type"]) == ("users", None, None)
    assert said["session_table"] is None
    assert tables_say(Table("pages", {"id": None, "state": "page_state"}, "id", {})) == {
        "user_table": None,
        "role_column": None,
        "role_type": None,
        "session_table": None,
    }


def test_ports_that_are_taken() -> None:
    text = """\
  sl  local_address rem_address   st
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000
   1: 0100007F:0BB9 0100007F:1F90 01 00000000:00000000
   2: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A
"""
    assert listening(text) == {3000, 8080}
    assert next_free([3000, 3000], {3000, 3002}) == [3001, 3003]


def document(text: str) -> object:
    return documents.read(text, "a.yml")


@pytest.mark.parametrize(
    ("below", "above", "whole"),
    [
        ("{image: a}", "{image: b}", {"image": "b"}),
        ("{ports: ['1:1']}", "{ports: ['2:2']}", {"ports": ["1:1", "2:2"]}),
        (
            "{build: ./a}",
            "{build: {args: {B: c}}}",
            {"build": {"context": "./a", "args": {"B": "c"}}},
        ),
        ("{environment: [A=1, B=2]}", "{environment: {B: 3}}", {"environment": {"A": "1", "B": 3}}),
        ("{environment: {A: 1}}", "{environment: [B=2]}", {"environment": ["A=1", "B=2"]}),
        ("{env_file: a.env}", "{env_file: [b.env]}", {"env_file": ["a.env", "b.env"]}),
        (
            "{healthcheck: {test: [CMD, a], retries: 3}}",
            "{healthcheck: {test: [CMD, b]}}",
            {"healthcheck": {"test": ["CMD", "b"], "retries": 3}},
        ),
        ("{ports: ['1:1'], image: a}", "{ports: !reset [], image: b}", {"image": "b"}),
        ("{ports: ['1:1']}", "{ports: !override ['2:2']}", {"ports": ["2:2"]}),
        ("{image: a}", "", {"image": "a"}),
    ],
)
def test_several_compose_files_are_one_as_compose_merges_them(
    below: str, above: str, whole: object
) -> None:
    assert documents.merged([document(below), document(above)]) == whole


def test_what_env_says_of_files_and_profiles() -> None:
    given = documents.variables("COMPOSE_FILE='a.yml:./b/c.yml'\n#COMPOSE_PROFILES=no\n")
    assert documents.files_by(given) == ("a.yml", "b/c.yml")
    assert documents.profiles_by(given) == ()
    given = documents.variables("COMPOSE_FILE=a.yml;b.yml\nCOMPOSE_PATH_SEPARATOR=;\n")
    assert documents.files_by(given) == ("a.yml", "b.yml")
    assert documents.profiles_by({"COMPOSE_PROFILES": "x, y"}) == ("x", "y")


@pytest.mark.parametrize(
    ("folder", "label", "files"),
    [
        ("/srv/a", "/srv/a/b.yml,/srv/a/c/d.yml", ("b.yml", "c/d.yml")),
        # Compose 1.29
        ("/srv/a", "b.yml,c.yml", ("b.yml", "c.yml")),
        ("/srv/a", "a/b.yml,a/c.yml,d.yml", ("b.yml", "c.yml", "../d.yml")),
        ("/srv/a", "more/b.yml", ("more/b.yml",)),  # with --project-directory
        ("/srv/a", "/srv/b.yml", ("../b.yml",)),
        ("/srv/a", "", ()),
    ],
)
def test_the_files_that_a_container_was_made_from(
    folder: str, label: str, files: tuple[str, ...]
) -> None:
    prefix = "com.docker.compose.project"
    labels = {f"{prefix}.working_dir": folder, f"{prefix}.config_files": label}
    assert made_from(labels) == files


def test_the_surest_source_comes_first() -> None:
    facts = Facts()
    facts.add_all({"app": {"port": 1}, "name": "x"}, "given")
    facts.add("app.port", 2, "guessed")
    assert facts.nested() == {"app": {"port": 1}, "name": "x"}


@pytest.mark.parametrize("root", [200, 302, 404])
def test_the_main_page_may_answer_what_it_answers(root: int) -> None:
    class Place:
        def ask(self, app: Service, port: int, path: str) -> Answer:
            return Answer(path, {"/": root, "/health": 200}.get(path, 404))

    facts = Facts()
    facts.add_all({"app": {"health_path": "/health", "port": 80}}, "here")
    add_pages(facts, Place(), SimpleNamespace(app=service("app")))  # type: ignore[arg-type]
    pages = {"/": {"status": [root]}, "/health": {"status": [200]}}
    assert facts["public.pages"] == pages
