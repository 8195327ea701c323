"""Back to a former release, whatever state the bad one, the former one or nginx is in.

The tests run in their order; each starts from the state that the one before it left.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lab import server as lab_server
from lab.load import Load
from tests.lab.conftest import Fab, noticed
from tests.programs import Done

QUICK = "--set=deploy.watch_seconds=0"
NGINX = "1001-stories-nginx"


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


@pytest.fixture
def deployed(fab: Fab) -> str:
    """A new release is live; its stamp."""
    return release_of(fab("deploy", QUICK))


def release_of(done: Done) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(?:New version|Version): 1001stories:(\d{8}-\d{6})", done.stdout)
    assert found, done.stdout
    return found[1]


def live() -> tuple[str, str]:
    """Colour and release, as nginx says them to a visitor on the server."""
    ask = "curl -sk -o /dev/null -D - https://127.0.0.1/api/health"
    found = dict(re.findall(r"(?im)^x-deploy-(\S+): (\S+)", lab_server.run(ask).stdout))
    return found["colour"], found["release"]


def test_what_is_not_there_is_refused_in_one_line_and_nothing_moves(
    fab: Fab, deployed: str, under_load: Load
) -> None:
    for options, words in (
        (("--to", deployed), f"release {deployed} is live already"),
        (("--to", "20200101-000000"), "release 20200101-000000 is not there any more"),
    ):
        done = fab("rollback", *options)
        assert done.returncode == 1, done.stdout
        assert words in done.stderr
        assert "is live, as before" in done.stderr
    assert live()[1] == deployed
    load = under_load.stop()
    assert noticed(load) == 0, str(load)


def test_it_goes_to_any_kept_release_as_either_colour(
    fab: Fab, deployed: str, under_load: Load
) -> None:
    """Three releases on two colours: the oldest ran as the colour that is live now."""
    listed = fab("releases").stdout
    first, plain = re.findall(r"^ +(\d{8}-\d{6})", listed, re.MULTILINE)[:2]
    was, _ = live()
    done = fab("rollback", "--to", first)
    assert release_of(done) == first
    done = fab("rollback", "--to", plain)
    assert release_of(done) == plain
    assert "made again, as release" in done.stdout
    load = under_load.stop()
    assert noticed(load) == 0, str(load)
    assert live() == (was, plain)
    listed = fab("releases").stdout
    assert re.search(rf"^live +{plain} .* is live", listed, re.MULTILINE), listed
    assert re.search(rf"^ +{deployed} .* done +yes", listed, re.MULTILINE), listed


def test_a_release_whose_container_is_gone_runs_again_with_the_environment_of_then(
    fab: Fab, deployed: str, under_load: Load
) -> None:
    environment = "docker inspect --format '{{json .Config.Env}}' 1001-stories-app-"
    lab_server.run("echo 'ADDED=today' >> 1001-stories/.env.production")
    newer = release_of(fab("deploy", QUICK))
    colour = live()[0]
    assert "ADDED=today" in lab_server.run(environment + colour).stdout
    other = "green" if colour == "blue" else "blue"
    before = lab_server.run(environment + other).stdout
    lab_server.run(f"docker rm 1001-stories-app-{other}")
    assert release_of(fab("rollback")) == deployed
    load = under_load.stop()
    assert noticed(load) == 0, str(load)
    after = lab_server.run(environment + other).stdout
    assert sorted(after.strip("[]\n").split(",")) == sorted(before.strip("[]\n").split(","))
    assert "ADDED" not in after
    assert newer != deployed


@pytest.mark.parametrize(
    "breaking",
    [
        "docker stop -t 0 {app}",
        "docker rm -f {app}",
        "docker exec -u root {app} sh -c 'echo crash-at-start > /app/faults'; "
        "docker restart -t 0 {app}; sleep 2",
        "docker exec -u root {app} sh -c 'echo page-500 > /app/faults'",
        f"docker stop -t 0 {NGINX}",
        f"echo nonsense >> 1001-stories/nginx/nginx.conf; docker restart -t 0 {NGINX} || true",
    ],
    ids=["app-down", "app-gone", "crash-loop", "answers-500", "nginx-down", "nginx-crash-loop"],
)
def test_it_brings_the_site_back(fab: Fab, deployed: str, breaking: str) -> None:
    colour = live()[0]
    lab_server.run(breaking.format(app=f"1001-stories-app-{colour}"))
    done = fab("rollback")
    former = release_of(done)
    assert former != deployed
    assert live()[1] == former
    load = Load(rate=30, most_seconds=60).start()
    running = lab_server.run("docker ps --format '{{.Names}}'").stdout.split()
    assert {NGINX, "1001-stories-db"} < set(running)
    assert f"1001-stories-app-{colour}" not in running
    assert "successful" in lab_server.run(f"docker exec {NGINX} nginx -t 2>&1").stdout
    result = load.stop()
    assert noticed(result) == 0, str(result)


def test_a_target_that_does_not_start_leaves_visitors_where_they_are(
    fab: Fab, deployed: str, under_load: Load
) -> None:
    colour = live()[0]
    other = "green" if colour == "blue" else "blue"
    fault = "echo crash-at-start > /tmp/faults; "
    lab_server.run(f"{fault} docker cp /tmp/faults 1001-stories-app-{other}:/app/faults")
    done = fab("rollback")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "rollback trigger: the former release does not become healthy" in done.stderr
    assert f"taken back: 1001-stories-app-{other} stopped again" in done.stderr
    load = under_load.stop()
    assert noticed(load) == 0, str(load)
    assert live() == (colour, deployed)


def test_a_live_release_that_is_gone_can_be_deployed_over(
    fab: Fab, on_server: Callable[..., Done]
) -> None:
    on_server(f"docker rm -f 1001-stories-app-{live()[0]}")
    assert release_of(fab("blue-green-deploy", QUICK)) == live()[1]
