"""The file of the full log, and what no log may have: secrets."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from fabfile.commands import compose, docker, postgres
from fabfile.commands.private import prints_secrets
from fabfile.report.console import Console
from fabfile.report.masking import Mask, mask, sql_without_values
from fabfile.report.run_log import RunLog
from fabfile.server.connection import Output
from fabfile.server.containers import _parse
from fabfile.server.transcript import Entry
from lab.environment import DATABASE_PASSWORD
from tests.programs import program


def log(folder: Path, *, keep: int = 5, said: list[str] | None = None) -> RunLog:
    said = [] if said is None else said
    return RunLog(folder, "deploy", keep=keep, mask=Mask(), complain=said.append)


def test_it_is_for_its_owner_alone_and_out_of_git(tmp_path: Path) -> None:
    folder = tmp_path / ".deploy/logs"
    one = log(folder)
    one.write("early")
    assert not folder.exists(), "nothing was begun"
    one.write("a step", begins=True)
    assert one.path
    assert one.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ".deploy/.gitignore").read_text() == "*\n"
    assert [line[14:] for line in one.path.read_text().splitlines()] == ["early", "a step"]


def test_the_newest_stay_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for day in range(10, 20):
        (tmp_path / f"202601{day}-101500-deploy.log").write_text("")
    (tmp_path / "notes.txt").write_text("")
    one = log(tmp_path, keep=3)
    one.write("a step", begins=True)
    assert one.path
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20260118-101500-deploy.log",
        "20260119-101500-deploy.log",
        one.path.name,
        "notes.txt",
    ]


def test_two_at_the_same_moment_have_a_file_each(tmp_path: Path) -> None:
    logs = [log(tmp_path) for _ in range(4)]
    for number, one in enumerate(logs):
        one.write(f"run {number}", begins=True)
    assert len({one.path for one in logs}) == 4
    assert all(one.path and f"run {n}" in one.path.read_text() for n, one in enumerate(logs))


def test_a_folder_that_cannot_be_written_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    one = log(tmp_path / "file/logs", said=said)
    for _ in range(3):
        one.write("a step", begins=True)
    assert len(said) == 1
    assert said[0].startswith("no full log of this run: ")
    assert one.path is None


def test_a_disk_that_is_full_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    said: list[str] = []
    one = log(tmp_path, said=said)
    one.write("a step", begins=True)
    assert one._file
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:
        monkeypatch.setattr(one, "_file", full)
        one.write("another")
        one.write("a third")
    assert [line.partition(":")[0] for line in said] == ["no full log of this run from here on"]


def test_lines_of_several_threads_stay_whole(tmp_path: Path) -> None:
    one = log(tmp_path)
    one.write("begin", begins=True)

    def write() -> None:
        for _ in range(50):
            one.write("x" * 200)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.path
    lines = [line[14:] for line in one.path.read_text().splitlines()]
    assert lines == ["begin", *["x" * 200] * 200]


def test_control_characters_are_written_out(tmp_path: Path) -> None:
    one = log(tmp_path)
    one.write("\x1b[31mred\r\nbell\x07", begins=True)
    assert one.path
    assert [line[14:] for line in one.path.read_text().splitlines()] == [
        "\\x1b[31mred",
        "bell\\x07",
    ]


# -- secrets ---------------------------------------------------------------------------------------

SECRET = "hunter2-or-so"


@pytest.mark.parametrize(
    "text",
    [
        f"POSTGRES_PASSWORD={SECRET}",
        f'"NEXTAUTH_SECRET": "{SECRET}"',
        f"--set notify.token={SECRET}",
        f"postgresql://stories:{SECRET}@db:5432/stories",
        f"Authorization: Bearer {SECRET}",
        f"Set-Cookie: session={SECRET}; Path=/",
        f"api_key='{SECRET}'",
        f"https://hooks.slack.com/services/T0/{SECRET}",
        f"https://discord.com/api/webhooks/1/{SECRET}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    shown = Mask()(f"before {text} after")
    assert SECRET not in shown
    assert shown.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "live: green 20261123-115646 (1001-stories-app-green, running (healthy))",
        "GET /api/auth/signin 500 0ms",
        'PGPASSWORD="${POSTGRES_PASSWORD:-$(cat x)}"; export PGPASSWORD',
        "docker images --no-trunc --format '{{.Tag}}' 1001stories",
        "https://1001stories.seedsofempowerment.org/login",
        "sha256:0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Mask()(text) == text


@pytest.mark.parametrize(
    "spelling",
    [
        str,
        json.dumps,
        lambda text: quote(text, safe=""),
        lambda text: text.replace("$", "$$"),
        lambda text: f"app | the password {text} is wrong",
    ],
)
@pytest.mark.parametrize("secret", [DATABASE_PASSWORD, "abcd", "ü€ & co"])
def test_a_value_that_was_met_is_masked_however_it_is_spelt(secret: str, spelling: object) -> None:
    assert callable(spelling)
    mask = Mask()
    mask.learn(secret)
    assert secret in spelling(secret) or spelling(secret) != secret
    assert secret not in mask(spelling(secret))
    assert spelling(secret) not in mask(spelling(secret))


def test_of_an_environment_only_what_may_be_a_secret_is_learned() -> None:
    one = Mask()
    one.learn_environment(
        {
            "NODE_ENV": "production",
            "NEXTAUTH_URL": "https://example.org",
            "KEYBOARD": "german",
            "DOMAIN": "1001stories.seedsofempowerment.org",
            "SIGNING_KEY_FILE": "/srv/signing-key",
            "NEXTAUTH_SECRET": "first-secret",
            "DATABASE_URL": "postgresql://u:second%20one@db/x",
            "STRIPE": "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "SESSION_SALT": "third-secret",
        }
    )
    kept = (
        "production https://example.org german 1001stories.seedsofempowerment.org /srv/signing-key"
    )
    assert one(kept) == kept
    for secret in (
        "first-secret",
        "second one",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "third-secret",
    ):
        assert one(f"a {secret} b") == "a *** b"


@pytest.mark.parametrize("name", ["password_variable", "PASSWORD_FIELD", "token_path"])
def test_what_a_secret_is_called_or_where_it_is_stays(name: str) -> None:
    mask = Mask()
    mask.learn_if_named_so(name, "password")
    assert mask("site.sign_in.password_variable") == "site.sign_in.password_variable"
    mask.learn_if_named_so("password", "open-sesame")
    assert mask("it is open-sesame") == "it is ***"


def test_reading_a_container_teaches_its_secrets() -> None:
    environment = ["POSTGRES_PASSWORD=only-in-this-test", "PATH=/usr/bin"]
    _parse(
        {
            "Id": "1",
            "Name": "/db",
            "Image": "i",
            "Config": {"Image": "postgres:15", "Env": environment},
            "State": {"Status": "running", "ExitCode": 0},
            "NetworkSettings": {"Networks": {}},
            "HostConfig": {},
            "Mounts": [],
        }
    )
    assert mask("psql: only-in-this-test") == "psql: ***"


@pytest.mark.parametrize(
    "argv",
    [
        docker.inspect("db"),
        ["sudo", "-n", *docker.inspect("db")],
        ["docker", "inspect", "--format", "{{json .Config.Env}}", "db"],
        compose.resolved(["docker", "compose", "-f", "/srv/docker-compose.yml"]),
        compose.resolved(["docker-compose", "-f", "/srv/docker-compose.yml"]),
        postgres.read_password_file("db"),
        ["docker", "exec", "db", "printenv", "POSTGRES_PASSWORD"],
        ["docker", "exec", "db", "env"],
        ["cat", "/srv/.env.production"],
        ["cat", "/etc/nginx/ssl/privkey.pem"],
        ["docker", "exec", "db", "sh", "-c", "cat /run/secrets/x"],
    ],
)
def test_what_prints_secrets_is_known(argv: list[str]) -> None:
    assert prints_secrets(argv)


@pytest.mark.parametrize(
    "argv",
    [
        docker.list_containers(),
        ["docker", "inspect", "--format", "{{.State.Status}}", "db"],
        compose.services(["docker", "compose", "-f", "/srv/docker-compose.yml"]),
        postgres.read_archive("db"),
        docker.logs("app", tail=20),
        ["cat", "/proc/loadavg"],
        ["env", "DOCKER_BUILDKIT=1", "docker", "build", "/srv"],
    ],
)
def test_what_does_not_is_kept(argv: list[str]) -> None:
    assert not prints_secrets(argv)


def test_a_commands_output_is_kept_unless_it_is_private(tmp_path: Path) -> None:
    console = Console()
    console.log = one = log(tmp_path)
    for argv in (["uname"], docker.inspect("db")):
        with Entry(console, argv) as entry:
            entry.ended(Output("printed\n", "complained\n", 3))
    with pytest.raises(OSError, match="gone"), Entry(console, ["sleep", "9"]):
        raise OSError("gone")
    assert one.path
    lines = [line[14:].strip().partition(" ")[2] for line in one.path.read_text().splitlines()]
    timed = [line.partition(" in ")[0].partition(" after ")[0] for line in lines]
    assert timed == [
        "$ uname",
        "exit 3",
        "| printed",
        "| complained",
        "$ docker inspect --type container db",
        "exit 3",
        "| 19 B, not kept: it may hold secrets",
        "$ sleep 9",
        "no end",
    ]


def test_sql_is_kept_without_the_values_in_it() -> None:
    shown = sql_without_values(
        """-- it's a comment
        INSERT INTO "User's" (a) VALUES ('it''s', E'x\\\\y', $$ body's $$, $q$ it $q$, 7) /* '8' */;
        """
    )
    assert shown == (
        """-- it's a comment INSERT INTO "User's" (a) VALUES ('***', E'***', '***', '***', 7)"""
        " /* '8' */;"
    )


