"""Plans, on one site as one story: what each says is what the run then does, and it changes
nothing."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from fabfile.commands.compose_secrets import without_secrets
from fabfile.documents.plan import PlanDocument
from fabfile.errors import DeployError
from fabfile.operations import plan as planning
from fabfile.phases import deploy as phases
from fabfile.plans.migrations import BACKUP
from fabfile.plans.outlook import RELEASE
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.server.nginx import Nginx
from fabfile.server.side_key import without_key
from fabfile.server.sql_session import Session
from fabfile.site import Site
from lab import server as lab_server
from lab.environment import DATABASE_PASSWORD
from tests.lab.conftest import Fab, lab_settings

Psql = Callable[[str], str]
# Everything that a task may touch, down to the times of the files.
FILES = """
cd; find 1001-stories* -xdev -printf '%p %m %T@ %l\\n' 2>/dev/null | sort
find /tmp -mindepth 1 -xdev ! -name '.*' ! -name 'runc-process*' -printf '%p %m %l\\n' | sort
find 1001-stories* -xdev -type f -exec sha256sum {} + 2>/dev/null | sort
docker ps --all --no-trunc --format '{{.ID}} {{.Names}} {{.State}} {{.Networks}}' | sort
docker images --all --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' | sort
"""
ROWS = """
SELECT string_agg(datname || oid, ',' ORDER BY oid) FROM pg_database;
SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles;
SELECT string_agg(oid::text || relname, ',' ORDER BY oid) FROM pg_class WHERE oid > 16383;
SELECT string_agg(id || role::text, ',' ORDER BY id) FROM "User";
SELECT enum_range(NULL::"Role");
"""
LOG = "SELECT count(*) || max(backup_sha256) FROM migration_log"
HOOKS = json.dumps(
    [
        {"phase": phase, "when": when, "run": "/bin/true"}
        for phase, when in (
            ("deploy", "before"),
            ("run-migration", "before"),
            ("run-migration", "after"),
            ("*", "failed"),
        )
    ]
)


@pytest.fixture(scope="module")
def there(lab: None) -> Iterator[Site]:
    lab_server.reset()
    settings = lab_settings("canary.watch_seconds=1", "canary.longest_seconds=1")
    server = Server(settings)
    yield Site(settings, server, Console())
    server.close()


def everything(log: str = "") -> str:
    parts = [lab_server.run(FILES).stdout, lab_server.psql(ROWS)]
    return "\n".join([*parts, *([lab_server.psql(log)] if log else [])])


def deeds(document: Any, phase: str = "") -> Iterator[Any]:
    for one in document["phases"]:
        for step in one["steps"] if phase in ("", one["name"]) else ():
            yield from step["deeds"]


def diff_of(document: Any, path: str) -> list[str]:
    [found] = [d["diff"] for d in deeds(document) if path in d["diff"]]
    return str(found).splitlines()


def stopped(plan: Callable[[], None]) -> DeployError:
    with pytest.raises(DeployError) as found:
        plan()
    assert found.value.exit_code == 1
    return found.value


def test_a_plan_of_a_deploy_is_what_the_deploy_then_does(
    there: Site, fab: Fab, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything()
    done = fab("plan", "--json", "--canary", "5,50", f"--set=hooks={HOOKS}")
    assert done.returncode == 0, done.stderr
    words = fab("deploy", "--plan")
    assert words.returncode == 0, words.stderr
    assert everything() == before, "not a byte, not a container, not a row"
    plan = json.loads(done.stdout)
    for text in ("2 CUSTOMER users exist", "rollback trigger: ", "└ locks: "):
        assert text in words.stdout
    assert "docker rename 1001-stories-app 1001-stories-app-blue" in words.stdout
    for secret in ("${x} back", quote(DATABASE_PASSWORD, safe="")):
        assert secret not in words.stdout + json.dumps(plan, ensure_ascii=False)

    PlanDocument.model_validate(plan)
    titles = [step["title"] for phase in plan["phases"] for step in phase["steps"]]
    assert titles.count("hook /bin/true") == 3, "before and after a phase, and before the deploy"
    told = [deed["what"] for deed in deeds(plan, "end")]
    assert "only where it fails: /bin/true, at most 60 s; its failure only warns" in told
    assert any("/reports; of more than" in what for what in told)

    sent: list[str] = []
    configurations = [there.nginx.read()]
    placed = Nginx.put_in_place

    def places(self: Nginx, text: str, keep_as: str = "") -> None:
        configurations.append(text)
        placed(self, text, keep_as)

    monkeypatch.setattr(Nginx, "put_in_place", places)
    real = Session._send

    def recorded(self: Session, sql: str) -> str:
        sent.append(sql)
        return real(self, sql)

    monkeypatch.setattr(Session, "_send", recorded)
    phases.deploy(there, shares=(5, 50))
    release = there.release

    def said(lines: list[str]) -> list[str]:
        return [line.replace(RELEASE, release) for line in lines]

    path = there.nginx.config_file().host_path
    shown = [without_key(there.server, there.settings.folders.state, c) for c in configurations]
    written = [
        list(difflib.unified_diff(old.splitlines(), new.splitlines(), path, path, lineterm=""))
        for old, new in itertools.pairwise(shown)
    ]
    planned_diffs = [d["diff"] for d in deeds(plan) if f"+++ {path}" in d["diff"]]
    assert len(written) == 3
    assert [said(diff.splitlines()) for diff in planned_diffs] == written

    override = f"releases/{RELEASE}/docker-compose.green.yml"
    kept = there.server.read(f"{there.settings.folders.state}/{override.replace(RELEASE, release)}")
    assert kept
    added = [
        f"+{line}" for line in without_secrets(kept).splitlines() if "deploy.reads" not in line
    ]
    green = [line for line in said(diff_of(plan, override))[3:] if "deploy.reads" not in line]
    assert green == added

    sha = lab_server.psql("SELECT max(backup_sha256) FROM migration_log").strip()
    all_sent = bare("\n".join(sent))
    planned = [
        statement["sql"].replace(RELEASE, release).replace(BACKUP, sha)
        for phase in ("run-migration", "blue-green-deploy")
        for deed in deeds(plan, phase)
        for statement in deed["statements"]
        if "data-batch.sql" not in deed["what"]  # only above a number of rows
    ]
    assert len(planned) > 15
    assert [sql for sql in planned if bare(sql) not in all_sent] == []


def bare(sql: str) -> str:
    return "".join(sql.split())


def test_the_next_plan_says_how_long_it_took(there: Site, fab: Fab) -> None:
    done = fab("plan", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    lasted = {p["name"]: p["last_seconds"] for p in plan["phases"]}
    assert lasted["blue-green-deploy"] > 0
    switch = next(
        s for p in plan["phases"] for s in p["steps"] if s["title"].startswith("switch visitors")
    )
    assert switch["last_seconds"] > 0
    assert any("s in all" in remark for remark in plan["remarks"])


def test_no_plan_changes_anything_and_each_says_what_would_stop_it(
    there: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(LOG)
    planning.assess(there)
    planning.migrate(there)
    planning.blue_green_deploy(there)
    planning.validate(there)
    planning.rollback(there)
    planning.full_rollback(there, yes=False, keep_new_rows=True)
    planning.restore(there, "latest", yes=False, keep_new_rows=True)
    planning.backup(there)
    planning.verify(there, "latest")
    planning.prune(there)
    planning.lock_release(there, "a reason")
    planning.blue_green_deploy(there, shares=(10,))
    planning.monitor_uninstall(there)
    planning.psql(there, 'UPDATE "User" SET id = id')
    words = capsys.readouterr().out
    assert "reverse-data.sql" in words
    assert "ALTER DATABASE" in words
    assert "CREATE DATABASE" in words

    assert 'ROW EXCLUSIVE on "User"' in words
    assert "has no systemd" in stopped(lambda: planning.monitor_install(there)).reason
    assert "+# " in capsys.readouterr().out, "the script that it would put there all the same"

    live = there.live.read()
    assert "has no former" not in words
    assert "is live already" in stopped(lambda: planning.rollback(there, live.release)).reason
    assert (
        "is not there any more"
        in stopped(lambda: planning.rollback(there, "20200101-000000")).reason
    )
    assert "no database is kept" in stopped(lambda: planning.undo_restore(there, "")).reason
    unknown = stopped(lambda: planning.restore(there, "x", yes=True, keep_new_rows=False))
    assert "there is no backup" in unknown.reason
    reverse = stopped(lambda: planning.reverse(there, "02-database-migration"))
    assert "has no way back: reverse-expand.sql is missing" in reverse.reason
    assert "nothing to resume" in stopped(lambda: planning.deploy(there, resume=True)).reason
    assert everything(LOG) == before


def test_a_held_lock_and_a_run_that_was_cut_off_are_said(
    there: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Site(there.settings, there.server, there.console)
    other.lock.take("deploy", "20260101-000000")
    try:
        before = everything(LOG)
        assert "the site is locked by" in stopped(lambda: planning.rollback(there)).reason
        owner_at_work = stopped(lambda: planning.lock_release(there, "a reason"))
        assert "at work" in owner_at_work.reason
        planning.lock_release(there, "a reason", force=True)
        assert lock_apart(everything(LOG)) == lock_apart(before)
    finally:
        other.lock.release()
    there.ledger.add("started", "deploy", "20260101-000000", run="x", changes=True)
    capsys.readouterr()
    planning.deploy(there)
    words = capsys.readouterr().out
    assert "clear away what the run that was cut off has left" in words
    assert "docker rmi 1001stories:20260101-000000" in words
    reverse = stopped(lambda: planning.reverse(there, "02-database-migration"))
    assert "a run was cut off" in reverse.reason
    capsys.readouterr()
    planning.deploy(there, resume=True)
    assert "--tag 1001stories:20260101-000000" in capsys.readouterr().out, "its own stamp"
    there.ledger.add("settled", "deploy", "20260101-000000", run="x")

    release = there.live.read().release
    there.ledger.add("started", "deploy", release, run="y", changes=True)
    planning.deploy(there, resume=True)
    words = capsys.readouterr().out
    assert "take it up after the switch" in words
    assert "docker build" not in words
    there.ledger.add("settled", "deploy", release, run="y")


def lock_apart(text: str) -> list[str]:
    """Without the lock's own files, whose heartbeat goes on, and the folder that they lie in."""
    return [line for line in text.splitlines() if "/lock" not in line and "deploy 7" not in line]


def test_a_rollback_writes_the_configuration_that_its_plan_showed(there: Site, fab: Fab) -> None:
    done = fab("rollback", "--plan")
    assert done.returncode == 0, done.stderr
    old, path = there.nginx.read(), there.nginx.config_file().host_path
    assert fab("rollback").returncode == 0
    new = there.nginx.read()
    real = list(difflib.unified_diff(old.splitlines(), new.splitlines(), path, path, lineterm=""))
    assert real
    assert "\n".join(f"       {line}" for line in real) in done.stdout
