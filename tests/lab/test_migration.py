"""The migration against a real PostgreSQL, over a real connection; broken on purpose."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabfile.errors import DeployError
from fabfile.phases.migrate import Migrate
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.server.forwarding import ForwardingRefused
from fabfile.server.migration_summary import summary
from fabfile.server.migrations import Migrations
from fabfile.server.role_migration import MovedBack, RoleMigration
from fabfile.server.sql_session import DatabaseError
from fabfile.settings import Settings
from fabfile.site import Site
from lab.environment import DATABASE_PASSWORD
from lab.shell import LabError
from tests.lab.scratch_database import Scratch, scratch_database
from tests.lab.several import changed, shipped
from tests.programs import Done

BEFORE, AFTER = "LEARNER|2 ADMIN|2", "ADMIN|2 CUSTOMER|2"
SIGN_UP = """INSERT INTO "User" (id, email, name, password, role) VALUES
    ('{name}', '{name}@example.org', '{name}', 'x', '{role}');"""


@pytest.fixture
def scratch(settings: Settings) -> Iterator[Scratch]:
    with scratch_database(settings) as made:
        yield made


def role_migration(site: Site) -> RoleMigration:
    """The guide's, alone."""
    return Migrations(site).roles[0]


def refuse_forwarding(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def refuse(self: Server, host: str, port: int) -> Iterator[int]:
        raise ForwardingRefused("forbidden by this test")
        yield 0

    monkeypatch.setattr(Server, "forward", refuse)


@contextlib.contextmanager
def holding(scratch: Scratch, sql: str, seconds: int) -> Iterator[None]:
    """Another session that runs this and keeps its transaction open."""
    text = f"SET application_name = 'a long report'; BEGIN; {sql}; SELECT pg_sleep({seconds});"

    def hold() -> None:
        with contextlib.suppress(LabError):  # it ends by being ended
            scratch.psql(text)

    holder = threading.Thread(target=hold)
    holder.start()
    waited = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    until(lambda: scratch.psql(waited) == "1")
    try:
        yield
    finally:
        scratch.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        )
        holder.join()


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.mark.parametrize("forwarding", [True, False], ids=["forwarded", "forwarding forbidden"])
def test_there_and_back_is_the_same_over_either_connection(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, forwarding: bool
) -> None:
    if not forwarding:
        refuse_forwarding(monkeypatch)
    migrations = Migrations(scratch.site)
    original = scratch.psql('SELECT id, email, role, password FROM "User" ORDER BY id')
    assert migrations.expand().changed
    assert not migrations.expand().changed
    assert migrations.data_is_due() and not role_migration(scratch.site).has_moved()
    assert scratch.roles() == BEFORE
    assert migrations.data().changed
    assert scratch.roles() == AFTER
    assert not migrations.data().changed
    assert role_migration(scratch.site).has_moved() and not migrations.data_is_due()
    assert summary(migrations) == [
        "• Users migrated: 2 LEARNER → 2 CUSTOMER",
        "• Total users: 4 (2 CUSTOMER, 2 ADMIN)",
        "• Data integrity: Verified",
    ]
    assert migrations.contract().changed
    with pytest.raises(LabError, match="deploy_old_role_has_gone"):
        sign_up(scratch, "stale", "LEARNER")
    assert migrations.send_back() == f"roles: {MovedBack(from_map=2)}"
    assert migrations.send_back() == ""
    assert scratch.psql('SELECT id, email, role, password FROM "User" ORDER BY id') == original
    sign_up(scratch, "welcome", "LEARNER")
    assert migrations.data().changed, "what was reversed may be done again"
    assert scratch.roles() == "ADMIN|2 CUSTOMER|3"
    assert scratch.statuses() == (
        "expand STARTED, expand COMPLETED, data STARTED, data COMPLETED, contract STARTED, "
        "contract COMPLETED, data REVERSED, contract REVERSED, data STARTED, data COMPLETED"
    )
    newest = "SELECT status FROM migration_log ORDER BY started_at DESC LIMIT 1"
    assert scratch.psql(newest) == "COMPLETED", "the guide's command shows how it stands"


def sign_up(scratch: Scratch, name: str, role: str) -> None:
    scratch.psql(SIGN_UP.format(name=name, role=role))