# -- which commands have one -----------------------------------------------------------------------

NOBODY = {"DEPLOY_SSH__HOST": "nobody@127.0.0.1:9"}


def test_a_run_that_fails_names_its_log(tmp_path: Path) -> None:
    environment = {**NOBODY, "DEPLOY_LOG__FOLDER": str(tmp_path / "logs")}
    done = program(
        "invoke", "assess", "--set=source.build_args.API_TOKEN=x-y-z", environment=environment
    )
    assert done.returncode == 1
    [path] = (tmp_path / "logs").iterdir()
    assert f"  log: {path}\n" in done.stderr
    text = path.read_text()
    assert "invoke assess --set=source.build_args.API_TOKEN=***" in text
    assert "x-y-z" not in text
    assert "connecting to nobody@127.0.0.1:9" in text
    assert "Traceback" in text
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["status"], 1), (["backups"], 1), (["rollback", "--to=yesterday"], 2), (["deploy"], 2)],
)
def test_a_task_that_looks_and_one_that_is_refused_have_none(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    environment = {**NOBODY, "DEPLOY_LOG__FOLDER": str(tmp_path / "logs")}
    done = program("invoke", *arguments, environment=environment)
    assert done.returncode == code
    assert not (tmp_path / "logs").exists()
    assert "log: " not in done.stdout + done.stderr


def test_without_a_log_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    environment = {**NOBODY, "DEPLOY_LOG__FOLDER": str(tmp_path / "logs")}
    done = program("invoke", "assess", environment=environment)
    assert done.returncode == 1
    assert "cannot connect to nobody@127.0.0.1:9" in done.stderr
    assert done.stdout.count("! no full log of this run") == 1
