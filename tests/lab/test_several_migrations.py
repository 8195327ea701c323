"""Several migrations in order, plain ones of the schema among them, on any tables or none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabfile.errors import DeployError
from fabfile.operations import migrations as operation
from fabfile.server.migration_log import MigrationLog, standing
from fabfile.server.migration_summary import summary
from fabfile.server.migrations import Migrations
from fabfile.server.sql_session import DatabaseError
from fabfile.server.wrong_migrations import refuse_needed
from fabfile.settings import Settings
from fabfile.site import Site
from lab import server as lab_server
from tests.lab.conftest import Fab
from tests.lab.scratch_database import Scratch, scratch_database
from tests.lab.several import INDEX, SHIPPED, SUMMARY, changed, shipped, written
from tests.lab.test_migration import AFTER, BEFORE, refuse_forwarding

QUICK = "--set=deploy.watch_seconds=0"
COLUMN = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'summary'"
EMPTY = 'SELECT count(*) FROM "Story" WHERE summary IS NULL'
ROLE = '"the ""role"""'
RULES = "SELECT count(*) FROM pg_constraint WHERE conname = 'short'"


@pytest.fixture
def scratch(settings: Settings) -> Iterator[Scratch]:
    with scratch_database(settings) as made:
        made.psql((SHIPPED.parents[2] / "lab/site/db/03-stories.sql").read_text())
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The guide's migration, and after it one of the schema."""
    written(shipped(tmp_path / "sql"), "03-summary", SUMMARY)
    return tmp_path / "sql"


def at(scratch: Scratch, folder: Path) -> Site:
    return changed(scratch, migration={"folder": str(folder)})


