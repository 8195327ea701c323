"""Small sites of other shapes: `init --yes`, and with what it wrote a deploy, a second, a rollback.

Each stands alone on the lab's server, put there and started as its owner would; afterwards the
lab's own site is put back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fabfile.settings import Page, Settings, load
from lab import server as lab_server
from lab.places import CERTIFICATE_AUTHORITY
from tests.lab.conftest import HERE, SETTINGS_FILE
from tests.lab.small_sites import (
    BAKED,
    SITES,
    SmallSite,
    install,
    neighbours,
    wipe,
    working_copy,
)
from tests.programs import Done, program


@dataclass(frozen=True)
class Started:
    """A site that its owner has started, and the file that `init` is to write."""

    site: SmallSite
    file: Path
    fab: Callable[..., Done]

    @property
    def settings(self) -> Settings:
        """As `fab -f` reads them."""
        return load(yaml.safe_load(self.file.read_text())["site"])


@pytest.fixture(scope="module", autouse=True)
def _own_site_put_back(lab: None) -> Iterator[None]:
    yield
    wipe(HERE)
    lab_server.reset()


@pytest.fixture
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Started:
    """The site that a test names, plain, and `fab` with what only the lab needs to know."""
    site: SmallSite = request.param
    if site.needs_compose_2 and HERE.flavour.compose.startswith("1."):
        pytest.skip("docker-compose 1.29 does not know `name:`")
    install(site, HERE)
    file = tmp_path / "site.yaml"
    lab_only = {
        **HERE.environment,
        "DEPLOY_PUBLIC__CA_FILE": str(CERTIFICATE_AUTHORITY),
        "DEPLOY_SOURCE__FOLDER": str(working_copy(tmp_path / "copy")),
        "DEPLOY_DEPLOY__WATCH_SECONDS": "2",
        # What counts here is who answers, on however busy a machine.
        "DEPLOY_LIMITS__SLOWER_THAN_BASELINE": "1000",
        "DEPLOY_LIMITS__RESPONSE_SECONDS": "9",
    }

    def fab(*arguments: str, settings: Path = file) -> Done:
        return program(
            *("fab", "-f", str(settings), "-H", HERE.host, *arguments), environment=lab_only
        )

    return Started(site, file, fab)


def init(started: Started, *arguments: str) -> Done:
    """With the lab's way in: its key and its known host."""
    output = f"--output={started.file}"
    return started.fab("init", "--yes", output, *arguments, settings=SETTINGS_FILE)


# What each site is known to be: the settings that differ from site to site.
EXPECTED = {
    "shop": {
        "folders.project": "/home/ubuntu/acme",
        "folders.state": "/home/ubuntu/acme-deploy",
        "compose.files": ("docker-compose.yml", "docker-compose.override.yml"),
        "compose.profiles": (),
        "compose.project": "acme",
        "compose.env_file": "shop.env",
        "app.image": "acme-shop",
        "app.container": "acme-app",
        "app.port": 5000,
        "app.health_path": "/healthz",
        "app.health_status": ("up",),
        "app.health_database": "",
        "app.login_path": "/signin",
        "public.domain": "shop.example.org",
        "public.security_headers": ("X-Content-Type-Options",),
        "nginx.manage": "upstream",
        "nginx.config": "/etc/nginx/nginx.conf",
        "database.schema": None,
        "database.user_table": "users",
        "database.role_column": "role",
        "database.role_type": None,
        "database.session_table": "user_sessions",
        "migration.folder": "",
    },
    "magazine": {
        "folders.project": "/home/ubuntu/www/live",
        "folders.state": "/home/ubuntu/press-deploy",
        "compose.files": ("docker-compose.yml", "production.yml"),
        "compose.profiles": ("edge",),
        "compose.project": "press",
        "compose.app": "web",
        "compose.nginx": "proxy",
        "compose.database": "postgres",
        "compose.env_file": "",
        "app.container": "press-web",
        "app.blue_port": 8000,
        "app.green_port": 8001,
        "app.health_path": "/up",
        "app.health_database": "connected",
        "app.login_path": "",
        "public.pages": {"/": Page(status=(302,)), "/up": Page()},
        "nginx.config": "/etc/nginx/conf.d/magazine.conf",
        "database.schema": "editorial",
        "database.user_table": "members",
        "database.user_id": "member_id",
        "database.role_column": "kind",
        "database.role_type": "member_role",
        "database.updated_column": "updated_at",
        "database.session_table": "sessions",
        "database.session_user": "member",
    },
    "wiki": {
        "folders.project": "/opt/wiki",
        "folders.state": "/home/ubuntu/gardenwiki-deploy",
        "compose.files": ("compose.yaml",),
        "compose.project": "gardenwiki",
        "compose.app": "web",
        "compose.env_file": ".env",
        "app.image": "wiki",
        "app.blue_port": 8080,
        "app.health_path": "/health",
        "app.health_status": (),
        "public.domain": "wiki.example.org",
        "public.scheme": "http",
        "public.pages": {"/": Page(status=(404,)), "/health": Page()},
        "nginx.config": "/etc/nginx/conf.d/default.conf",
        "database.user_table": None,
        "database.role_type": None,
        "database.session_table": None,
    },
}


