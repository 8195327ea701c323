"""The doctor finds each break, says how to mend it, and asks all the rest in the same run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import server as lab_server
from lab import talk
from lab.certificates import issue
from lab.places import DOMAIN, PROJECT_FOLDER
from lab.shell import run as run_here
from tests.lab.conftest import HERE, Fab
from tests.programs import Done

Checks = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


def checks_of(done: Done) -> Checks:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def not_passed(checks: Checks) -> dict[str, str]:
    return {name: c["verdict"] for name, c in checks.items() if c["verdict"] != "pass"}


def as_root(script: str) -> None:
    lab_server.run(script, user="root")


@pytest.fixture(scope="module")
def names(_plain_production: None) -> set[str]:
    """Every check, as a run where all is well has them."""
    from fabfile.operations.doctor.checklist import questions
    from tests.lab.conftest import lab_settings

    return {question.name for question in questions(lab_settings())}


def test_on_a_site_that_is_well_everything_passes_and_nothing_is_changed(
    fab: Fab, names: set[str]
) -> None:
    listing = f"ls -laR --time-style=full-iso {PROJECT_FOLDER} | md5sum; ls -A; docker ps -aq"
    before = lab_server.run(listing).stdout
    done = fab("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(names)} checks: {len(names)} passed, 0 warnings, 0 failed" in done.stdout
    assert "mend" not in done.stdout
    assert "✅ table owner" in done.stdout
    document = fab("doctor", "--json")
    assert document.returncode == 0, document.stderr
    assert json.loads(document.stdout)["ready"] is True
    checks = checks_of(document)
    assert set(checks) == names
    assert not_passed(checks) == {}
    assert all(check["why"] and check["found"] for check in checks.values())
    assert lab_server.run(listing).stdout == before


def test_verbose_says_why_of_what_is_well_too(fab: Fab, names: set[str]) -> None:
    done = fab("doctor", "-v")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("     why ") == len(names)


# -- breaks ------------------------------------------------------------------------------------


@contextmanager
def nothing() -> Iterator[None]:
    yield


@contextmanager
def expired_certificate() -> Iterator[None]:
    ssl = f"{PROJECT_FOLDER}/nginx/ssl"
    lab_server.run(f"cp -a {ssl} ssl.kept")
    issued = issue(DOMAIN, days=-3)
    for name, text in (("fullchain", issued.fullchain), ("privkey", issued.private_key)):
        talk.send(HERE, ["sh", "-c", f"cat > {ssl}/{name}.pem"], text.encode())
    lab_server.run("docker exec 1001-stories-nginx nginx -s reload")
    yield
    lab_server.run(f"cp ssl.kept/*.pem {ssl}/ && rm -r ssl.kept")
    lab_server.run("docker exec 1001-stories-nginx nginx -s reload")


@contextmanager
def no_docker_group() -> Iterator[None]:
    as_root("gpasswd -d ubuntu docker")
    yield
    as_root("usermod -aG docker ubuntu")


@contextmanager
def port_taken() -> Iterator[None]:
    lab_server.run(
        "docker run -d --name squatter -p 127.0.0.1:3001:80 --entrypoint sleep lab-nginx 300"
    )
    yield
    lab_server.run("docker rm -f squatter")


@contextmanager
def no_forwarding() -> Iterator[None]:
    change = "sed -i 's/^AllowTcpForwarding .*/AllowTcpForwarding {}/' /etc/ssh/sshd_config"
    again = "kill -HUP $(cat /run/sshd.pid)"
    as_root(f"{change.format('no')} && {again}")
    yield
    as_root(f"{change.format('yes')} && {again}")


@contextmanager
def roots_backup_folder() -> Iterator[None]:
    as_root(f"install -d -m 0700 -o root {PROJECT_FOLDER}-backups")
    yield
    as_root(f"rmdir {PROJECT_FOLDER}-backups")


@contextmanager
def broken_nginx_file() -> Iterator[None]:
    file = f"{PROJECT_FOLDER}/nginx/nginx.conf"
    lab_server.run(f"cp {file} kept.conf && echo 'nonsense;' >> {file}")
    yield
    lab_server.run(f"cat kept.conf > {file} && rm kept.conf")


@contextmanager
def foreign_upstream() -> Iterator[None]:
    """Valid, and leads visitors to something that no release is."""
    file = f"{PROJECT_FOLDER}/nginx/nginx.conf"
    lab_server.run(f"cp {file} kept.conf && sed 's/app:3000/db:3000/' kept.conf > {file}")
    yield
    lab_server.run(f"cat kept.conf > {file} && rm kept.conf")


@contextmanager
def stopped_database() -> Iterator[None]:
    lab_server.run("docker stop -t 5 1001-stories-db")
    unwell = "docker ps --filter name=1001-stories-app --filter health=unhealthy -q | grep -q ."
    lab_server.run(f"for turn in $(seq 60); do {unwell} && exit 0; sleep 0.5; done; exit 1")
    yield
    lab_server.reset()


@contextmanager
def poor_database_user() -> Iterator[None]:
    """As where the site's user is no superuser: a second one may still mend it."""
    lab_server.psql('CREATE ROLE helper SUPERUSER LOGIN; CREATE TABLE "Foreign" (id int)')
    lab_server.psql('ALTER TABLE "Foreign" OWNER TO helper; ALTER ROLE stories NOCREATEDB')
    _as_helper("ALTER ROLE stories NOSUPERUSER")
    yield
    _as_helper("ALTER ROLE stories SUPERUSER CREATEDB")
    lab_server.psql('DROP TABLE "Foreign"; DROP ROLE helper')


