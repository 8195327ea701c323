"""A release that comes another way than by `git archive`, and a release that cannot read."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import server as lab_server
from lab import talk
from lab.keys import ssh_command
from lab.places import SITE, Server
from lab.website import fetch
from tests.lab.conftest import Fab
from tests.programs import Done

OnServer = Callable[..., Done]
QUICK = "--set=deploy.watch_seconds=0"
REGISTRY_PORT = 22055
ROLES = 'SELECT role, count(*) FROM "User" GROUP BY role ORDER BY role'


@pytest.fixture(scope="module", autouse=True)
def _deployed(lab: None) -> None:
    lab_server.reset()


@pytest.fixture
def registry(tmp_path: Path, lab: None) -> Iterator[str]:
    """A registry on this machine, which the server reaches as one on its own loopback."""
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{REGISTRY_PORT}'}}\n"
    )
    address = f"127.0.0.1:{REGISTRY_PORT}"
    tunnel = ssh_command(Server())
    tunnel[1:1] = ["-N", "-R", f"{address}:{address}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        subprocess.Popen(["docker-registry", "serve", str(config)], **quiet) as serving,  # type: ignore[call-overload]
        subprocess.Popen(tunnel, **quiet) as tunnelling,  # type: ignore[call-overload]
    ):
        lab_server.run(
            f"for turn in $(seq 100); do curl -s {address}/v2/ && exit 0; sleep 0.1; done; exit 1"
        )
        yield address
        tunnelling.terminate()
        serving.terminate()


def live_release() -> str:
    return fetch(Server(), "/api/health")[1]


def test_what_already_lies_in_the_project_folder_is_built_as_the_guide_did(fab: Fab) -> None:
    pack = io.BytesIO()
    with tarfile.open(fileobj=pack, mode="w") as tar:
        tar.add(SITE / "app", arcname=".")
    talk.send(Server(), ["tar", "-x", "-C", "/home/ubuntu/1001-stories"], pack.getvalue())
    done = fab("blue-green-deploy", "--set=source.kind=server", QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"• New version: 1001stories:{live_release()}" in done.stdout


def test_either_of_the_engines_builders_makes_a_release(
    fab: Fab, working_copy: Callable[..., str]
) -> None:
    """Only BuildKit knows a mount of one RUN."""
    dockerfile = (SITE / "app/Dockerfile").read_text()
    source = working_copy(dockerfile=dockerfile + "RUN --mount=type=tmpfs,target=/mnt true\n")
    before = live_release()
    refused = fab("blue-green-deploy", source, "--set=source.builder=legacy", QUICK)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "requires BuildKit" in refused.stderr
    assert live_release() == before
    for builder, copy in (("buildkit", source), ("legacy", "--set=source.folder=lab/site/app")):
        done = fab("blue-green-deploy", copy, f"--set=source.builder={builder}", QUICK)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"• New version: 1001stories:{live_release()}" in done.stdout


def test_an_image_is_pulled_from_a_registry(fab: Fab, on_server: OnServer, registry: str) -> None:
    image = f"{registry}/stories:one"
    on_server(f"docker tag 1001stories:latest {image} && docker push -q {image}", timeout=120)
    on_server(f"docker rmi {image}")
    done = fab("blue-green-deploy", "--set=source.kind=registry", f"--set=source.image={image}")
    assert done.returncode == 0, done.stdout + done.stderr
    tags = on_server("docker images --format '{{.Tag}}' 1001stories").stdout
    assert done.stdout.split("• New version: 1001stories:")[1].split()[0] in tags

    missing = fab(
        "blue-green-deploy", "--set=source.kind=registry", f"--set=source.image={registry}/no:one"
    )
    assert missing.returncode == 1
    assert "not found" in missing.stderr


def test_an_image_of_this_machine_is_streamed_over_the_connection(
    fab: Fab, on_server: OnServer
) -> None:
    """And it is an older release: it gets its visitors only after the roles that it can read."""
    done = fab("deploy", QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CUSTOMER|2" in lab_server.psql(ROLES)

    server = Server()
    with (
        subprocess.Popen(
            ["docker", "exec", server.name, "docker", "save", "1001stories:production"],
            stdout=subprocess.PIPE,
        ) as saved,
        subprocess.Popen(["docker", "load", "--quiet"], stdin=saved.stdout) as loaded,
    ):
        assert loaded.wait(120) == 0
    older = fab(
        "blue-green-deploy",
        "--set=source.kind=stream",
        "--set=source.image=1001stories:production",
        "--verbose",
        QUICK,
    )
    subprocess.run(["docker", "rmi", "1001stories:production"], check=True, capture_output=True)
    assert older.returncode == 0, older.stdout + older.stderr
    assert "Loaded image: 1001stories:production" in older.stdout
    assert lab_server.psql(ROLES) == "LEARNER|2\nADMIN|2"
    status, release, body = fetch(server, "/api/roles")
    assert (status, release) == (200, "production"), body


def test_a_release_that_does_not_say_what_it_reads_is_trusted_with_its_own_migration(
    fab: Fab, working_copy: Callable[..., str]
) -> None:
    """As the guide's own site, whose images have no such label; and it stays so at the next."""
    lab_server.reset()
    plain = (SITE / "app/Dockerfile").read_text().replace("LABEL deploy.reads", "LABEL reads")
    source = working_copy(dockerfile=plain)
    for _ in range(2):
        done = fab("deploy", source, QUICK)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "CUSTOMER|2" in lab_server.psql(ROLES)
        assert "cannot read the new role" not in done.stdout
    back = fab("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert lab_server.psql(ROLES) == "LEARNER|2\nADMIN|2"
    assert fetch(Server(), "/api/roles")[0] == 200
