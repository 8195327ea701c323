"""The site on the server: plain production, as it was before anybody deployed blue and green."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from pathlib import Path

from lab import talk
from lab.certificates import authority, issue
from lab.environment import env_file
from lab.machine import refuse_unless_local
from lab.places import (
    CERTIFICATE_AUTHORITY,
    DOMAIN,
    PRODUCTION_IMAGE,
    PROJECT,
    PROJECT_FOLDER,
    SITE,
    STATE,
    Server,
)
from lab.shell import LabError

# The old release: it cannot read the role that the migration brings.
OLD_RELEASE = {"RELEASE": "production", "ROLES": "LEARNER,ADMIN"}

# The files that only their owner may read; the others are 0644.
MODES = {".env.production": 0o600, "nginx/ssl/privkey.pem": 0o600}

WIPE = f"""
# Also whoever else has the site's port, as a small site of the tests that were cut off.
containers=$(docker ps -aq --filter name=^{PROJECT}; docker ps -aq --filter publish=80)
[ -z "$containers" ] || docker rm -f -v $containers
volumes=$(docker volume ls -q --filter name=^{PROJECT})
[ -z "$volumes" ] || docker volume rm -f $volumes
networks=$(docker network ls -q --filter name=^{PROJECT})
[ -z "$networks" ] || docker network rm $networks
images=$(docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' 1001stories \
    | grep -v -x -F {PRODUCTION_IMAGE})
[ -z "$images" ] || docker image rm -f $images
docker image prune -f
sudo rm -rf {PROJECT_FOLDER} {PROJECT_FOLDER}-*
sudo rm -rf /tmp/*1001* /tmp/pre-migration-* /tmp/deployment-*
"""


def wipe(server: Server) -> None:
    """Remove the site and all that deployments have left, except the production image."""
    talk.run(f"exec >/dev/null\n{WIPE}\ntrue", server=server, timeout=90)


def build_production(server: Server) -> None:
    """Build the old release on the server's own engine."""
    arguments = [f"--build-arg={name}={value}" for name, value in OLD_RELEASE.items()]
    talk.send(
        server,
        ["docker", "build", "--quiet", f"--tag={PRODUCTION_IMAGE}", *arguments, "-"],
        talk.archive(source_files(SITE / "app", "")),
    )


def install(server: Server) -> None:
    """Put the site's files on the server and start it."""
    talk.run(["mkdir", "-p", PROJECT_FOLDER], server=server)
    talk.send(server, ["tar", "-x", "-C", PROJECT_FOLDER], talk.archive(files(server), MODES))
    talk.run(f"cd {PROJECT_FOLDER} && docker-compose up -d", server=server, timeout=120)


def files(server: Server) -> dict[str, bytes]:
    """What lies in the project folder of plain production, by path."""
    return {
        "docker-compose.yml": _compose_file(server),
        ".env.production": env_file(server.flavour),
        "nginx/nginx.conf": _nginx_conf(server),
        **source_files(SITE / "db", "db/"),
        **_certificate(),
    }


def is_installed(server: Server) -> bool:
    """Whether there is a project folder."""
    return talk.run(["test", "-d", PROJECT_FOLDER], server=server, check=False).returncode == 0


def wait_until_public(server: Server, seconds: float = 45) -> str:
    """Wait until the site is healthy through nginx and TLS; answer the release that it names."""
    refuse_unless_local(server)
    deadline = time.monotonic() + seconds
    problem = ""
    while time.monotonic() < deadline:
        try:
            status, release, body = fetch(server, "/api/health")
        except OSError as error:
            problem = str(error)
        except http.client.HTTPException as error:
            problem = repr(error)
        else:
            if status == 200 and json.loads(body).get("status") == "ok":
                return release
            problem = f"{status} {body[:200].decode(errors='replace')}"
        time.sleep(0.2)
    raise LabError(
        f"https://127.0.0.1:{server.https_port} is not healthy after {seconds:g} s: {problem}\n"
        "Bring plain production back with `invoke lab.reset`."
    )


def fetch(server: Server, path: str) -> tuple[int, str, bytes]:
    """Get one page as a visitor would; answer its status, its release and its body."""
    context = ssl.create_default_context(cafile=str(CERTIFICATE_AUTHORITY))
    plain = socket.create_connection(("127.0.0.1", server.https_port), timeout=5)
    with plain, context.wrap_socket(plain, server_hostname=DOMAIN) as secure:
        connection = http.client.HTTPConnection(DOMAIN)
        connection.sock = secure
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("X-App-Release", ""), answer.read()


def _compose_file(server: Server) -> bytes:
    """The site's own; where no check is made sooner at the start, it is made more often."""
    text = (SITE / "docker-compose.yml").read_text()
    if not server.flavour.has_start_interval:
        text = text.replace("      start_interval: 500ms\n", "").replace(": 5s\n", ": 1s\n", 1)
    return text.encode()


def _nginx_conf(server: Server) -> bytes:
    """The site's own; an older nginx would not start with what it does not know."""
    text = (SITE / "nginx/nginx.conf").read_text()
    if not server.flavour.keeps_idle_connections:
        text = text.replace("    keepalive_min_timeout 2s;\n", "")
    return text.encode()


def _certificate() -> dict[str, bytes]:
    authority(STATE)
    issued = issue(DOMAIN)
    return {
        "nginx/ssl/fullchain.pem": issued.fullchain.encode(),
        "nginx/ssl/privkey.pem": issued.private_key.encode(),
    }


def source_files(folder: Path, prefix: str) -> dict[str, bytes]:
    """Every source file under a folder; caches and planted faults stay here."""
    paths = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*"))}
    return {
        prefix + name: path.read_bytes()
        for name, path in paths.items()
        if path.is_file() and "__pycache__" not in name and name != "faults" and name[0] != "."
    }