def _as_helper(sql: str) -> None:
    client = ["docker", "exec", "1001-stories-db", "psql", "-U", "helper", "-d", "stories"]
    lab_server.run([*client, "-c", sql])


@dataclass(frozen=True)
class Break:
    """One thing that is wrong.

    :param seen: verdicts of the checks that find it; those that it blocks are left out.
    :param found: what one of them says, by name; `mend` the same.
    """

    make: Callable[[], object]
    seen: dict[str, str]
    found: str
    mend: str
    options: tuple[str, ...] = ()


BREAKS = {
    "expired certificate": Break(
        expired_certificate,
        {"certificate: days left": "fail"},
        "it has ended",
        "renew it",
    ),
    "disk": Break(
        nothing,
        {"disk": "fail", "room for a backup": "fail"},
        "needed: 100000 GB",
        "GB in all: a larger disk, or a lower limits.free_disk_gb",
        ("--set=limits.free_disk_gb=100000",),
    ),
    "fuller than wanted": Break(
        nothing,
        {"disk": "warn"},
        "wanted: under 1 %",
        "docker system df",
        ("--set=limits.disk_full_percent=1",),
    ),
    "docker group": Break(
        no_docker_group,
        {"docker rights": "fail"},
        "ubuntu may not use the engine",
        "sudo usermod -aG docker ubuntu",
    ),
    "port": Break(
        port_taken,
        {"port of green": "fail"},
        "127.0.0.1:3001 is taken by container squatter",
        "app.green_port",
    ),
    "service name": Break(
        nothing,
        {"compose file": "fail", "app container": "fail", "upstream": "fail"},
        "no service web in /home/ubuntu/1001-stories/docker-compose.yml; there are: app, db, nginx",
        "set compose.app",
        ("--set=compose.app=web",),
    ),
    "upstream": Break(
        foreign_upstream,
        {"upstream": "fail"},
        "it names db",
        "set compose.app and app.container",
    ),
    "forwarding": Break(
        no_forwarding,
        {"forwarding": "warn"},
        "prohibited",
        "AllowTcpForwarding yes",
    ),
    "backup folder": Break(
        roots_backup_folder,
        {"backup folder": "fail"},
        "cannot be written to (directory, 700, of root)",
        "sudo install -d -m 0700 -o ubuntu",
    ),
    "nginx configuration": Break(
        broken_nginx_file,
        {"nginx configuration": "fail"},
        "nginx refuses the configuration",
        "mend what it says",
    ),
    "database": Break(
        stopped_database,
        {"database container": "fail", "app container": "fail"},
        "1001-stories-db exited",
        "docker logs --tail 30 1001-stories-db",
    ),
    "database rights": Break(
        poor_database_user,
        {"database rights": "fail", "table owner": "fail"},
        "may not create databases",
        "CREATEDB",
    ),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_break_is_named_with_its_mend_and_the_rest_is_asked(
    broken: str, fab: Fab, names: set[str]
) -> None:
    case = BREAKS[broken]
    with ExitStack() as stack:
        stack.enter_context(case.make())  # type: ignore[arg-type]
        document = fab("doctor", "--json", *case.options)
        shown = fab("doctor", *case.options)
    checks = checks_of(document)
    assert set(checks) == names
    seen = not_passed(checks)
    assert {n: v for n, v in seen.items() if v != "skip"} == case.seen, seen
    failed = "fail" in case.seen.values()
    assert json.loads(document.stdout)["ready"] is not failed
    assert document.returncode == shown.returncode == int(failed)
    told = [checks[name] for name in case.seen]
    assert any(case.found in check["found"] for check in told), told
    assert any(case.mend in check["mend"] for check in told), told
    assert case.mend in shown.stdout
    for name, verdict in seen.items():
        if verdict == "skip":
            assert checks[name]["found"].startswith("not asked, because “")
    assert "Traceback" not in shown.stderr


def test_what_needs_the_engine_is_not_asked_without_the_right_to_use_it(fab: Fab) -> None:
    with no_docker_group():
        checks = checks_of(fab("doctor", "--json"))
    skipped = {name for name, check in checks.items() if check["verdict"] == "skip"}
    assert {"containers", "nginx configuration", "database rights"} <= skipped
    assert not {"disk", "clock", "backup folder", "source", "certificate: chain"} & skipped
    assert checks["database rights"]["found"] == "not asked, because “docker rights” failed"


def test_a_dirty_working_copy_is_a_warning_and_a_missing_commit_a_failure(
    fab: Fab, working_copy: Callable[..., str]
) -> None:
    source = working_copy()
    (Path(source.partition("folder=")[2]) / "later.txt").write_text("not committed\n")
    done = fab("doctor", "--json", source)
    assert done.returncode == 0, done.stderr
    assert not_passed(checks_of(done)) == {"uncommitted changes": "warn"}
    assert "later.txt" in checks_of(done)["uncommitted changes"]["found"]
    missing = fab("doctor", "--json", source, "--set=source.revision=v9")
    assert missing.returncode == 1
    assert not_passed(checks_of(missing)) == {"source": "fail", "uncommitted changes": "skip"}
    assert "set source.revision" in checks_of(missing)["source"]["mend"]


def test_an_unknown_host_and_a_wrong_key_still_leave_what_needs_no_session(
    fab: Fab, tmp_path: Path
) -> None:
    hosts, key = tmp_path / "known_hosts", tmp_path / "key"
    hosts.write_text("")
    run_here(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    for setting, name, mend in (
        (f"ssh.known_hosts={hosts}", "host key", "ssh-keyscan"),
        (f"ssh.key_file={key}", "sign-in", "ssh.key_file"),
    ):
        done = fab("doctor", "--json", f"--set={setting}")
        checks = checks_of(done)
        assert done.returncode == 1
        assert [n for n, c in checks.items() if c["verdict"] == "fail"] == [name]
        assert mend in checks[name]["mend"]
        assert checks["disk"]["found"] == f"not asked, because “{name}” failed"
        for other in ("connection", "source", "certificate: days left", "certificate: chain"):
            assert checks[other]["verdict"] == "pass"


def test_it_takes_no_lock_and_minds_none(fab: Fab, on_server: Callable[..., Done]) -> None:
    on_server("mkdir -p -m 0700 1001-stories-deploy; echo theirs > 1001-stories-deploy/lock")
    done = fab("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert on_server("ls 1001-stories-deploy; cat 1001-stories-deploy/lock").stdout == (
        "lock\ntheirs\n"
    )
    on_server("rm -r 1001-stories-deploy")
