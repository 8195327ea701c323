"""Small sites of other shapes than the guide's, put on the lab's server as their owners would."""

from __future__ import annotations

import posixpath
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab import talk, website
from lab.certificates import authority, issue
from lab.load import Load
from lab.places import SITE, STATE, Server
from lab.shell import LabError
from lab.visitor import Errand

HERE = Path(__file__).resolve().parent / "sites"

# All that any of them leaves: the server belongs to one site at a time.
WIPE = """
containers=$(docker ps -aq); [ -z "$containers" ] || docker rm -f -v $containers
volumes=$(docker volume ls -q); [ -z "$volumes" ] || docker volume rm -f $volumes
docker network prune -f
images=$(docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -v -E '^(lab-|1001stories:)')
[ -z "$images" ] || docker image rm -f $images
docker image prune -f
sudo rm -rf /opt/wiki* /home/ubuntu/* /tmp/*-backup-* /tmp/deployment-*
"""


@dataclass(frozen=True)
class SmallSite:
    """One site.

    :param folder: where it lies on the server.
    :param up: how its owner starts it, there.
    :param paths: that the load asks for, beside what it writes.
    :param containers: of nginx and the database, which must stay.
    """

    name: str
    folder: str
    up: str
    paths: tuple[str, ...]
    containers: tuple[str, str]
    tls: bool = True
    needs_compose_2: bool = False

    @property
    def domain(self) -> str:
        return f"{self.name}.example.org"

    @property
    def files(self) -> Path:
        """Its folder here."""
        return HERE / self.name

    def load(self, rate: float = 60) -> Load:
        """Visitors who read and write."""
        writes = Errand("/items", (201,), "POST", "title=x")
        mix = ((writes, 1), *((Errand(path), 5) for path in self.paths))
        return Load(rate, mix=mix, domain=self.domain, tls=self.tls, most_seconds=300)


SITES = (
    SmallSite(
        "shop",
        "/home/ubuntu/acme",
        "docker-compose up -d --build",
        ("/", "/healthz", "/signin"),
        ("acme-nginx", "acme-db"),
    ),
    SmallSite(
        "magazine",
        "/home/ubuntu/www/live",
        "docker-compose -f docker-compose.yml -f production.yml --profile edge -p press "
        "up -d --build",
        ("/items", "/up"),
        ("press[-_]proxy[-_]1", "press[-_]postgres[-_]1"),
    ),
    SmallSite(
        "wiki",
        "/opt/wiki",
        "docker-compose up -d --build",
        ("/items", "/health"),
        ("gardenwiki-nginx-1", "wiki-postgres"),
        tls=False,
        needs_compose_2=True,
    ),
)
BAKED = SmallSite(
    "baked",
    "/home/ubuntu/baked",
    "docker-compose up -d --build",
    ("/",),
    ("baked[-_]nginx[-_]1", "baked[-_]postgres[-_]1"),
    tls=False,
)


def app_files() -> dict[str, bytes]:
    """The app's working copy: its own pages over the lab's server and database pool."""
    return {**website.source_files(SITE / "app", ""), **website.source_files(HERE / "app", "")}


def install(site: SmallSite, server: Server) -> None:
    """Put a site in its folder, alone on the server, and start it as its owner would."""
    files = website.source_files(site.files, "")
    files |= {path.name: path.read_bytes() for path in site.files.glob(".env")}
    files |= {f"app/{name}": content for name, content in app_files().items()}
    if site.tls:
        authority(STATE)
        issued = issue(site.domain)
        files["tls/fullchain.pem"] = issued.fullchain.encode()
        files["tls/privkey.pem"] = issued.private_key.encode()
    wipe(server)
    make = 'sudo mkdir -p "$1" && sudo chown ubuntu: "$1"'
    talk.run(["sh", "-c", make, "sh", site.folder], server=server)
    talk.send(server, ["tar", "-x", "-C", site.folder], talk.archive(files))
    talk.run(f"cd {site.folder} && {site.up}", server=server, timeout=180)
    _wait(site, server)


def wipe(server: Server) -> None:
    """Remove every site and what deployments have left, but no image of the lab's own."""
    talk.run(f"exec >/dev/null\n{WIPE}\ntrue", server=server, timeout=120)


def neighbours(site: SmallSite, server: Server) -> list[str]:
    """Ids and start times of nginx and the database."""
    shape = "{{.Id}} {{.State.StartedAt}}"
    names = "|".join(site.containers)
    command = f"docker inspect --format '{shape}' $(docker ps --format '{{{{.Names}}}}' | sort"
    lines = talk.run(f"{command} | grep -xE '{names}')", server=server).stdout.splitlines()
    assert len(lines) == 2, lines
    return lines


def working_copy(folder: Path) -> Path:
    """The app in a git repository of its own."""
    for name, content in app_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for argv in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "release"]):
        subprocess.run(["git", *argv], cwd=folder, check=True)
    return folder


def _wait(site: SmallSite, server: Server) -> None:
    scheme, port = ("https", 443) if site.tls else ("http", 80)
    options = f"-fsk -m 1 -o /dev/null --resolve {site.domain}:{port}:127.0.0.1"
    once = f"curl {options} {scheme}://{site.domain}{site.paths[0]} && exit 0"
    ask = f"for i in $(seq 40); do {once}; sleep 0.5; done; exit 1"
    if talk.run(ask, server=server, check=False, timeout=90).returncode:
        logs = f"cd {site.folder} && docker ps -a && docker-compose logs --tail 20"
        seen = talk.run(logs, server=server, check=False).stdout
        where = posixpath.basename(site.folder)
        raise LabError(f"the small site {site.name} ({where}) does not answer\n{seen}")