def rows(site: Site, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The table of `migrations`, with single spaces."""
    capsys.readouterr()
    operation.migrations(site)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def states(site: Site, capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(
        next(word for word in ("applied", "pending", "deferred", "rolled", "failed") if word in row)
        for row in rows(site, capsys)[1:]
    )


def test_they_run_in_order_and_come_back_the_last_one_first(
    scratch: Scratch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = at(scratch, folder)
    migrations = Migrations(site)
    assert states(site, capsys) == " ".join(["pending"] * 6)
    assert scratch.psql("SELECT to_regclass('migration_log') IS NULL") == "t", "it only reads"
    migrations.check()
    migrations.expand()
    assert scratch.psql(COLUMN) == "1"
    assert scratch.psql(EMPTY) == "2000"
    migrations.data()
    assert (scratch.roles(), scratch.psql(EMPTY)) == (AFTER, "0")
    assert migrations.contract().changed
    assert not migrations.expand().changed and not migrations.contract().changed
    assert states(site, capsys) == " ".join(["applied"] * 6)
    order = scratch.psql(
        "SELECT string_agg(left(migration_name, 2) || stage, ' ' ORDER BY id) FROM migration_log"
        " WHERE status = 'COMPLETED'"
    )
    assert order == "02expand 03expand 02data 03data 02contract 03contract"
    assert migrations.unsettled() == []
    assert summary(migrations)[1] == "• 03-summary: expand and data and contract done"
    back = migrations.send_back()
    assert back.startswith("03-summary: contract and data taken back; roles: 2 moved back")
    assert (scratch.roles(), scratch.psql(EMPTY), scratch.psql(RULES)) == (BEFORE, "2000", "0")
    assert scratch.psql(COLUMN) == "1", "an expansion stays"
    assert states(site, capsys) == "applied rolled rolled applied rolled rolled"
    assert migrations.send_back() == ""
    assert migrations.data().changed and migrations.contract().changed, "and forth again"


def test_the_list_says_when_by_which_release_and_whether_a_file_was_changed(
    scratch: Scratch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(folder, "04-later", {"contract.sql": "-- only comments"})
    site = at(scratch, folder)
    Migrations(site).expand()
    (folder / "03-summary/expand.sql").write_text("SELECT 1;")
    head, *table = rows(site, capsys)
    assert head == "migration stage state when (UTC) by release sha256 files"
    assert table[0].startswith("02-database-migration expand applied 20")
    assert f" {site.release} " in table[0] and table[0].endswith(" unchanged")
    [expand] = [row for row in table if row.startswith("03-summary")]
    assert expand.endswith("CHANGED: expand.sql")
    assert any(row.startswith("04-later - empty: only comments") for row in table)
    for attempt in (Migrations(site).check, Migrations(site).refuse_changed):
        with pytest.raises(DeployError, match=r"03-summary/expand\.sql was changed") as caught:
            attempt()
        assert "new migration" in caught.value.reason
    only = at(scratch, shipped(folder.parent / "only"))
    assert rows(only, capsys)[-1].endswith("its folder is not here")
    assert Migrations(only).orphans() == ["03-summary"]


def test_a_fault_that_the_checks_find_takes_the_stage_back(scratch: Scratch, folder: Path) -> None:
    (folder / "03-summary/checks.sql").write_text("VALUES ('it is too late'), (NULL), ('no')")
    migrations = Migrations(at(scratch, folder))
    with pytest.raises(DatabaseError) as caught:
        migrations.expand()
    assert "03-summary/expand.sql: the database says: it is too late; no" in caught.value.reason
    assert scratch.psql(COLUMN) == "0"
    assert scratch.statuses() == (
        "expand STARTED, expand COMPLETED, expand STARTED, expand FAILED"
    ), "the first one's stays"


@pytest.mark.parametrize("forwarding", [True, False], ids=["forwarded", "forwarding forbidden"])
def test_an_index_is_built_outside_a_transaction_and_again_after_it_was_cut_off(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forwarding: bool
) -> None:
    if not forwarding:
        refuse_forwarding(monkeypatch)
    site = at(scratch, written(tmp_path, "03-index", INDEX).parent)
    scratch.psql('CREATE TABLE blocker (x int); CREATE INDEX by_title ON "Story" (id)')
    assert Migrations(site).expand().text == "03-index, expand: done"
    seen = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_title'::regclass"
    assert scratch.psql(seen) == "t"
    assert scratch.statuses() == "expand STARTED, expand COMPLETED"
    assert Migrations(site).send_back() == ""


def test_one_role_after_another_goes_there_and_back(scratch: Scratch, folder: Path) -> None:
    second = folder / "04-members"
    shipped(folder.parent / "again")
    (folder.parent / "again/02-database-migration").rename(second)
    (second / "migration.yaml").write_text("roles: {old: CUSTOMER, new: MEMBER}")
    migrations = Migrations(at(scratch, folder))
    migrations.expand()
    migrations.data()
    assert scratch.roles() == "ADMIN|2 MEMBER|2"
    migrations.contract()
    assert scratch.psql("SELECT count(*) FROM pg_constraint WHERE conname ~ '^deploy_old'") == "2"
    assert migrations.unsettled() == []
    migrations.send_back()
    assert scratch.roles() == BEFORE


@pytest.mark.parametrize("schema", ["", "app", 'we"ird; schema'])
def test_any_names_are_quoted_everywhere(scratch: Scratch, folder: Path, schema: str) -> None:
    quoted = '"' + schema.replace('"', '""') + '"'
    scratch.psql(f"""
        ALTER TABLE "User" RENAME TO "User Accounts"; ALTER TYPE "Role" RENAME TO "UserRole";
        ALTER TABLE "User Accounts" RENAME COLUMN role TO {ROLE};
        ALTER TABLE "User Accounts" RENAME COLUMN "updatedAt" TO "it's";
        ALTER TABLE "Session" RENAME TO "select"; ALTER TABLE "select" RENAME "userId" TO "from";
    """)
    if schema:
        moved = ("User Accounts", "select", "Story")
        tables = "".join(f'ALTER TABLE "{name}" SET SCHEMA {quoted};' for name in moved)
        scratch.psql(f'CREATE SCHEMA {quoted}; ALTER TYPE "UserRole" SET SCHEMA {quoted}; {tables}')
    names = {
        "schema": schema,
        "user_table": "User Accounts",
        "role_column": 'the "role"',
        "role_type": "UserRole",
        "updated_column": "it's",
        "session_table": "select",
        "session_user": "from",
    }
    site = changed(scratch, database=names, migration={"folder": str(folder)})
    where = f'{quoted if schema else "public"}."User Accounts"'
    seen = f"SELECT string_agg({ROLE}::text, ' ' ORDER BY {ROLE}::text) FROM {where}"
    migrations = Migrations(site)
    assert str(migrations.check()) == "2 ADMIN, 2 LEARNER"
    migrations.prepare()
    backup = site.backups.create("pre-migration", "r1", files=False)
    assert (backup.roles, backup.sessions) == ({"LEARNER": 2, "ADMIN": 2}, 6)
    migrations.expand()
    migrations.data()
    assert migrations.contract().changed
    assert scratch.psql(seen) == "ADMIN ADMIN CUSTOMER CUSTOMER"
    assert migrations.unsettled() == []
    assert sum(site.database.sessions_per_user().values()) == 6
    with pytest.raises(Exception, match="deploy_old_role_has_gone"):
        scratch.psql(f"UPDATE {where} SET {ROLE} = 'LEARNER'")
    migrations.send_back()
    assert scratch.psql(seen) == "ADMIN ADMIN LEARNER LEARNER"


def test_a_database_without_users_is_migrated_and_backed_up_all_the_same(
    scratch: Scratch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch.psql('DROP TABLE "ReadingProgress"; ALTER TABLE "Story" DROP COLUMN "authorId"')
    scratch.psql('DROP TABLE "User", "Session"; DROP TYPE "Role"')
    nothing: dict[str, object] = dict.fromkeys(
        ("user_table", "role_column", "role_type", "session_table", "updated_column"), ""
    )
    site = changed(scratch, database=nothing, migration={"folder": str(folder)})
    migrations = Migrations(site)
    none = "no user table (database.user_table is empty)"
    assert str(migrations.check()) == none
    migrations.prepare()
    backup = site.backups.create("pre-migration", "r1", files=False)
    assert (backup.roles, backup.sessions) == ({}, 0)
    migrations.expand()
    migrations.data()
    migrations.contract()
    assert (scratch.psql(EMPTY), scratch.psql(RULES)) == ("0", "1")
    assert summary(migrations) == [
        "• 03-summary: expand and data and contract done",
        f"• Users: {none}",
        "• Data integrity: Verified",
    ]
    why = "02-database-migration: no roles to move here (database.user_table is empty)"
    assert rows(site, capsys)[-1] == why
    without_roles = {"user_table": "Story", "role_column": "", "session_table": ""}
    people = changed(scratch, database=without_roles).database.people()
    assert str(people) == "2000 users, no roles (database.role_column is empty)"


def test_after_a_restore_the_log_knows_which_stages_the_restored_database_has(
    scratch: Scratch, folder: Path
) -> None:
    site = at(scratch, folder)
    migrations = Migrations(site)
    migrations.expand()
    scratch.psql("CREATE DATABASE earlier TEMPLATE scratch")
    migrations.data()
    migrations.contract()
    earlier = site.database.other("earlier")
    with site.database.session() as former, earlier.session() as restored:
        log = MigrationLog(restored, "")
        assert log.take_over(former, "r9", "restored", ["02-database-migration"]) > 4
        for entries in log.every().values():
            held = [stage for stage in ("expand", "data", "contract") if standing(entries, stage)]
            assert held == ["expand"]
            assert entries[-1].status == "ROLLED_BACK"
    again = Migrations(site, on=earlier)
    assert not again.expand().changed, "what is there is not added once more"
    assert again.data().changed


def test_what_cannot_be_read_is_refused_where_it_is_needed_and_left_aside_elsewhere(
    scratch: Scratch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(folder, "04-half", {"expnad.sql": "SELECT"})
    site = at(scratch, folder)
    site.release = "20260202-000000"
    assert Migrations(site).expand().changed
    refuse_needed(site)
    refuse_needed(site, "20260101-000000")
    said, *listed = rows(site, capsys)
    assert said.startswith("! not listed, and no deploy goes by it: ")
    assert any(row.startswith("03-summary expand applied ") for row in listed), listed

    (folder / "03-summary/oops.sql").touch()
    wrong = at(scratch, folder)
    refuse_needed(wrong, "20260101-000000")  # an expansion stays anyway
    with pytest.raises(DeployError, match="03-summary is applied, and its files are needed"):
        refuse_needed(wrong)
    Migrations(site).data()
    for release in ("20260202-000000", "20260203-000000"):
        refuse_needed(wrong, release)
    for release in ("20260101-000000", "production", ""):
        with pytest.raises(DeployError, match=r"03-summary is applied.*oops\.sql"):
            refuse_needed(wrong, release)


def test_by_request_an_expansion_goes_too_after_a_backup_and_a_yes(
    scratch: Scratch, folder: Path
) -> None:
    site = at(scratch, folder)
    Migrations(site).expand()
    for name, words in (
        ("02-database-migration", r"has no way back: reverse-expand\.sql is missing"),
        ("03-summary", "not confirmed"),
    ):
        with pytest.raises(DeployError, match=words):
            operation.reverse(site, name, yes=False)
    assert scratch.psql(COLUMN) == "1"
    operation.reverse(site, "03-summary", yes=True)
    assert scratch.psql(COLUMN) == "0"
    assert [backup.kind for backup in site.backups.list()] == ["manual"]
    with pytest.raises(DeployError, match="nothing of 03-summary is applied"):
        operation.reverse(site, "03-summary", yes=True)
    (folder / "03-summary/expand.sql").write_text(SUMMARY["expand.sql"] + "-- mended\n")
    assert Migrations(site).expand().changed, "what was taken back may be written anew"


# -- whole deploys, in their order -----------------------------------------------------------------


@pytest.fixture(scope="module")
def sql(tmp_path_factory: pytest.TempPathFactory, lab: None) -> Path:
    """For the deploys below, which go on from each other."""
    lab_server.reset()
    parent = shipped(tmp_path_factory.mktemp("deploys") / "sql")
    written(parent, "03-summary", SUMMARY)
    return parent


def test_a_second_expansion_that_fails_leaves_the_site_as_it_was(sql: Path, fab: Fab) -> None:
    broken = sql / "03-summary/expand.sql"
    broken.write_text('ALTER TABLE "Stories" ADD COLUMN summary text;')
    done = fab("deploy", QUICK, f"--set=migration.folder={sql}")
    broken.write_text(SUMMARY["expand.sql"])
    assert done.returncode == 1, done.stdout + done.stderr
    assert '03-summary/expand.sql: the database says: relation "Stories" does not' in done.stderr
    assert "rollback trigger: transaction rollback occurs" in done.stderr
    assert "stays expanded, which only adds: 02-database-migration" in done.stderr
    assert "taken back" not in done.stderr
    assert lab_server.run("docker ps --format '{{.Names}}'").stdout.count("1001-stories-app") == 1


def test_a_deploy_runs_both_and_a_rollback_takes_back_what_the_old_release_cannot_live_with(
    sql: Path, fab: Fab, psql: Callable[[str], str]
) -> None:
    where = f"--set=migration.folder={sql}"
    done = fab("deploy", QUICK, where)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "• Users migrated: 2 LEARNER → 2 CUSTOMER" in done.stdout
    assert "• 03-summary: expand and data and contract done" in done.stdout
    assert (psql(EMPTY), psql(RULES)) == ("0", "1")
    listed = fab("migrations", where)
    assert listed.stdout.count(" applied ") == 6, listed.stdout + listed.stderr
    refused = fab("migration", "--reverse=03-summary", "--yes", where)
    assert refused.returncode == 1
    assert "runs a release that was made for 03-summary" in refused.stderr

    oops, half = sql / "03-summary/oops.sql", written(sql, "04-half", {"expnad.sql": "SELECT"})
    oops.touch()
    needed = fab("rollback", where)
    assert needed.returncode == 1, needed.stdout + needed.stderr
    assert f"✗ 03-summary is applied, and its files are needed: {oops}: no such" in needed.stderr
    assert psql(RULES) == "1"
    oops.unlink()
    looked = {c["name"]: c for c in json.loads(fab("doctor", "--json", where).stdout)["checks"]}
    assert looked["migration files"]["verdict"] == "fail"
    assert "expnad.sql: no such stage" in looked["migration files"]["found"]
    assert looked["migrations applied"]["found"] == "6 stages applied, files unchanged"

    back = fab("rollback", where)
    assert back.returncode == 0, back.stdout + back.stderr
    assert f"left aside, as it is not needed here: {half}/expnad.sql" in back.stdout + back.stderr
    assert "• 03-summary stays expanded: it only adds" in back.stdout
    shutil.rmtree(half)
    assert (psql(COLUMN), psql(EMPTY), psql(RULES)) == ("1", "2000", "0")
    assert psql("""SELECT count(*) FROM "User" WHERE role = 'LEARNER'""") == "2"


def test_a_changed_file_is_refused_before_anything_is_touched(sql: Path, fab: Fab) -> None:
    file = sql / "03-summary/expand.sql"
    file.write_text(SUMMARY["expand.sql"] + "-- a remark\n")
    doctor = json.loads(fab("doctor", "--json", f"--set=migration.folder={sql}").stdout)
    looked = {check["name"]: check for check in doctor["checks"]}
    assert looked["migration files"]["verdict"] == "pass"
    assert looked["migrations applied"]["verdict"] == "fail"
    assert "03-summary/expand.sql" in looked["migrations applied"]["found"]
    containers = lab_server.run("docker ps -a --format '{{.ID}}'").stdout
    for task in ("run-migration", "blue-green-deploy"):
        done = fab(task, QUICK, f"--set=migration.folder={sql}")
        assert done.returncode == 1, done.stdout + done.stderr
        assert f"{file} was changed after it had been applied: sha256" in done.stderr
        assert "new migration" in done.stderr
    assert lab_server.run("docker ps -a --format '{{.ID}}'").stdout == containers
    file.write_text(SUMMARY["expand.sql"])


def test_what_went_back_goes_forth_again_with_the_next_deploy(
    sql: Path, fab: Fab, psql: Callable[[str], str]
) -> None:
    done = fab("deploy", QUICK, f"--set=migration.folder={sql}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (psql(EMPTY), psql(RULES)) == ("0", "1")
    full = fab("rollback", "--full", "--yes", f"--set=migration.folder={sql}")
    assert full.returncode == 0, full.stdout + full.stderr
    assert psql(COLUMN) == "1", "it was there when the backup was made"
    assert (psql(EMPTY), psql(RULES)) == ("2000", "0")


def test_a_site_that_is_told_of_no_users_deploys_and_goes_back(fab: Fab, tmp_path: Path) -> None:
    lab_server.reset()
    options = (
        f"--set=migration.folder={written(tmp_path, '03-index', INDEX).parent}",
        *(f"--set=database.{name}=" for name in ("user_table", "role_type", "session_table")),
    )
    none = "no user table (database.user_table is empty)"
    done = fab("deploy", QUICK, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Database users: {none}" in done.stdout or f"users by role: {none}" in done.stdout
    assert f"• Users: {none}" in done.stdout
    for task in (("rollback",), ("status",), ("validate",), ("backup",), ("migrations",)):
        again = fab(*task, *options)
        assert again.returncode == 0, again.stdout + again.stderr
    restored = fab("restore", "latest", "--yes", *options)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert f"• Users: {none}" in restored.stdout
