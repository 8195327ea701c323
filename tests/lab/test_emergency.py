"""The guide's emergency commands, typed by hand on the server, on what a deploy leaves there."""

from __future__ import annotations

from collections.abc import Callable

from lab import server as lab_server
from lab.places import Server
from lab.website import fetch
from tests.lab.conftest import Fab
from tests.programs import Done

OnServer = Callable[..., Done]
SITE = "/home/ubuntu/1001-stories"
ROLES = 'SELECT role, count(*) FROM "User" GROUP BY role ORDER BY role'


def test_the_commands_of_the_guide_bring_back_the_former_release_and_its_database(
    fab: Fab, on_server: OnServer, psql: Callable[[str], str]
) -> None:
    lab_server.reset()
    sessions = psql('SELECT count(*) FROM "Session"')
    done = fab("deploy", "--set=deploy.watch_seconds=0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert psql(ROLES) == "CUSTOMER|2\nADMIN|2" or psql(ROLES) == "ADMIN|2\nCUSTOMER|2"

    on_server("docker stop 1001-stories-app-green")
    on_server("docker start 1001-stories-app-blue")
    on_server(f"cp {SITE}/nginx/nginx.conf.backup-* {SITE}/nginx/nginx.conf")
    on_server("docker exec 1001-stories-nginx nginx -s reload")
    # The one thing the guide leaves out: a login shell does not know these two.
    on_server(
        f"export POSTGRES_USER=stories POSTGRES_DB=stories; cd {SITE}; "
        "docker-compose exec -T db psql -U $POSTGRES_USER -d $POSTGRES_DB "
        "-v ON_ERROR_STOP=1 < /tmp/pre-migration-backup-*.sql"
    )

    assert psql(ROLES) == "LEARNER|2\nADMIN|2"
    assert psql('SELECT count(*) FROM "Session"') == sessions
    status, release, body = fetch(Server(), "/api/roles")
    assert (status, release) == (200, "production"), body

    log = (
        f"cd {SITE}; docker-compose exec -T db psql -U stories -d stories "
        '-c "SELECT * FROM migration_log ORDER BY started_at DESC LIMIT 1;"'
    )
    assert "started_at" in on_server(log).stdout

    again = fab("deploy", "--set=deploy.watch_seconds=0")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "CUSTOMER|2" in psql(ROLES)
    assert fetch(Server(), "/api/roles")[0] == 200
