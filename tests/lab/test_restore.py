"""A backup restored beside the live database and swapped in; broken on purpose."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg2
import pytest

from fabfile.errors import DeployError
from fabfile.report.console import Console
from fabfile.server import swap
from fabfile.server.backup import Backup
from fabfile.server.connection import Server
from fabfile.server.database import Database
from fabfile.server.forwarding import ForwardingRefused
from fabfile.server.kept import kept_by, kept_databases, sweep_candidates
from fabfile.server.loss import TableLoss
from fabfile.server.migration_log import MigrationLog, standing
from fabfile.server.migrations import Migrations
from fabfile.server.new_rows import NewRow, NewRows
from fabfile.server.numbers import keep_numbers
from fabfile.server.restore import Restore
from fabfile.server.snapshot import table_counts
from fabfile.server.sql_session import DatabaseError, Session, explained
from fabfile.server.swap import swap_back
from fabfile.settings import Settings
from fabfile.site import Site
from lab import server as lab_server
from lab.environment import DATABASE_PASSWORD
from lab.shell import LabError
from tests.lab.scratch_database import Scratch, scratch_database
from tests.programs import ROOT

NAMES = """SELECT datname FROM pg_database
    WHERE datname NOT IN ('postgres', 'template0', 'template1') ORDER BY 1"""
USERS, STORIES = 'SELECT count(*) FROM "User"', 'SELECT count(*) FROM "Story"'
SIGN_UP = """INSERT INTO "User" (id, email, name, password, role) VALUES
    ('{name}', '{name}@example.org', '{name}', 'x', '{role}');"""
WRITE = """INSERT INTO "Story" (title, content, "authorId")
    VALUES ('new', 'x', 'user-admin-1') RETURNING id"""


@pytest.fixture
def scratch(settings: Settings) -> Iterator[Scratch]:
    with scratch_database(settings) as made:
        made.psql((ROOT / "lab/site/db/03-stories.sql").read_text())
        yield made


def on(scratch: Scratch, database: str, sql: str) -> str:
    """Run SQL in one of the databases, by a way of its own."""
    client = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "scratch"]
    command = ["docker", "exec", "-i", scratch.container, *client, "-d", database]
    return lab_server.run(command, text=sql).stdout.strip()


def names(scratch: Scratch) -> list[str]:
    return on(scratch, "postgres", NAMES).split()


def backed_up(scratch: Scratch) -> Backup:
    return scratch.site.backups.create("manual", "20260101-000000", files=False)


def swapped(scratch: Scratch, backup: Backup) -> str:
    """The backup is live; the name of what is kept."""
    restore = Restore(scratch.site, backup)
    return restore.swap(restore.build())


def refuse_forwarding(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def refuse(self: Server, host: str, port: int) -> Iterator[int]:
        raise ForwardingRefused("forbidden by this test")
        yield 0

    monkeypatch.setattr(Server, "forward", refuse)


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@contextlib.contextmanager
def visitors(scratch: Scratch, visit: Callable[[int], None], number: int) -> Iterator[None]:
    """Clients that come again and again until the block ends, whatever becomes of a visit.

    :param visit: called with a port that leads to the database.
    """
    stop = threading.Event()

    def come() -> None:
        while not stop.is_set():
            with contextlib.suppress(psycopg2.Error):
                visit(port)

    address = scratch.site.database.container.address
    with scratch.site.server.forward(address, 5432) as port:
        threads = [threading.Thread(target=come) for _ in range(number)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


@contextlib.contextmanager
def client(port: int) -> Iterator[psycopg2.extensions.connection]:
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=port,
        user="scratch",
        dbname="scratch",
        password=DATABASE_PASSWORD,
        sslmode="disable",
        gssencmode="disable",
    )
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


# -- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("forwarding", [True, False], ids=["forwarded", "forwarding forbidden"])
def test_a_swapped_restore_has_exactly_the_backups_rows_and_what_was_live_is_kept(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, forwarding: bool
) -> None:
    if not forwarding:
        refuse_forwarding(monkeypatch)
    backup = backed_up(scratch)
    digest = 'SELECT md5(string_agg(u::text, chr(10) ORDER BY id)) FROM "User" u'
    before = scratch.psql(digest)
    scratch.psql(
        SIGN_UP.format(name="late", role="LEARNER")
        + """DELETE FROM "Story" WHERE id > 1000;
        UPDATE "User" SET name = 'damaged' WHERE id = 'user-learner-1';
        DROP TABLE "Session"; CREATE TABLE newer (id int)"""
    )
    restore = Restore(scratch.site, backup)
    candidate = restore.build()
    assert scratch.psql(USERS) == "5", "until the swap the live one is as it was"
    kept = restore.swap(candidate)
    with scratch.site.database.session() as session:
        assert table_counts(session) == backup.counts
    assert scratch.psql(digest) == before
    assert on(scratch, kept, f"{USERS}; {STORIES}; SELECT to_regclass('newer')").split() == [
        "5",
        "1000",
        "newer",
    ]
    with pytest.raises(LabError, match="read-only transaction"):
        on(scratch, kept, SIGN_UP.format(name="stray", role="LEARNER"))
    stamp = scratch.site.release.replace("-", "_")
    assert names(scratch) == ["scratch", kept] and kept == f"scratch_kept_{stamp}"
    assert kept_by(scratch.site.database, scratch.site.release) == kept
    assert kept_by(scratch.site.database, "20200101-000000") == ""
    analyzed = "SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'Story'"
    assert scratch.psql(analyzed) == "t"

    other = swap_back(scratch.site, kept)
    assert scratch.psql(f"{USERS}; {STORIES}").split() == ["5", "1000"]
    scratch.psql(SIGN_UP.format(name="writes again", role="LEARNER"))
    assert on(scratch, other, USERS) == "4"
    with pytest.raises(LabError, match="read-only transaction"):
        on(scratch, other, SIGN_UP.format(name="stray", role="LEARNER"))
    assert [one.name for one in kept_databases(scratch.site.database)] == [other]
    assert kept_databases(scratch.site.database)[0].size > 1_000_000
    with pytest.raises(DeployError, match="there is no kept database") as caught:
        swap_back(scratch.site, kept)
    assert other in caught.value.evidence


def test_under_writers_every_acknowledged_row_is_in_one_of_both_and_no_number_twice(
    scratch: Scratch,
) -> None:
    backup = backed_up(scratch)
    acknowledged: list[int] = []

    def write(port: int) -> None:
        with client(port) as connection, connection.cursor() as cursor:
            for _ in range(50):
                cursor.execute(WRITE)
                row = cursor.fetchone()
                assert row
                acknowledged.append(row[0])

    def more() -> None:
        now = len(acknowledged)
        until(lambda: len(acknowledged) > now + 200)

    with visitors(scratch, write, 6):
        more()
        kept = swapped(scratch, backup)
        more()
        other = swap_back(scratch.site, kept)
        more()
    newer = 'SELECT id FROM "Story" WHERE id > 2000'
    live = [int(line) for line in scratch.psql(newer).split()]
    restored = [int(line) for line in on(scratch, other, newer).split()]
    assert {*acknowledged} <= {*live, *restored}
    assert len({*live, *restored}) == len(live) + len(restored), "no id in both"
    assert len({*acknowledged}) == len(acknowledged)


def test_what_an_archive_lacks_is_carried_over_by_hand(scratch: Scratch) -> None:
    backup = backed_up(scratch)
    on(
        scratch,
        "postgres",
        """CREATE ROLE reader; CREATE ROLE "Odd ""one"; CREATE ROLE owner;
        ALTER DATABASE scratch OWNER TO owner;
        REVOKE ALL ON DATABASE scratch FROM PUBLIC;
        GRANT CONNECT ON DATABASE scratch TO reader WITH GRANT OPTION;
        GRANT TEMPORARY ON DATABASE scratch TO "Odd ""one";
        ALTER DATABASE scratch CONNECTION LIMIT 42;
        ALTER DATABASE scratch SET search_path = "$user", 'a, b', public;
        ALTER DATABASE scratch SET app.motto = 'it''s; "fine", \\n';
        ALTER DATABASE scratch SET TimeZone = 'Africa/Nairobi';
        ALTER ROLE "Odd ""one" IN DATABASE scratch SET work_mem = '7MB';
        COMMENT ON DATABASE scratch IS 'the stories''s own'""",
    )
    look = """SELECT pg_get_userbyid(datdba), encoding, datcollate, datctype, datconnlimit,
        (SELECT array_agg(a ORDER BY a::text) FROM unnest(datacl) AS a),
        shobj_description(oid, 'pg_database'),
        (SELECT json_agg(json_build_array(setrole, setconfig) ORDER BY setrole)
           FROM pg_db_role_setting WHERE setdatabase = d.oid)
        FROM pg_database AS d WHERE datname = 'scratch'"""
    before = on(scratch, "postgres", look)
    assert "42" in before and "Nairobi" in before and "motto" in before
    swapped(scratch, backup)
    assert on(scratch, "postgres", look) == before
    assert scratch.psql("SHOW search_path") == '"$user", "a, b", public'


def test_owners_and_rights_inside_come_back_too(scratch: Scratch) -> None:
    scratch.psql("""CREATE ROLE writer; ALTER TABLE "Story" OWNER TO writer;
        GRANT SELECT ON "User" TO writer""")
    backup = backed_up(scratch)
    look = """SELECT relname, pg_get_userbyid(relowner), relacl FROM pg_class
        WHERE relname IN ('Story', 'User') ORDER BY 1"""
    before = scratch.psql(look)
    swapped(scratch, backup)
    assert scratch.psql(look) == before and "writer" in before


def test_a_number_that_was_given_out_is_not_given_out_again(scratch: Scratch) -> None:
    scratch.psql("""CREATE SEQUENCE small AS smallint; CREATE SEQUENCE down INCREMENT -5;
        CREATE SEQUENCE unused; CREATE TABLE ident (id int GENERATED ALWAYS AS IDENTITY)""")
    backup = backed_up(scratch)
    scratch.psql("""SELECT setval('small', 32000), nextval('down'), nextval('down');
        INSERT INTO ident SELECT FROM generate_series(1, 7); CREATE SEQUENCE newer""")
    swapped(scratch, backup)
    last = "SELECT nextval('small'), nextval('down'), nextval('unused')"
    assert scratch.psql(last) == f"{32000 + 767 // 2 + 1}|{-6 - 5 * 10_000 - 5}|1"
    assert scratch.psql("INSERT INTO ident DEFAULT VALUES RETURNING id") == "10008"


# -- what is refused -----------------------------------------------------------------------------


def test_rows_that_are_not_as_the_manifest_says_are_refused(scratch: Scratch) -> None:
    backup = backed_up(scratch)
    counts = {**backup.counts, "public.User": 5, "public.Gone": 1}
    with pytest.raises(DeployError, match="2 tables differ") as caught:
        Restore(scratch.site, replace(backup, counts=counts)).build()
    assert "public.User: 5 in the manifest, 4 restored" in caught.value.evidence
    assert "public.Gone: 1 in the manifest, no table restored" in caught.value.evidence
    assert names(scratch) == ["scratch"]


def test_a_cut_archive_is_refused_and_nothing_is_left_of_it(scratch: Scratch) -> None:
    scratch.psql("""INSERT INTO "Story" (title, content, "authorId")
        SELECT 't', md5(n::text), 'user-admin-1' FROM generate_series(1, 20000) n""")
    backup = backed_up(scratch)
    lab_server.run(f"truncate -s {backup.files[0].bytes // 2} {backup.dump}")
    with pytest.raises(DeployError, match="cannot be restored: pg_restore") as caught:
        Restore(scratch.site, backup).build()
    assert "could not read from input file" in caught.value.evidence
    assert names(scratch) == ["scratch"] and scratch.psql(USERS) == "4"


def test_without_room_nothing_is_begun(scratch: Scratch) -> None:
    settings = scratch.site.settings
    backup = backed_up(scratch)
    limits = settings.limits.model_copy(update={"free_disk_gb": 1e6})
    site = scratch.again(settings.model_copy(update={"limits": limits}))
    with pytest.raises(DeployError, match=r"no room to restore: .* GB free, .* GB needed"):
        Restore(site, backup).build()
    assert names(scratch) == ["scratch"]


def test_what_is_tied_to_the_live_database_is_named_before_anybody_is_cut_off(
    scratch: Scratch,
) -> None:
    restore = Restore(scratch.site, backed_up(scratch))
    candidate = restore.build()
    scratch.psql("""CREATE SUBSCRIPTION follower CONNECTION 'host=nowhere' PUBLICATION p
        WITH (connect = false)""")
    with pytest.raises(DeployError, match="the subscription follower is tied") as caught:
        restore.swap(candidate)
    assert "DROP SUBSCRIPTION follower" in caught.value.next_command
    assert names(scratch) == ["scratch", candidate]


def test_only_what_a_restore_made_is_ever_dropped(scratch: Scratch) -> None:
    restore = Restore(scratch.site, backed_up(scratch))
    restore.build("scratch")
    restore.build()
    made = names(scratch)[1:]
    assert len(made) == 2
    others = ["scratch2_candidate_20260101_000000", "scratch_candidate", "scratch_kept_2026"]
    others += ["scratch_candidate_20261301_000000", "xscratch_scratch_20260101_000000"]
    for name in others:
        on(scratch, "postgres", f"CREATE DATABASE {name}")
    assert sweep_candidates(scratch.site.database) == sorted(made)
    assert names(scratch) == sorted(["scratch", *others])
    assert kept_databases(scratch.site.database) == []
    for name in ("scratch", "postgres", *others):
        with pytest.raises(DeployError, match="was not made by a restore"):
            restore.drop(name)


# -- swaps that are disturbed --------------------------------------------------------------------


def test_a_client_that_sleeps_in_its_transaction_does_not_hold_it_up(scratch: Scratch) -> None:
    restore = Restore(scratch.site, backed_up(scratch))
    candidate = restore.build()
    address = scratch.site.database.container.address
    with (
        scratch.site.server.forward(address, 5432) as port,
        client(port) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute('BEGIN; LOCK TABLE "User"')
        kept = restore.swap(candidate)
        with pytest.raises(psycopg2.Error):
            cursor.execute("SELECT 1")
    assert on(scratch, kept, USERS) == scratch.psql(USERS) == "4"


@pytest.mark.parametrize("held", ["the live one", "the candidate"])
def test_killed_in_the_middle_of_the_swap_one_of_both_is_live_and_the_next_run_swaps(
    scratch: Scratch, held: str
) -> None:
    restore = Restore(scratch.site, backed_up(scratch))
    candidate = restore.build()
    name = "scratch" if held == "the live one" else candidate
    operator = multiprocessing.get_context("fork").Process(
        target=swap_in_a_process, args=(scratch.site.settings, restore.backup, candidate)
    )
    scratch.psql(SIGN_UP.format(name="mark", role="LEARNER"))
    sessions = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'deploy:%'"
    ours = set(on(scratch, "postgres", sessions).split())  # this process's own, at rest
    with holding_database(scratch, name):
        operator.start()
        waits = """SELECT count(*) FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid)
            WHERE NOT l.granted AND l.locktype = 'object' AND a.query LIKE '%RENAME%'"""
        until(lambda: on(scratch, "postgres", waits) == "1")
        assert operator.pid
        os.kill(operator.pid, signal.SIGKILL)
        operator.join()
    until(lambda: set(on(scratch, "postgres", sessions).split()) <= ours)
    there = names(scratch)
    assert len(there) == 2 and "scratch" in there
    # Two states, nothing between: the new user is in what was live before.
    if there == ["scratch", candidate]:
        assert scratch.psql(USERS) == "5"
        kept = restore.swap(candidate)
    else:
        kept = there[1]
    assert (scratch.psql(USERS), on(scratch, kept, USERS)) == ("4", "5")


def swap_in_a_process(settings: Settings, backup: Backup, candidate: str) -> None:
    Restore(Site(settings, Server(settings), Console()), backup).swap(candidate)


@contextlib.contextmanager
def holding_database(scratch: Scratch, name: str) -> Iterator[None]:
    """Somebody whose transaction keeps the database from being renamed."""
    text = f"BEGIN; COMMENT ON DATABASE {name} IS 'held'; SELECT pg_sleep(60)"

    def hold() -> None:
        with contextlib.suppress(LabError):
            on(scratch, "postgres", text)

    holder = threading.Thread(target=hold)
    holder.start()
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    until(lambda: on(scratch, "postgres", sleeping) == "1")
    try:
        yield
    finally:
        on(
            scratch,
            "postgres",
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()""",
        )
        holder.join()