def test_either_connection_gives_the_same_rows_and_the_same_errors(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = r"""SELECT 'it''s :x %s $1 \n {{ a }} — é' || chr(10) || '\q' AS text,
               1.5 AS number, NULL AS nothing, true AS yes, now() - now() AS no_time"""

    def seen() -> tuple[object, str, str]:
        with scratch.site.database.session("r1") as session:
            rows = session.query(hard)
            with pytest.raises(DatabaseError) as caught:
                session.execute("BEGIN; CREATE TABLE kept (x int); SELECT 1/0; COMMIT")
            gone = session.query("SELECT to_regclass('kept') IS NULL AS gone")[0]["gone"]
            assert gone is True, "the session lives on, outside the failed transaction"
            name = session.query("SELECT current_setting('application_name') AS name")
            assert name == [{"name": "deploy:r1"}]
            return rows, caught.value.reason, caught.value.code

    forwarded = seen()
    refuse_forwarding(monkeypatch)
    assert seen() == forwarded
    assert forwarded[2] == "22012"


def test_a_password_that_was_changed_since_does_not_matter_and_is_not_told(
    scratch: Scratch,
) -> None:
    scratch.psql("ALTER ROLE scratch PASSWORD 'changed since'")
    assert scratch.site.database.people().roles == {"LEARNER": 2, "ADMIN": 2}
    scratch.psql("ALTER ROLE scratch NOLOGIN")
    with pytest.raises(DatabaseError) as caught:
        scratch.site.database.people()
    assert "not permitted to log in" in caught.value.evidence
    assert DATABASE_PASSWORD not in repr(vars(caught.value))


def test_a_role_that_was_changed_since_is_kept_and_newcomers_go_back_too(
    scratch: Scratch,
) -> None:
    migrations = role_migration(scratch.site)
    migrations.expand()
    sign_up(scratch, "between", "LEARNER")  # after expand, before data
    migrations.data()
    assert scratch.roles() == "ADMIN|2 CUSTOMER|3"
    scratch.psql("""UPDATE "User" SET role = 'ADMIN' WHERE id = 'user-learner-1'""")
    scratch.psql("""DELETE FROM "User" WHERE id = 'user-learner-2'""")
    sign_up(scratch, "since", "CUSTOMER")
    assert migrations.move_back() == MovedBack(from_map=1, created_since=1, promoted=2)
    assert scratch.roles() == "LEARNER|2 ADMIN|3"
    sign_up(scratch, "late", "CUSTOMER")  # by the new release's last workers
    assert migrations.has_moved()
    assert migrations.move_back() == MovedBack(created_since=1)
    assert not migrations.has_moved()
    assert scratch.roles() == "LEARNER|3 ADMIN|3"


def test_killed_in_the_middle_of_the_rows_nothing_has_moved_and_the_next_run_completes(
    scratch: Scratch,
) -> None:
    Migrations(scratch.site).expand()
    scratch.psql("""
        CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN PERFORM pg_sleep(20); RETURN NEW; END $$;
        CREATE TRIGGER slowly BEFORE UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION slowly()""")
    operator = multiprocessing.get_context("fork").Process(
        target=move_rows, args=(scratch.site.settings,)
    )
    operator.start()
    in_the_update = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    until(lambda: scratch.psql(in_the_update) == "1")
    assert operator.pid
    os.kill(operator.pid, signal.SIGKILL)
    operator.join()
    mine = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    until(lambda: scratch.psql(mine) == "0")
    assert scratch.roles() == BEFORE
    assert scratch.statuses() == "expand STARTED, expand COMPLETED, data STARTED"
    scratch.psql('DROP TRIGGER slowly ON "User"')
    assert "cut off" in Migrations(scratch.site).data().text
    assert scratch.roles() == AFTER


def move_rows(settings: Settings) -> None:
    Migrations(Site(settings, Server(settings), Console())).data()


def test_users_who_are_not_as_expected_stop_it_before_anything_changes(
    scratch: Scratch, tmp_path: Path
) -> None:
    own = "roles: {old: LEARNER, new: CUSTOMER, expect: {LEARNER: 3, ADMIN: 2}}"
    site = changed(scratch, migration={"folder": str(shipped(tmp_path, own))})
    for attempt in (Migrations(site).check, Migrations(site).expand):
        with pytest.raises(DeployError, match="not as 02-database-migration expects") as caught:
            attempt()
        assert "3 LEARNER" in caught.value.evidence and "2 LEARNER" in caught.value.evidence
    assert "CUSTOMER" not in scratch.psql('SELECT enum_range(NULL::"Role")')
    assert scratch.roles() == BEFORE


def test_a_file_that_was_edited_after_it_was_applied_is_refused(
    scratch: Scratch, tmp_path: Path
) -> None:
    folder = shipped(tmp_path) / "02-database-migration"
    migrations = Migrations(changed(scratch, migration={"folder": str(tmp_path)}))
    migrations.expand()
    migrations.data()
    with (folder / "data.sql").open("a") as file:
        file.write("-- a remark, later\n")
    for attempt in (migrations.check, migrations.data, migrations.contract, migrations.expand):
        with pytest.raises(DeployError, match=r"data\.sql was changed") as caught:
            attempt()
        assert caught.value.evidence.count("sha256") == 2
    assert scratch.roles() == AFTER


def test_a_failed_check_inside_the_transaction_leaves_every_row_and_says_failed(
    scratch: Scratch,
) -> None:
    migrations = Migrations(scratch.site)
    migrations.expand()
    scratch.psql("""
        CREATE FUNCTION sign_out() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM "Session" WHERE "userId" = NEW.id; RETURN NEW; END $$;
        CREATE TRIGGER sign_out AFTER UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION sign_out()""")
    sessions = scratch.psql('SELECT count(*) FROM "Session"')
    with pytest.raises(DatabaseError, match="sessions per user have changed"):
        migrations.data()
    assert scratch.roles() == BEFORE
    assert scratch.psql('SELECT count(*) FROM "Session"') == sessions
    assert scratch.statuses().endswith("data STARTED, data FAILED")
    assert migrations.data_is_due() and not role_migration(scratch.site).has_moved()


def test_a_lock_that_is_not_given_names_who_has_it(scratch: Scratch) -> None:
    migrations = Migrations(scratch.site)
    migrations.expand()
    with (
        holding(scratch, 'LOCK TABLE "User" IN SHARE MODE', 60),
        pytest.raises(DatabaseError) as caught,
    ):
        migrations.data()
    assert caught.value.code == "55P03"
    assert "a long report" in caught.value.evidence
    assert "user scratch" in caught.value.evidence and "pg_sleep(60)" in caught.value.evidence
    assert scratch.roles() == BEFORE


def test_two_migrations_at_once_are_one_too_many(scratch: Scratch) -> None:
    with scratch.site.database.session("20200101-000000") as session:
        session.take_advisory_lock("deploy:migrate")
        with pytest.raises(DeployError, match="another session holds") as caught:
            Migrations(scratch.site).expand()
    assert "deploy:20200101-000000" in caught.value.evidence
    assert Migrations(scratch.site).expand().changed


def test_a_large_table_moves_in_batches_around_a_row_that_somebody_has_locked(
    scratch: Scratch, tmp_path: Path
) -> None:
    scratch.psql("""INSERT INTO "User" (id, email, name, password, role)
        SELECT 'u' || n, n || '@example.org', n, 'x', 'LEARNER' FROM generate_series(1, 998) n""")
    folder = str(shipped(tmp_path, "roles: {old: LEARNER, new: CUSTOMER}"))
    site = changed(scratch, migration={"folder": folder, "batch_above": 100, "batch_size": 100})
    migrations = Migrations(site)
    migrations.expand()
    row = """UPDATE "User" SET name = 'busy' WHERE id = 'u500'"""
    with holding(scratch, row, 60), pytest.raises(DatabaseError) as caught:
        migrations.data()
    assert caught.value.code == "55P03", "the last pass waits, and skips nothing"
    left = int(scratch.psql("""SELECT count(*) FROM "User" WHERE role = 'LEARNER'"""))
    assert left == 1
    assert migrations.data_is_due()
    assert migrations.data().changed
    assert scratch.roles() == "ADMIN|2 CUSTOMER|1000"
    assert summary(migrations)[0] == "• Users migrated: 1000 LEARNER → 1000 CUSTOMER"
    assert role_migration(site).move_back() == MovedBack(from_map=1000)


def test_without_a_folder_every_part_of_it_does_nothing(scratch: Scratch) -> None:
    migrations = Migrations(changed(scratch, migration={"folder": ""}))
    for stage in (migrations.expand, migrations.data, migrations.contract):
        assert stage().text.startswith("no migration") and not stage().changed
    assert migrations.send_back() == "" and not migrations.wanted
    assert not migrations.data_is_due() and not migrations.contract_is_due()
    assert summary(migrations) == ["no migration: migration.folder is empty"]
    assert scratch.psql("SELECT to_regclass('migration_log') IS NULL") == "t"


def test_rows_that_validation_does_not_accept_go_back(scratch: Scratch) -> None:
    """A trigger that runs at COMMIT, which no check inside the transaction can see."""
    scratch.psql("""
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE "User" SET role = 'LEARNER' WHERE id = 'user-learner-1' AND role = 'CUSTOMER';
            RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER meddle AFTER UPDATE ON "User"
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION meddle()""")
    with pytest.raises(DeployError, match="1 users are in LEARNER again"):
        Migrate(scratch.site, data="now").run()
    assert scratch.roles() == BEFORE
    assert scratch.statuses().endswith("data COMPLETED, data REVERSED")


def test_the_phase_on_production_defers_the_rows_and_now_moves_them(
    site: Site, fab: Callable[..., Done], psql: Callable[[str], str]
) -> None:
    deferred = fab("run-migration")
    assert deferred.returncode == 0, deferred.stderr
    assert "right after the switch" in deferred.stdout
    assert psql("""SELECT count(*) FROM "User" WHERE role = 'LEARNER'""") == "2"
    assert [c.service for c in role_migration(site).lacking()] == ["app"]
    done = fab("run-migration", "--set", "migration.data=now")
    assert done.returncode == 0, done.stderr
    assert "1001-stories-app cannot read CUSTOMER" in done.stdout + done.stderr
    summary = (
        "Migration Summary:\n• Users migrated: 2 LEARNER → 2 CUSTOMER\n"
        "• Total users: 4 (2 CUSTOMER, 2 ADMIN)\n• Data integrity: Verified\n"
    )
    assert summary in done.stdout
    assert psql("""SELECT count(*) FROM "User" WHERE role = 'CUSTOMER'""") == "2"
    backups = psql("SELECT count(DISTINCT backup_sha256) FROM migration_log")
    assert backups == "2", "each run says which dump was made before it"