@pytest.mark.parametrize("started", SITES, ids=lambda site: site.name, indirect=True)
def test_init_finds_a_site_and_it_is_deployed_twice_and_rolled_back_without_a_failure(
    started: Started,
) -> None:
    site = started.site
    done = init(started)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: _value(started.settings, name) for name in EXPECTED[site.name]}
    assert found == EXPECTED[site.name]

    _refuse_what_the_files_give(started)
    before = neighbours(site, HERE)
    load_on_it = site.load().start()
    try:
        runs = [started.fab(task) for task in ("deploy", "deploy", "rollback")]
    finally:
        seen = load_on_it.stop()
    for run in runs:
        assert run.returncode == 0, run.stdout + run.stderr
    assert "• Environment: Green (was Blue)" in runs[0].stdout
    assert "• Environment: Blue (was Green)" in runs[1].stdout
    assert "• Environment: Green (was Blue)" in runs[2].stdout
    assert seen.failed == 0, str(seen)
    assert seen.written, "the load must write too"
    stamps = [re.findall(r"New version: \S+:(\S+)", run.stdout)[0] for run in runs[:2]]
    assert list(seen.by_release)[1:] == stamps, "the plain one, and each release in its turn"
    assert f":{stamps[0]} (was {stamps[1]})" in runs[2].stdout
    assert neighbours(site, HERE) == before
    _refuse_changes_elsewhere(site)


@pytest.mark.parametrize("started", [SITES[0]], ids=lambda site: site.name, indirect=True)
def test_init_on_a_server_asks_for_nothing_and_changes_nothing(started: Started) -> None:
    files = "find . /tmp -newer /proc/1 -type f 2>/dev/null | grep -Ev 'docker|runc-process' | sort"
    look = f"{files}; docker ps -aq"
    before = lab_server.run(look).stdout
    assert init(started).returncode == 0
    assert lab_server.run(look).stdout == before

    written = started.file.read_text()
    again = init(started)
    assert again.returncode == 2
    assert "never writes over a file" in again.stderr
    assert started.file.read_text() == written

    started.file.unlink()
    elsewhere = init(started, "--project=/srv/none")
    assert elsewhere.returncode == 1
    assert "no compose project /srv/none runs on" in elsewhere.stderr
    assert "acme: /home/ubuntu/acme" in elsewhere.stderr
    assert not started.file.exists()


@pytest.mark.parametrize("started", [BAKED], ids=lambda site: site.name, indirect=True)
def test_a_configuration_inside_nginxs_image_is_refused_with_the_two_lines_to_add(
    started: Started,
) -> None:
    done = init(started)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "/etc/nginx/conf.d/site.conf is not mounted into" in done.stderr
    assert "│     volumes:" in done.stderr
    assert "│       - ./nginx/site.conf:/etc/nginx/conf.d/site.conf:ro" in done.stderr
    assert not started.file.exists()


def _refuse_what_the_files_give(started: Started) -> None:
    """The doctor finds every file and service; and says where what runs came from others."""
    looked = _found_by_the_doctor(started)
    files = ", ".join(started.settings.compose.files)
    assert looked["compose file"][0] == "pass", looked["compose file"]
    assert looked["made from"] == ("pass", files)
    if len(started.settings.compose.files) == 1:
        return
    first = started.settings.compose.files[0]
    verdict, found = _found_by_the_doctor(started, f"--set=compose.files=[{first}]")["made from"]
    assert verdict == "warn"
    assert f"made from other files than {first}: " in found
    assert found.endswith(f" from {files}")


def _found_by_the_doctor(started: Started, *arguments: str) -> dict[str, tuple[str, str]]:
    checks = json.loads(started.fab("doctor", "--json", *arguments).stdout)["checks"]
    return {check["name"]: (check["verdict"], check["found"]) for check in checks}


def _value(settings: Settings, name: str) -> object:
    group, _, field = name.partition(".")
    return getattr(getattr(settings, group), field)


def _refuse_changes_elsewhere(site: SmallSite) -> None:
    """Everything of the site's own nginx files that does not name the app is as it was."""
    for path in site.files.rglob("*.conf"):
        name = path.relative_to(site.files)
        there = lab_server.run(["cat", f"{site.folder}/{name}"]).stdout.splitlines()
        gone = [line for line in path.read_text().splitlines() if line not in there]
        assert all(_names_the_app(line) for line in gone), gone


def _names_the_app(line: str) -> bool:
    words = ("app:5000", "web:8000", "upstream ", "least_conn", "keepalive 16", "}")
    return any(word in line for word in words)
