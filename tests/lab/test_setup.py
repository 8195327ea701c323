"""A bare server becomes one that a deploy works on; each test goes on where the last one ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import server as lab_server
from lab import talk, website
from lab.flavours import BARE_BOOKWORM, BARE_TRIXIE
from lab.places import MOST_SERVERS, PRODUCTION_IMAGE, PROJECT_FOLDER, Server
from tests.lab.conftest import SETTINGS_FILE
from tests.programs import BIN, NOWHERE, ROOT, Done, program

BARE = Server(
    int(os.environ.get("LAB_BARE_SERVER", MOST_SERVERS)),
    BARE_BOOKWORM if os.environ.get("LAB_FLAVOUR") == "bookworm" else BARE_TRIXIE,
)
# Nobody listens there: an image that is not on the server cannot be had from anywhere.
REGISTRY = "127.0.0.1:9"
COMPOSE_FILE = "docker-compose.yml"
STEPS = 7  # without a site; with one there are two more
# Holds dpkg's lock as dpkg does, for as long as a file is there.
HOLD = """
use Fcntl;
for $name ("lock-frontend", "lock") {
    open $file{$name}, ">", "/var/lib/dpkg/$name" or die;
    $lock = pack("s s x4 l! l! i x4", F_WRLCK, 0, 0, 0, 0);
    fcntl($file{$name}, F_SETLK, $lock) or die;
}
sleep 1 while -e "/root/hold";
"""
# Everything that setup may change, and nothing that changes by itself.
STATE = """
ls -la --time-style=full-iso /home/ubuntu /etc/docker
find /home/ubuntu/1001-stories* -type f -exec sha256sum {} + 2>/dev/null
cat /etc/docker/daemon.json /etc/group; dpkg -l | sha256sum
docker ps -a --no-trunc --format '{{.ID}} {{.Names}}' 2>/dev/null
"""


@pytest.fixture(scope="module", autouse=True)
def bare() -> Iterator[None]:
    """The bare server; it goes when the file is done, as nobody else needs it."""
    os.chdir(ROOT)
    lab_server.reset(BARE)
    yield
    lab_server.down(BARE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's files on this machine, with images that no registry has."""
    folder = tmp_path_factory.mktemp("site")
    for name, content in website.files(BARE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(website.MODES.get(name, 0o644))
    (folder / ".env.production").chmod(0o644)  # it holds secrets all the same
    file = folder / COMPOSE_FILE
    file.write_text(file.read_text().replace("image: ", f"image: {REGISTRY}/"))
    return folder


def fab(*arguments: str) -> Done:
    argv = ("fab", "-f", str(SETTINGS_FILE), "-H", BARE.host, *arguments)
    return program(*argv, environment=BARE.environment)


def there(script: str, user: str = "root", check: bool = True) -> str:
    return talk.run(script, server=BARE, user=user, check=check).stdout


def state() -> str:
    return there(STATE, check=False)


def test_plan_says_what_it_would_do_and_changes_nothing() -> None:
    before = state()
    done = fab("setup", "--plan")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("→") == STEPS
    assert (
        f"{STEPS} of {STEPS} steps to do; as root by: sudo -n; nothing was changed" in done.stdout
    )
    assert "next: fab setup --from FOLDER" in done.stdout
    assert state() == before


def test_without_a_way_to_be_root_it_is_refused_in_one_line() -> None:
    before = state()
    there("mv /etc/sudoers.d/ubuntu /root/sudoers")
    done = fab("setup")
    there("mv /root/sudoers /etc/sudoers.d/ubuntu")
    assert done.returncode == 1
    assert "no way to be root on ubuntu@127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert state() == before


def test_a_file_of_the_engines_settings_that_cannot_be_read_is_refused_and_stays() -> None:
    there("cp /etc/docker/daemon.json /root/; echo '{\"bip\":' > /etc/docker/daemon.json")
    done = fab("setup")
    assert done.returncode == 1
    assert "/etc/docker/daemon.json on the server cannot be read" in done.stderr
    assert there("cat /etc/docker/daemon.json") == '{"bip":\n'
    there("mv /root/daemon.json /etc/docker/daemon.json")


def test_an_archive_that_fails_is_told_by_apts_last_lines() -> None:
    there("echo 'deb http://127.0.0.1:9/none trixie main' > /etc/apt/sources.list.d/none.list")
    there("mv /etc/apt/sources.list /root/; cp /etc/docker/daemon.json /root/")
    done = fab("setup")
    there("mv /root/sources.list /etc/apt/; rm /etc/apt/sources.list.d/none.list")
    there("mv /root/daemon.json /etc/docker/; rm /etc/docker/daemon.json.backup-*")
    assert done.returncode == 1
    assert f"✗ apt on {BARE.host} knows no docker.io" in done.stderr
    assert "│ W: Failed to fetch http://127.0.0.1:9/none" in done.stderr
    assert there("which docker", check=False) == ""


def test_another_apt_at_work_is_waited_for() -> None:
    """As unattended upgrades are, on a server that has just been made."""
    there("touch /root/hold && setsid perl -e '" + HOLD + "' > /dev/null 2>&1 & sleep 1")
    there("cp /etc/docker/daemon.json /root/")
    argv = [str(BIN / "fab"), "-f", str(SETTINGS_FILE), "-H", BARE.host, "setup"]
    environment = {**os.environ, **NOWHERE, **BARE.environment, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        waits = any("another apt or dpkg is at work" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        there("rm /root/hold")
        process.communicate(timeout=120)
    there("mv /root/daemon.json /etc/docker/; rm /etc/docker/daemon.json.backup-*")
    assert waits
    assert process.returncode == 1
    assert there("which docker", check=False) == ""


def test_setup_brings_docker_group_folders_and_rotation_and_loses_no_key() -> None:
    there("""sed -i 's/^{/{ "debug": true,/' /etc/docker/daemon.json""")
    before = json.loads(there("cat /etc/docker/daemon.json"))
    done = fab("setup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "next: fab setup --from FOLDER" in done.stdout
    after = json.loads(there("cat /etc/docker/daemon.json"))
    assert set(after.pop("log-opts")) == {"max-size", "max-file"}
    assert after == {k: v for k, v in before.items() if k != "log-opts"}
    assert there("docker info --format '{{.LoggingDriver}}'", user="ubuntu") == "json-file\n"
    modes = there(
        f"stat -c '%a %U' {PROJECT_FOLDER} {PROJECT_FOLDER}-deploy {PROJECT_FOLDER}-backups"
    )
    assert modes.split() == ["755", "ubuntu", "700", "ubuntu", "700", "ubuntu"]
    assert "docker" in there("id -nG ubuntu").split()


def test_again_it_says_already_so_for_each_step_and_changes_nothing() -> None:
    before = state()
    done = fab("setup")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("already so") == STEPS
    assert state() == before


def test_a_folder_that_is_no_site_is_refused_before_anything_is_contacted(tmp_path: Path) -> None:
    for source, words in ((tmp_path / "none", "a folder"), (tmp_path, COMPOSE_FILE)):
        done = program(
            *("fab", "-f", str(SETTINGS_FILE), "-H", "ubuntu@127.0.0.1:9"),
            *("setup", "--from", str(source)),
        )
        assert done.returncode == 2
        assert f"--from is {str(source)!r}; allowed: " in done.stderr
        assert words in done.stderr


def test_a_file_that_is_there_and_differs_is_refused_and_stays(folder: Path) -> None:
    there(
        f"mkdir -p {PROJECT_FOLDER}/nginx; echo mine > {PROJECT_FOLDER}/nginx/nginx.conf", "ubuntu"
    )
    done = fab("setup", "--from", str(folder))
    assert done.returncode == 1
    assert "on the server has other files than" in done.stderr
    assert "nginx/nginx.conf" in done.stderr
    listing = there(f"cd {PROJECT_FOLDER} && find . -type f; cat nginx/nginx.conf")
    assert listing == "./nginx/nginx.conf\nmine\n"
    there(f"rm -r {PROJECT_FOLDER}/nginx")


def test_a_first_start_without_images_says_which_and_the_next_setup_goes_on(folder: Path) -> None:
    done = fab("setup", "--from", str(folder))
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("✗")]
    assert f"the site cannot be started for want of {REGISTRY}/1001stories:production" in line
    assert "next: " in done.stderr
    assert there(f"stat -c %a {PROJECT_FOLDER}/.env.production") == "600\n"

    lab_server.copy_images(BARE)
    website.build_production(BARE)
    for image in (PRODUCTION_IMAGE, "lab-nginx:latest", "lab-postgres:15"):
        there(f"docker tag {image} {REGISTRY}/{image}")
    done = fab("setup", "--from", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("already so") == STEPS + 1
    assert website.wait_until_public(BARE) == "production"


def test_containers_of_the_first_start_rotate_their_logs() -> None:
    options = there("docker inspect --format '{{json .HostConfig.LogConfig}}' 1001-stories-app")
    assert json.loads(options)["Config"] == {"max-size": "20m", "max-file": "5"}


def test_a_deploy_works_on_it_and_the_doctor_agrees() -> None:
    well = fab("doctor")
    assert well.returncode == 0, well.stdout + well.stderr
    done = fab("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " requests, 0 failed" in done.stdout
    assert website.wait_until_public(BARE) in done.stdout


def test_setup_of_a_deployed_site_changes_nothing_though_its_files_have_moved_on(
    folder: Path,
) -> None:
    before = state()
    done = fab("setup", "--from", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("already so") == STEPS + 2
    assert "not sent, as the site has its own: nginx/nginx.conf" in done.stdout
    assert state() == before


def test_a_deployed_site_that_stands_still_is_not_started_as_a_plain_one() -> None:
    there("docker stop -t 2 1001-stories-nginx")
    done = fab("setup")
    there("docker start 1001-stories-nginx")
    assert done.returncode == 1
    assert "the site was deployed before" in done.stderr
    assert "fab rollback" in done.stderr


def test_a_deployed_site_whose_nginx_has_just_been_started_is_waited_for() -> None:
    there("docker restart -t 2 1001-stories-nginx")
    done = fab("setup")
    assert done.returncode == 0, done.stdout + done.stderr
    health = "docker inspect --format '{{.State.Health.Status}}' 1001-stories-nginx"
    assert there(health).strip() == "healthy"


def test_an_engine_that_runs_is_not_restarted_for_its_log_rotation() -> None:
    there("""echo '{"bip": "10.201.0.1/24"}' > /etc/docker/daemon.json""")
    started = there("docker inspect --format '{{.State.StartedAt}}' 1001-stories-db")
    done = fab("setup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "containers made after its next restart" in done.stdout
    assert json.loads(there("cat /etc/docker/daemon.json"))["bip"] == "10.201.0.1/24"
    kept = there("cat $(ls -t /etc/docker/daemon.json.backup-* | head -1)")
    assert json.loads(kept) == {"bip": "10.201.0.1/24"}
    assert there("docker inspect --format '{{.State.StartedAt}}' 1001-stories-db") == started