def test_a_database_that_somebody_holds_on_to_stays_as_it_is_and_says_so(
    scratch: Scratch,
) -> None:
    restore = Restore(scratch.site, backed_up(scratch))
    candidate = restore.build()
    with (
        holding_database(scratch, candidate),
        pytest.raises(DeployError, match="could not take the place of scratch") as caught,
    ):
        restore.swap(candidate)
    assert "lock timeout" in caught.value.evidence
    assert names(scratch) == ["scratch", candidate]
    assert restore.swap(candidate) in names(scratch)


def test_an_answer_that_is_lost_is_settled_by_asking_which_is_which(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = Restore(scratch.site, backed_up(scratch))
    original = Session.execute

    def lost(arrives: bool) -> Callable[[Session, str], None]:
        def execute(session: Session, sql: str) -> None:
            if "RENAME" not in sql:
                return original(session, sql)
            if arrives:
                original(session, sql)
            original(session, "SELECT pg_advisory_unlock_all()")  # as when a session ends
            raise explained("", "server closed the connection unexpectedly")

        return execute

    candidate = restore.build()
    monkeypatch.setattr(Session, "execute", lost(arrives=False))
    with pytest.raises(DeployError, match="could not take the place"):
        restore.swap(candidate)
    monkeypatch.setattr(Session, "execute", lost(arrives=True))
    kept = restore.swap(candidate)
    assert names(scratch) == ["scratch", kept]


def test_a_connection_that_goes_just_before_the_renames_comes_again(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = Restore(scratch.site, backed_up(scratch))
    candidate = restore.build()
    cuts = [True]

    def and_cut(used: Database, target: Database) -> None:
        keep_numbers(used, target)
        if cuts:
            cuts.pop()
            lab_server.run("pkill -KILL -u ubuntu -f '^sshd(-session)?: ubuntu'", user="root")

    monkeypatch.setattr(swap, "keep_numbers", and_cut)
    kept = restore.swap(candidate)
    assert names(scratch) == ["scratch", kept] and not cuts


def test_nobody_else_swaps_meanwhile(scratch: Scratch) -> None:
    restore = Restore(scratch.site, backed_up(scratch))
    candidate = restore.build()
    with scratch.site.database.maintenance.session("other") as session:
        session.take_advisory_lock(swap.LOCK)
        with pytest.raises(DeployError, match="another session holds"):
            restore.swap(candidate)
    assert names(scratch) == ["scratch", candidate]


# -- the log -------------------------------------------------------------------------------------


@pytest.mark.parametrize("logged", [True, False], ids=["with a log", "before any log"])
def test_the_log_is_carried_over_and_rolled_back_resets_the_stages(
    scratch: Scratch, logged: bool
) -> None:
    migrations = Migrations(scratch.site)
    if logged:
        migrations.prepare()
    backup = backed_up(scratch)
    migrations.expand()
    migrations.data()
    before = scratch.statuses()
    kept = swapped(scratch, backup)
    former = scratch.site.database.other(kept)
    with former.session() as was, scratch.site.database.session() as session:
        log = MigrationLog(session, "02-database-migration")
        assert log.take_over(was, "r9", "restored", [log.name]) == 4
        assert log.take_over(was, "r9", "restored", [log.name]) == 0, "a second time nothing comes"
        entries = log.entries()
        assert entries[:4] == MigrationLog(was, log.name).entries(), "and nothing goes"
    assert scratch.statuses() == f"{before}, all ROLLED_BACK, all ROLLED_BACK"
    assert not any(standing(entries, stage) for stage in ("expand", "data", "contract"))
    assert scratch.roles() == "LEARNER|2 ADMIN|2"
    assert migrations.expand().changed and migrations.data().changed
    assert scratch.roles() == "ADMIN|2 CUSTOMER|2"


# -- what is lost --------------------------------------------------------------------------------


def test_losses_are_counted_by_table_and_unknown_where_nobody_counted(scratch: Scratch) -> None:
    Migrations(scratch.site).prepare()
    backup = backed_up(scratch)
    restore = Restore(scratch.site, backup)
    assert restore.losses() == []
    scratch.psql(
        SIGN_UP.format(name="a", role="LEARNER")
        + SIGN_UP.format(name="b", role="LEARNER")
        + """UPDATE "User" SET name = 'x' WHERE id = 'user-admin-1';
        DELETE FROM "Story" WHERE id > 1990; CREATE TABLE newer AS SELECT 1 AS id;
        INSERT INTO migration_log (migration_name, release, stage, status)
            VALUES ('m', 'r', 'data', 'STARTED')"""
    )
    users = TableLoss("public.User", 4, 6, 2, 1, 0)
    newer = TableLoss("public.newer", 0, 1, 1, 0, 0)
    stories = TableLoss("public.Story", 2000, 1990, 0, 0, 10)
    # Deleting stories takes their readers' progress with it, by its foreign key; none is read.
    until(lambda: restore.losses() == [stories, users, newer])
    other = Restore(scratch.site, replace(backup, oid=1))
    assert TableLoss("public.User", 4, 6, None, None, None) in other.losses()
    scratch.psql("SELECT pg_stat_reset()")
    unknown = [loss for loss in restore.losses() if loss.inserted is None]
    assert TableLoss("public.User", 4, 6, None, None, None) in unknown


# -- new rows ------------------------------------------------------------------------------------

_MORE_TABLES = """
CREATE TABLE "Author" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "createdAt" timestamp
    NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'), boss int REFERENCES "Author" (id));
CREATE TABLE "Aardvark" (name varchar(10), author int REFERENCES "Author" (id), place int,
    twice int GENERATED ALWAYS AS (place * 2) STORED, exact numeric, odd jsonb, bits bit(3),
    raw bytea, f float8, "createdAt" timestamptz DEFAULT now(), PRIMARY KEY (name, place));
CREATE TABLE keyless (a int, "createdAt" timestamptz DEFAULT now());
"""


def by_table(rows: list[NewRow]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for row in rows:
        what = row.key if row.carried else f"{row.key or row.rows}: {row.reason}"
        result.setdefault(row.table.removeprefix("public."), []).append(what)
    return result


@pytest.mark.parametrize("forwarding", [True, False], ids=["forwarded", "forwarding forbidden"])
def test_new_rows_are_carried_over_parents_first_and_never_twice(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, forwarding: bool
) -> None:
    if not forwarding:
        refuse_forwarding(monkeypatch)
    scratch.psql(_MORE_TABLES)
    Migrations(scratch.site).prepare()
    backup = backed_up(scratch)
    Migrations(scratch.site).expand()
    scratch.psql(
        SIGN_UP.format(name="amara", role="LEARNER")
        + """INSERT INTO "User" (id, email, name, password, role)
            VALUES ('odd', 'o@example.org', E'q\\'"\\\\ {%s} \u00e9\\n', 'x', 'ADMIN');
        INSERT INTO "Story" (title, content, "authorId") VALUES ('s', 'by a new one', 'amara');
        INSERT INTO "Session" VALUES ('s1', 's1', 'amara', now());
        INSERT INTO "ReadingProgress" VALUES ('amara', 1, 3), ('amara', 2, 3);
        INSERT INTO "Author" DEFAULT VALUES; INSERT INTO "Author" (boss) VALUES (1);
        INSERT INTO "Aardvark" VALUES ('a', 1, 5, DEFAULT, 1.123456789012345678901234567890,
            '{"b": [1, null]}', '101', '\\xff00', 'NaN', DEFAULT),
            ('b', 2, 6, DEFAULT, NULL, NULL, NULL, NULL, 0.1::float8 + 0.2, DEFAULT),
            ('old', 1, 7, DEFAULT, 1, NULL, NULL, NULL, NULL, '2001-01-01'),
            ('timeless', 1, 8, DEFAULT, 1, NULL, NULL, NULL, NULL, NULL);
        INSERT INTO keyless VALUES (1), (2)"""
    )
    scratch.psql(SIGN_UP.format(name="customer", role="CUSTOMER"))
    scratch.psql(SIGN_UP.format(name="twin", role="LEARNER"))
    kept = swapped(scratch, backup)
    scratch.psql("""INSERT INTO "User" (id, email, name, password, role)
        VALUES ('another', 'twin@example.org', 't', 'x', 'LEARNER')""")
    new_rows = NewRows(scratch.site, backup, kept)
    assert by_table(new_rows.carry_over()) == {
        "Author": ["1", "2"],
        "Aardvark": [
            '["a", "5"]',
            '["b", "6"]',
            "1: they do not say when they were created",
            "1: by their own time they are older",
        ],
        "User": [
            "amara",
            "odd",
            'customer: invalid input value for enum "Role": "CUSTOMER"',
            'twin: duplicate key value violates unique constraint "User_email_key"',
        ],
        "Story": ["2001"],
        "Session": ["1: no column says when they were created"],
        "ReadingProgress": ["2: no column says when they were created"],
        "keyless": ["2: it has no primary key"],
    }
    for table, which in (
        ('"User"', "id IN ('amara', 'odd')"),
        ('"Story"', "id > 2000"),
        ('"Author"', "true"),
        ('"Aardvark"', "name IN ('a', 'b')"),
    ):
        rows = f"SELECT t FROM {table} AS t WHERE {which} ORDER BY t.*::text"
        assert scratch.psql(rows) == on(scratch, kept, rows) != ""
    again = new_rows.carry_over()
    assert not [row for row in again if row.carried]
    assert "twin" in str(again) and "User customer not carried" in str([*map(str, again)])
    logs = lab_server.run(f"docker logs {scratch.container} 2>&1").stdout
    assert "twin@example.org" not in logs.split("User_email_key")[-1]
    scratch.psql("""DELETE FROM "User" WHERE id = 'another';
        ALTER TYPE "Role" ADD VALUE 'CUSTOMER'""")
    now = by_table([row for row in new_rows.carry_over() if row.carried])
    assert now == {"User": ["customer", "twin"]}
    assert scratch.psql(f"{STORIES}; {USERS}").split() == ["2001", "8"]


def test_a_circle_of_tables_and_a_bad_row_among_many(scratch: Scratch) -> None:
    scratch.psql("""
        CREATE TABLE hen (id int PRIMARY KEY, "createdAt" timestamptz DEFAULT now(), egg int);
        CREATE TABLE egg (id int PRIMARY KEY, "createdAt" timestamptz DEFAULT now(),
            hen int REFERENCES hen (id), size int CHECK (size < 999));
        ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg (id)""")
    backup = backed_up(scratch)
    scratch.psql("""ALTER TABLE egg DROP CONSTRAINT egg_size_check;
        INSERT INTO hen VALUES (1); INSERT INTO egg VALUES (1, DEFAULT, 1);
        INSERT INTO hen VALUES (2, DEFAULT, 1); INSERT INTO egg VALUES (2, DEFAULT, 2, 1000);
        INSERT INTO egg SELECT n, now(), 2, n FROM generate_series(3, 700) AS n;
        INSERT INTO hen VALUES (3, DEFAULT, 2)""")
    kept = swapped(scratch, backup)
    scratch.psql("""CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RETURN CASE WHEN NEW.id = 700 THEN NULL ELSE NEW END; END $$;
        CREATE TRIGGER never BEFORE INSERT ON egg FOR EACH ROW EXECUTE FUNCTION never()""")
    left = [row for row in NewRows(scratch.site, backup, kept).carry_over() if not row.carried]
    lacking = 'insert or update on table "hen" violates foreign key constraint "hen_egg_fkey"'
    assert {(row.table, row.key, row.reason) for row in left} == {
        (
            "public.egg",
            "2",
            'new row for relation "egg" violates check constraint "egg_size_check"',
        ),
        ("public.egg", "700", "a trigger left it out"),
        ("public.hen", "3", lacking),
    }
    assert scratch.psql("SELECT count(*) FROM egg; SELECT count(*) FROM hen").split() == [
        "698",
        "2",
    ]


def test_a_manifest_without_its_moment_still_finds_the_new_rows(scratch: Scratch) -> None:
    backup = backed_up(scratch)
    assert backup.began.endswith("Z")
    scratch.psql(SIGN_UP.format(name="amara", role="LEARNER"))
    kept = swapped(scratch, backup)
    carried = NewRows(scratch.site, replace(backup, began=""), kept).carry_over()
    assert by_table(carried) == {"User": ["amara"]}


def test_a_lost_connection_is_no_fault_of_a_row(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backed_up(scratch)
    scratch.psql(SIGN_UP.format(name="amara", role="LEARNER"))
    kept = swapped(scratch, backup)
    original = Session.query

    def lost(session: Session, sql: str) -> list[dict[str, object]]:
        if sql.startswith("INSERT"):
            raise explained("", "server closed the connection unexpectedly")
        return original(session, sql)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "query", lost)
        with pytest.raises(DatabaseError, match="the connection to the database is gone"):
            NewRows(scratch.site, backup, kept).carry_over()
    assert by_table(NewRows(scratch.site, backup, kept).carry_over()) == {"User": ["amara"]}
