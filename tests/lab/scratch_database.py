"""A database of a test's own: its own container on the lab's server, under its own project."""

from __future__ import annotations

import contextlib
import shlex
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.settings import Settings
from fabfile.site import Site
from lab import server as lab_server
from lab.environment import DATABASE_PASSWORD
from tests.programs import ROOT

SITE_SQL = ("01-schema.sql", "02-people.sql")


@dataclass(frozen=True)
class Scratch:
    """A site that is only a database; the lab's own site is not touched."""

    site: Site
    container: str

    def psql(self, sql: str) -> str:
        """Run SQL by a way of its own; rows one a line, with `|` between values."""
        client = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command = ["docker", "exec", "-i", self.container, *client, "-U", "scratch"]
        return lab_server.run(command, text=sql).stdout.strip()

    def roles(self) -> str:
        return self.psql('SELECT role, count(*) FROM "User" GROUP BY 1 ORDER BY 1').replace(
            "\n", " "
        )

    def statuses(self) -> str:
        """`stage STATUS` of every log entry, in order."""
        return self.psql("SELECT stage || ' ' || status FROM migration_log ORDER BY id").replace(
            "\n", ", "
        )

    def again(self, settings: Settings) -> Site:
        """The same database under other settings, over the same connection."""
        return Site(settings, self.site.server, Console())


@contextlib.contextmanager
def scratch_database(settings: Settings) -> Iterator[Scratch]:
    """Start it, with the guide's four users, and remove it with its backups afterwards."""
    name = f"scratch-{uuid.uuid4().hex[:8]}"
    folder = f"/home/ubuntu/{name}"
    labels = {"project": name, "service": "db", "project.working_dir": folder}
    options = [f"--label=com.docker.compose.{key}={value}" for key, value in labels.items()]
    run = ["docker", "run", "--detach", f"--name={name}", "--env-file=/dev/stdin", *options]
    environment = (
        f"POSTGRES_USER=scratch\nPOSTGRES_DB=scratch\nPOSTGRES_PASSWORD={DATABASE_PASSWORD}\n"
    )
    lab_server.run([*run, "lab-postgres:15"], text=environment)
    server = Server(settings)
    folders = {"project": folder, "state": f"{folder}/.deploy", "backups": f"{folder}/backups"}
    own = settings.model_copy(
        update={"folders": settings.folders.model_copy(update=folders)},
    )
    scratch = Scratch(Site(own, server, Console()), name)
    try:
        ready = f"until docker exec {name} pg_isready -q -h localhost; do sleep 0.1; done"
        lab_server.run(f"timeout 30 sh -c {shlex.quote(ready)}; mkdir -p {folder}")
        for file in SITE_SQL:
            scratch.psql((ROOT / "lab/site/db" / file).read_text())
        yield scratch
    finally:
        server.close()
        lab_server.run(["docker", "rm", "--force", "--volumes", name], check=False)
        links = f"find /tmp -maxdepth 1 -type l -lname {folder}'/*' -delete"
        lab_server.run(f"{links}; rm -rf {folder}", check=False)
