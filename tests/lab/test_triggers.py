"""Every way in which a deploy is stopped by itself: the site is on its former release, unharmed.

Each row breaks the site on purpose, deploys under load, and looks at everything from outside.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fabfile.phases import assess, blue_green, canary, migrate, validate
from lab import server as lab_server
from lab.certificates import issue
from lab.load import Load
from lab.places import DOMAIN, PROJECT_FOLDER
from tests.lab.conftest import Fab, noticed
from tests.lab.several import shipped
from tests.programs import ROOT

SMALL = "/home/ubuntu/small-disk"
QUICK = ("--set=deploy.watch_seconds=2",)
NGINX = "docker exec 1001-stories-nginx nginx"
# What must be as before: what is live, the users and everything else in the database, the files.
ROWS = """
SELECT (SELECT string_agg(role::text || n, ' ' ORDER BY 1) FROM (
          SELECT role, count(*) AS n FROM "User" GROUP BY 1) AS r)
    || (SELECT md5(string_agg(u::text, '' ORDER BY id)) FROM (
          SELECT id, email, name, role FROM "User") AS u)
    || (SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM "Session" AS s)
"""
STATE = (
    "docker ps --filter name=^1001-stories --format '{{.Names}}' | sort; "
    "head -1 1001-stories/nginx/nginx.conf; ls 1001-stories-deploy/lock"
)
RELEASES = "docker images --format '{{.Tag}}' 1001stories; ls 1001-stories-deploy/releases"
BROKEN_ROLES = """
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN NEW.role := OLD.role; RETURN NEW; END';
CREATE TRIGGER stay BEFORE UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION stay()
"""
MENDED_ROLES = 'DROP TRIGGER IF EXISTS stay ON "User"; DROP FUNCTION IF EXISTS stay'
# At the very end of the transaction, after its own checks.
RELAPSE = """
CREATE FUNCTION relapse() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN UPDATE "User" SET role = ''LEARNER'' WHERE id = NEW.id AND role = ''CUSTOMER'';
   RETURN NULL; END';
