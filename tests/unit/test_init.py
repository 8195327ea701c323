"""`init` in a folder: what it finds, what it asks, what it refuses, and that its file loads."""

from __future__ import annotations

import itertools
import os
import pty
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from fabfile.settings import OF_THE_SITE, Settings, load
from tests.programs import BIN, ROOT, Done, program

SITES = ROOT / "tests/lab/sites"
READABLE = ("shop", "magazine", "wiki")


def init(folder: Path, output: Path, *arguments: str) -> Done:
    return program("invoke", "init", f"--folder={folder}", f"--output={output}", *arguments)


def written(path: Path) -> Settings:
    return load(yaml.safe_load(path.read_text())["site"])


@pytest.mark.parametrize("name", READABLE)
def test_the_file_loads_and_every_value_says_where_it_was_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    done = init(SITES / name, path, "--yes")
    assert done.returncode == 0, done.stderr
    settings = written(path)
    assert settings.complete
    for setting in OF_THE_SITE:
        group, _, field = setting.partition(".")
        assert field in getattr(settings, group).model_fields_set, setting
    lines = path.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r" +\w+: \S", line):
            assert "  # " in line or above.lstrip().startswith("# "), line
    assert len(lines) < 80
    assert f"fab -f {path}" in done.stdout


def test_a_folder_says_what_its_files_say(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    assert init(SITES / "shop", path, "--yes").returncode == 0
    site = written(path)
    assert (site.compose.app, site.compose.nginx, site.compose.database) == ("app", "nginx", "db")
    assert (site.app.port, site.app.health_path, site.app.container) == (
        5000,
        "/healthz",
        "acme-app",
    )
    assert site.public.domain == "shop.example.org"
    assert site.nginx.certificate == "/etc/nginx/tls/fullchain.pem"
    assert site.compose.env_file == "shop.env"
    assert site.database.user_table is None


def test_names_come_from_the_compose_file_and_its_variables(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    assert init(SITES / "wiki", path, "--yes").returncode == 0
    site = written(path)
    assert (site.compose.project, site.compose.files) == ("gardenwiki", ("compose.yaml",))
    assert (site.app.image, site.app.blue_port) == ("wiki", 8080)
    assert site.public.scheme == "http"
    assert "compost" not in path.read_text(), "no secret of .env"


OVERRIDE = """\
services:
  web:
    container_name: wiki-web
    ports: !override ["8081:8000"]
"""


def test_an_override_is_taken_as_compose_takes_it(tmp_path: Path) -> None:
    folder = shutil.copytree(SITES / "wiki", tmp_path / "wiki")
    (folder / "compose.override.yaml").write_text(OVERRIDE)
    done = init(folder, tmp_path / "site.yaml", "--yes")
    assert done.returncode == 0, done.stderr
    site = written(tmp_path / "site.yaml")
    assert site.compose.files == ("compose.yaml", "compose.override.yaml")
    assert (site.app.container, site.app.blue_port, site.app.image) == ("wiki-web", 8081, "wiki")
    assert "compose.yaml + compose.override.yaml" in (tmp_path / "site.yaml").read_text()


def test_the_files_that_env_names_are_taken_and_nothing_else(tmp_path: Path) -> None:
    folder = shutil.copytree(SITES / "wiki", tmp_path / "wiki")
    (folder / "production").mkdir()
    (folder / "production/web.yaml").write_text(OVERRIDE)
    (folder / "compose.override.yaml").write_text("services: {web: {container_name: not-this}}")
    with (folder / ".env").open("a") as env:
        env.write("\nCOMPOSE_FILE=compose.yaml:production/web.yaml\n")
    done = init(folder, tmp_path / "site.yaml", "--yes")
    assert done.returncode == 0, done.stderr
    site = written(tmp_path / "site.yaml")
    assert site.compose.files == ("compose.yaml", "production/web.yaml")
    assert site.app.container == "wiki-web"

    (folder / "production/web.yaml").unlink()
    gone = init(folder, tmp_path / "other.yaml", "--yes")
    assert gone.returncode == 1
    assert f"no production/web.yaml in {folder}: COMPOSE_FILE in .env names it" in gone.stderr


def test_what_is_given_with_set_is_not_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    done = init(SITES / "shop", path, "--yes", "--set=public.domain=other.example.org")
    assert done.returncode == 0, done.stderr
    assert written(path).public.domain == "other.example.org"


def test_it_never_writes_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("mine\n")
    done = init(SITES / "shop", path, "--yes")
    assert done.returncode == 2
    assert f"{path} is there already" in done.stderr
    assert path.read_text() == "mine\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("output", ["missing/site.yaml", "site.txt"])
def test_an_output_that_cannot_be_is_refused(output: str, tmp_path: Path) -> None:
    done = init(SITES / "shop", tmp_path / output, "--yes")
    assert done.returncode == 2
    assert "--output" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_compose_file_is_refused(tmp_path: Path) -> None:
    done = init(tmp_path, tmp_path / "site.yaml", "--yes")
    assert done.returncode == 1
    assert f"no compose file in {tmp_path}" in done.stderr


def test_a_configuration_inside_an_image_is_refused_with_the_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    done = init(SITES / "baked", path, "--yes")
    assert done.returncode == 1
    assert "│     volumes:" in done.stderr
    assert "- ./nginx/site.conf:/etc/nginx/conf.d/site.conf:ro" in done.stderr
    assert not path.exists()


def site_with(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """The wiki with one text replaced in one file."""
    folder = tmp_path / "wiki"
    shutil.copytree(SITES / "wiki", folder)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    return folder


def test_what_nothing_can_be_guessed_for_is_named_with_the_option(tmp_path: Path) -> None:
    folder = site_with(tmp_path, "nginx/default.conf", "wiki.example.org", "_")
    done = init(folder, tmp_path / "site.yaml", "--yes")
    assert done.returncode == 1
    assert "public.domain could not be found out" in done.stderr
    assert "--set public.domain=VALUE" in done.stderr


def test_an_app_that_nginx_does_not_name_is_refused(tmp_path: Path) -> None:
    folder = site_with(tmp_path, "nginx/default.conf", "web:8000", "elsewhere:8000")
    done = init(folder, tmp_path / "site.yaml", "--yes")
    assert done.returncode == 1
    assert "sends visitors to service web" in done.stderr
    assert "visitors are sent to: elsewhere" in done.stderr


@pytest.mark.parametrize("text", ["services: [", "[]", "services: 3", "services: {web: 3}"])
def test_a_compose_file_that_is_none_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    done = init(tmp_path, tmp_path / "site.yaml", "--yes")
    assert done.returncode == 1
    assert "unexpected" not in done.stderr
    assert not (tmp_path / "site.yaml").exists()


def test_at_a_terminal_it_asks_for_the_rest_only(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    ours, theirs = pty.openpty()
    argv = [str(BIN / "invoke"), "init", f"--folder={SITES / 'wiki'}", f"--output={path}"]
    process = subprocess.Popen(argv, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    stop = threading.Timer(60, process.kill)
    stop.start()
    answers = {
        "user@host": "me@wiki.example.org",
        "folder of the compose file": "/srv/wiki",
        "health page": "",
        "table of the users": "gardeners",
        "its column of roles": "rank",
        "enum type": "",
        "table of the sessions": "",
    }
    asked, seen = list(answers), ""
    while asked or process.poll() is None:
        try:
            seen += os.read(ours, 4096).decode(errors="replace")
        except OSError:  # the program has ended
            break
        if asked and re.search(re.escape(asked[0]) + r"[^\n]*: $", seen):
            os.write(ours, answers[asked.pop(0)].encode() + b"\n")
    code = process.wait()
    stop.cancel()
    assert (code, asked) == (0, []), seen
    site = written(path)
    assert (site.ssh.host, site.folders.project) == ("me@wiki.example.org", "/srv/wiki")
    assert site.folders.state == "/srv/wiki-deploy"
    assert site.app.health_path == "/"
    assert (site.database.user_table, site.database.role_column) == ("gardeners", "rank")
    assert "# your answer" in path.read_text()


def test_nothing_of_the_shipped_site_is_mixed_into_a_complete_file(tmp_path: Path) -> None:
    """The shipped file names a host; under invoke a complete file without one is refused."""
    path = tmp_path / "site.yaml"
    assert init(SITES / "shop", path, "--yes").returncode == 0
    environment = {"DEPLOY_SSH__HOST": ""}
    done = program("invoke", "-f", str(path), "status", environment=environment)
    assert done.returncode == 2
    assert "no server is named" in done.stderr


def test_a_complete_file_must_name_what_is_the_sites_own(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    assert init(SITES / "shop", path, "--yes").returncode == 0
    lines = [line for line in path.read_text().splitlines() if "    image:" not in line]
    path.write_text("\n".join(lines))
    done = program("invoke", "-f", str(path), "status")
    assert done.returncode == 2
    assert "complete, but app.image is not set" in done.stderr