CREATE CONSTRAINT TRIGGER relapse AFTER UPDATE ON "User" DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION relapse()
"""
NO_RELAPSE = 'DROP TRIGGER IF EXISTS relapse ON "User"; DROP FUNCTION IF EXISTS relapse'


@dataclass(frozen=True)
class Broken:
    """One row: a way to break, and what has to come of it.

    :param faults: what is wrong with the release itself.
    :param breaking: what is done to the server before, as root; `mending` undoes it.
    :param expect: users per role, as the migration expects them.
    :param public: the break is one that visitors meet, whoever is live.
    :param trigger: as the message names it; empty where the guide has none.
    """

    name: str
    code: int
    trigger: str
    words: str
    faults: str = ""
    dockerfile: str = ""
    options: tuple[str, ...] = ()
    breaking: str = ""
    mending: str = "true"
    sql: str = ""
    mending_sql: str = ""
    public: bool = False
    fresh: bool = False
    stays: bool = False
    expect: str = ""
    files: dict[str, str] = field(default_factory=dict)

    def comes_first(self) -> bool:
        """Sorts first what needs a site that was never migrated."""
        return not self.fresh


def _certificate(days: int) -> str:
    issued = issue(DOMAIN, days)
    folder = f"{PROJECT_FOLDER}/nginx/ssl"
    return (
        f"cat > {folder}/fullchain.pem <<'END'\n{issued.fullchain}END\n"
        f"cat > {folder}/privkey.pem <<'END'\n{issued.private_key}END\n"
        f"{NGINX} -s reload"
    )


ROWS_OF_THE_TABLE: tuple[Broken, ...] = (
    Broken(
        "a wrong user count",
        1,
        migrate.CORRUPT,
        "users per role are not as 02-database-migration expects them",
        expect="{LEARNER: 3, ADMIN: 2}",
        fresh=True,
    ),
    Broken(
        "people who are in the old role again",
        3,
        migrate.INVALID,
        "2 users are in LEARNER again",
        options=("--data=now",),
        sql=RELAPSE,
        mending_sql=NO_RELAPSE,
        fresh=True,
    ),
    Broken(
        "an image that cannot be built",
        1,
        blue_green.NOT_STARTED,
        "docker build",
        dockerfile="FROM lab-python\nRUN exit 7\n",
    ),
    Broken(
        "a container that ends at once",
        3,
        blue_green.NOT_STARTED,
        "does not stay up",
        faults="crash-at-start",
    ),
    Broken(
        "a health page that fails",
        3,
        blue_green.UNHEALTHY,
        "is not healthy after",
        faults="health-fails",
    ),
    Broken(
        "a release that cannot reach the database",
        3,
        blue_green.NO_DATABASE,
        "is not healthy after",
        faults="no-database",
    ),
    Broken(
        "a login page that answers 500 before the switch",
        3,
        blue_green.UNHEALTHY,
        "/login: 500",
        faults="login-broken",
    ),
    Broken(
        "a release that needs more memory than it may have",
        3,
        blue_green.TOO_LARGE,
        "outgrows its memory",
        faults="memory 232",
    ),
    Broken(
        "a main page that answers 500 before the switch",
        3,
        blue_green.UNHEALTHY,
        "/: 500",
        faults="home-broken",
    ),
    Broken(
        "a main page that answers 500",
        3,
        blue_green.NOT_PUBLIC,
        "/ answers 500; allowed: 200",
        faults="home-broken\nbehind-nginx",
        public=True,
    ),
    Broken(
        "an API that answers 500",
        3,
        blue_green.API_FAILS,
        "/api/roles answers 500; allowed: 200",
        faults="roles-broken\nbehind-nginx",
        options=("--set=public.pages={/: {status: [200]}, /api/roles: {status: [200]}}",),
        public=True,
    ),
    Broken(
        "a sign-in that answers 500",
        3,
        blue_green.SIGN_IN_FAILS,
        "/api/auth/signin answers 500",
        faults="signin-broken\nbehind-nginx",
    ),
    Broken(
        "a slow release",
        3,
        blue_green.TOO_SLOW,
        "times the baseline",
        faults="slow 0.5",
        options=("--set=limits.slower_than_baseline=2",),
    ),
    Broken(
        "an nginx template with an error",
        3,
        blue_green.NGINX_REFUSES,
        'unknown directive "proxy_conect_timeout"',
        files={"broken.conf.j2": "nginx.template"},
    ),
    Broken(
        "a page without the text that it must have, seen by the validation",
        3,
        validate.EXPERIENCE,
        "without 'a text that is not there'",
        options=("--set=public.pages={/: {contains: a text that is not there}}",),
        stays=True,
    ),
    Broken(
        "a critical check of the validation",
        3,
        validate.CRITICAL,
        "Static assets",
        options=(
            "--set=validation.critical=[Static assets]",
            "--set=public.static_paths=[/static/gone.css]",
        ),
        stays=True,
    ),
    Broken(
        "rows that do not move",
        3,
        migrate.ROLLED_BACK,
        "users left in LEARNER",
        sql=BROKEN_ROLES,
        mending_sql=MENDED_ROLES,
        fresh=True,
    ),
    Broken(
        "a database that is stopped",
        1,
        assess.UNREACHABLE,
        "the database container 1001-stories-db is exited",
        breaking="docker stop 1001-stories-db",
        mending="docker start 1001-stories-db; "
        "until docker exec 1001-stories-db pg_isready -q -h localhost; do sleep 0.1; done",
        public=True,
    ),
    Broken(
        "a disk that is full",
        1,
        assess.DISK_FULL,
        "GB free on /home/ubuntu/small-disk; a deploy needs 2 GB",
        options=(f"--set=folders.backups={SMALL}",),
        breaking=f"mkdir -p {SMALL}; mount -t tmpfs -o size=64m,uid=1000 none {SMALL}; "
        f"fallocate -l 60m {SMALL}/full",
        mending=f"umount {SMALL}; rmdir {SMALL}",
    ),
    Broken(
        "a backup that does not fit",
        1,
        assess.NO_BACKUP,
        "no room for a backup",
        options=(f"--set=folders.backups={SMALL}", "--set=limits.free_disk_gb=0"),
        breaking=f"mkdir -p {SMALL}; mount -t tmpfs -o size=64k,uid=1000 none {SMALL}",
        mending=f"umount {SMALL}; rmdir {SMALL}",
    ),
    Broken(
        "a certificate that has expired",
        1,
        "",
        "certificate has expired",
        breaking=_certificate(-1),
        mending=_certificate(90),
        public=True,
    ),
)


FRESH_ONES_FIRST: list[Broken] = sorted(ROWS_OF_THE_TABLE, key=Broken.comes_first)
# What is tried first, whatever the time: one of each moment at which a deploy can fail.
FIRST = {
    "a wrong user count",
    "rows that do not move",
    "a health page that fails",
    "a main page that answers 500",
    "a sign-in that answers 500",
    "a slow release",
    "an nginx template with an error",
    "a critical check of the validation",
    "a database that is stopped",
}


def _named() -> list[object]:
    return [
        pytest.param(row, id=row.name, marks=[] if row.name in FIRST else pytest.mark.last)
        for row in FRESH_ONES_FIRST
    ]


@pytest.fixture(scope="module", autouse=True)
def _a_release_is_live(lab: None) -> None:
    """The tests go on from plain production to a site that was deployed once."""
    lab_server.reset()


@pytest.mark.parametrize("row", _named())
def test_it_is_taken_back_by_itself(
    row: Broken,
    fab: Fab,
    working_copy: Callable[..., str],
    tmp_path: Path,
    under_load: Load,
) -> None:
    if (
        not row.fresh
        and "X-Deploy-Colour" not in lab_server.run("cat 1001-stories/nginx/nginx.conf").stdout
    ):
        done = fab("deploy", *QUICK)
        assert done.returncode == 0, done.stdout + done.stderr
    live, state, rows = _live(), lab_server.run(STATE, check=False).stdout, lab_server.psql(ROWS)
    try:
        lab_server.run(["sh", "-c", row.breaking or "true"], user="root")
        if row.sql:
            lab_server.psql(row.sql)
        before = under_load.snapshot()
        done = fab(
            "deploy", working_copy(row.faults, row.dockerfile), *QUICK, *_options(row, tmp_path)
        )
    finally:
        lab_server.run(["sh", "-c", row.mending], user="root")
        if row.mending_sql:
            lab_server.psql(row.mending_sql)
    load = under_load.stop()

    assert done.returncode == row.code, done.stdout + done.stderr
    assert row.words in done.stderr
    assert f"rollback trigger: {row.trigger}" in done.stderr or not row.trigger
    assert ("taken back: " in done.stderr) == (row.code == 3), done.stderr
    assert "Traceback" not in done.stderr
    if not row.public:
        assert noticed(load) == 0, str(load)
        assert before.failed == 0
    assert _live() == live
    assert lab_server.psql(ROWS) == rows
    assert lab_server.run(STATE, check=False).stdout == state
    kept = lab_server.run(RELEASES, check=False).stdout.split()
    # What has served visitors until the validation stays, stopped, to be looked at.
    assert (_made() in kept) == row.stays


def _options(row: Broken, folder: Path) -> list[str]:
    """The row's options, and those that name a file of its own."""
    template = (ROOT / "templates/nginx-blue-green.conf.j2").read_text()
    options = list(row.options)
    for name, setting in row.files.items():
        (folder / name).write_text(
            template.replace("proxy_connect_timeout", "proxy_conect_timeout")
        )
        options.append(f"--set={setting}={folder / name}")
    if row.expect:
        roles = f"roles: {{old: LEARNER, new: CUSTOMER, expect: {row.expect}}}"
        options.append(f"--set=migration.folder={shipped(folder / 'migrations', roles)}")
    return options


def _made() -> str:
    """The release that the last deploy was about to make."""
    return str(
        json.loads(lab_server.run("tail -n 1 1001-stories-deploy/ledger.jsonl").stdout)["release"]
    )


def _live() -> str:
    """What answers visitors, asked on the server."""
    ask = "curl -sk -o /dev/null -D - -H 'Host: {}' https://127.0.0.1/api/health | grep -i '^x-'"
    headers = lab_server.run(ask.format(DOMAIN), check=False).stdout.lower()
    return "".join(sorted(line for line in headers.splitlines(True) if "release" in line))


def test_every_trigger_of_the_guide_has_a_row() -> None:
    """A trigger that is only a sentence beside a phase would be a promise that nobody keeps."""
    phases = (assess.Assess, migrate.Migrate, blue_green.BlueGreen, validate.Validate)
    known = {trigger for phase in phases for trigger in phase.triggers}
    shown = {row.trigger for row in ROWS_OF_THE_TABLE}
    # Slow only once the watch has found it fast: no test can bring that about at a given moment.
    # A canary's are in test_canary.py.
    assert known - shown == {validate.DEGRADED, *canary.TRIGGERS}
