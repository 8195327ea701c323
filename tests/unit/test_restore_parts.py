"""The parts of a restore that need no server: names, properties, losses, the order of tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fabfile.commands import postgres
from fabfile.phases.restore import DatabaseRestore
from fabfile.report.console import Console
from fabfile.server.backup import Backup, BackupFile
from fabfile.server.connection import Server
from fabfile.server.database_names import LIMIT, moment_of, named, ours
from fabfile.server.database_properties import Properties
from fabfile.server.loss import TableLoss, losses
from fabfile.server.new_rows import NewRow
from fabfile.server.restore import without_rows
from fabfile.server.row_carrier import shown, words
from fabfile.server.row_tables import json_lists, parents_first, typed
from fabfile.server.sql_session import DatabaseError
from fabfile.settings import load
from fabfile.site import Site

STAMP = "20260102-030405"
BACKUP = Backup(
    kind="manual",
    release=STAMP,
    folder="/backups/one",
    link="",
    time="2026-01-02T03:04:05Z",
    who="me",
    database="stories",
    version="15.1",
    size=1,
    lsn="0/1",
    counts={"public.User": 4, "public.Gone": 2, "public.migration_log": 3},
    roles={},
    sessions=0,
    activity={"public.User": {"inserted": 9, "updated": 5, "deleted": 5}},
    files=(BackupFile("database.dump", 1, "00"),),
)


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", ["stories", "a" * 37, "a" * 63, "é" * 31, 'odd "name"; .*'])
def test_every_name_fits_and_is_found_again(live: str) -> None:
    name = named(live, "kept", STAMP)
    assert len(name.encode()) <= LIMIT
    moment = moment_of(live, name, "kept")
    assert moment and moment.isoformat() == "2026-01-02T03:04:05+00:00"
    assert moment_of(live, name) and not moment_of(live, name, "candidate", "scratch")


def test_long_names_that_begin_alike_stay_apart() -> None:
    one, other = "a" * 60 + "x", "a" * 60 + "y"
    assert named(one, "kept", STAMP) != named(other, "kept", STAMP)
    assert moment_of(other, named(one, "kept", STAMP)) is None


def test_somebody_elses_database_is_never_ours() -> None:
    existing = [
        "stories",
        "stories_kept",
        "stories_kept_20260102_03040",
        "stories_kept_20261302_030405",
        "stories_kept_20260102_030405_old",
        "my_stories_kept_20260102_030405",
        "storiesXkept_20260102_030405",
        "stories_kept_20260102_030405",
        "stories_candidate_20250102_030405",
        "stories_kept_20240102_030405\n",
    ]
    assert ours("stories", existing, "kept") == ["stories_kept_20260102_030405"]
    assert ours("stories", existing, "candidate", "kept") == [
        "stories_candidate_20250102_030405",
        "stories_kept_20260102_030405",
    ]


# -- properties ----------------------------------------------------------------------------------


def properties(**entry: Any) -> Properties:
    usual = {"datcollate": "en_US.UTF-8", "datctype": "C", "datconnlimit": -1}
    return Properties(usual | entry, "o'wner", "UTF8", "pg_default", None, None, [])


@pytest.mark.parametrize(
    ("entry", "locale"),
    [
        ({}, ""),
        ({"datlocprovider": "c", "daticulocale": None}, ""),
        ({"datlocprovider": "i", "daticulocale": "de"}, " LOCALE_PROVIDER icu ICU_LOCALE 'de'"),
        (
            {"datlocprovider": "i", "datlocale": "de", "daticurules": "&a < g"},
            " LOCALE_PROVIDER icu ICU_LOCALE 'de' ICU_RULES '&a < g'",
        ),
        (
            {"datlocprovider": "b", "datlocale": "C.UTF-8"},
            " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
        ),
    ],
    ids=["14", "15 libc", "15 icu", "17 icu with rules", "17 builtin"],
)
def test_the_new_database_sorts_as_the_live_one(entry: dict[str, Any], locale: str) -> None:
    assert properties(**entry).creation("new") == (
        """CREATE DATABASE "new" TEMPLATE template0 OWNER "o'wner" ENCODING 'UTF8' """
        f"""LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'C'{locale}"""
    )


def test_it_lies_where_the_live_one_does() -> None:
    elsewhere = replace(properties(), tablespace="fast disk")
    assert elsewhere.creation("new").endswith('TABLESPACE "fast disk"')


def test_rights_that_nobody_changed_are_left_alone_and_taken_ones_are_taken() -> None:
    assert properties().access("new") == ""
    none = replace(properties(), grants=[])
    assert none.access("new").splitlines() == [
        'REVOKE ALL ON DATABASE "new" FROM PUBLIC;',
        """REVOKE ALL ON DATABASE "new" FROM "o'wner";""",
    ]
    granted = [{"what": "CONNECT", "to": None, "grantable": False}]
    granted += [{"what": "CREATE", "to": "a b", "grantable": True}]
    assert replace(properties(), grants=granted).access("new").splitlines()[2:] == [
        'GRANT CONNECT ON DATABASE "new" TO PUBLIC;',
        'GRANT CREATE ON DATABASE "new" TO "a b" WITH GRANT OPTION;',
    ]


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("work_mem=7MB", "\"work_mem\" TO '7MB'"),
        ("app.motto=a=b", '"app"."motto" TO \'a=b\''),
        ("app.empty=", '"app"."empty" TO \'\''),
        ('search_path="$user", public', "\"search_path\" TO '$user', 'public'"),
        ('search_path="a ""b, c",d;e', "\"search_path\" TO 'a \"b, c', 'd;e'"),
        ('search_path=""', "\"search_path\" TO ''"),
        ("search_path=", "\"search_path\" TO ''"),
    ],
)
def test_a_setting_is_sent_as_it_was_stored(stored: str, sent: str) -> None:
    settings = [{"role": None, "values": [stored]}]
    assert replace(properties(), settings=settings).rest("new").splitlines()[2:] == [
        f'ALTER DATABASE "new" SET {sent};'
    ]


def test_a_roles_setting_stays_the_roles() -> None:
    settings = [{"role": "rea der", "values": ["work_mem=7MB"]}]
    last = replace(properties(), settings=settings).rest("new").splitlines()[-1]
    assert last == 'ALTER ROLE "rea der" IN DATABASE "new" SET "work_mem" TO \'7MB\';'


# -- losses --------------------------------------------------------------------------------------


def test_losses_are_the_difference_and_tables_without_any_are_left_out() -> None:
    now = {"public.User": {"inserted": 10, "updated": 5, "deleted": 6}}
    counts = {"public.User": 4, "public.migration_log": 9, "public.new": 1}
    assert losses(BACKUP, counts, now, 5) == [
        TableLoss("public.Gone", 2, 0, None, None, None),
        TableLoss("public.User", 4, 4, 1, 0, 1),
        TableLoss("public.new", 0, 1, None, None, None),
    ]
    same = {"public.User": 4, "public.Gone": 2}
    gone = {"public.Gone": dict.fromkeys(("inserted", "updated", "deleted"), 0)}
    assert losses(BACKUP, same, BACKUP.activity | gone, 5) == []


def test_statistics_that_were_reset_or_are_another_databases_say_nothing() -> None:
    unknown = TableLoss("public.User", 4, 4, None, None, None)
    counts = {"public.User": 4, "public.Gone": 2}
    reset = {"public.User": {"inserted": 99, "updated": 4, "deleted": 99}}
    assert unknown in losses(BACKUP, counts, reset, 5)
    assert unknown in losses(replace(BACKUP, oid=4), counts, BACKUP.activity, 5)
    assert unknown not in losses(replace(BACKUP, oid=5), counts, BACKUP.activity, 5)


def test_a_manifest_of_before_is_still_read() -> None:
    assert Backup.from_json(BACKUP.to_json()) == BACKUP
    assert (BACKUP.began, BACKUP.oid, BACKUP.restored_at) == ("", 0, "")


# -- rows ----------------------------------------------------------------------------------------


def test_parents_go_first_and_a_circle_is_broken_the_same_way_each_time() -> None:
    assert parents_first({1: [2], 2: [3], 3: [3, 99]}) == [3, 2, 1]
    assert parents_first({1: [2], 2: [1], 3: [1]}) == [1, 2, 3]
    assert parents_first({}) == []


def test_rows_go_as_texts_in_one_literal_and_come_out_typed() -> None:
    assert json_lists([["it's", None, "é"]]) == """'[["it''s", null, "é"]]'"""
    assert json_lists([["\n"]]) == """ E'[["\\\\n"]]'"""
    assert typed([("a", "integer"), ("b", '"Role"')], "e") == '(e->>0)::integer, (e->>1)::"Role"'


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        ("23505", 'duplicate key value violates "k"', 'duplicate key value violates "k"'),
        ("22P02", 'invalid input value for enum "Role": "X"', None),
        ("22P02", 'invalid input syntax for type integer: "my diary"', "invalid input syntax for"),
    ],
)
def test_no_value_of_a_row_is_told_but_a_role(code: str, said: str, told: str | None) -> None:
    error = DatabaseError(f"the database says: {said}", code=code, evidence="DETAIL: secret")
    assert words(error).startswith(told or said) and "diary" not in words(error)


def test_pg_restores_words_are_told_without_rows() -> None:
    told = without_rows(
        "pg_restore: error: COPY failed: ERROR:  invalid byte\n"
        'CONTEXT:  COPY User, line 3, column email: "a@example.org"\n'
        "DETAIL:  Key (email)=(a@example.org) is duplicated.\n"
        "DETAIL:  Failing row contains (1, a@example.org).\n"
    )
    assert "example" not in told
    assert "COPY User, line 3, column email" in told and "Key (email)" in told


def test_what_became_of_a_row_is_one_line() -> None:
    assert str(NewRow("t", "1", "2026")) == "t 1, created 2026"
    assert str(NewRow("t", "1", "2026", "no")) == "t 1 not carried over: no"
    assert str(NewRow("t", reason="no", rows=2)) == "t 2 rows not carried over: no"
    assert shown(["a"]) == "a" and shown(["a", "1"]) == '["a", "1"]'


# -- commands ------------------------------------------------------------------------------------


def test_the_key_of_a_session_is_not_told() -> None:
    settings = load({"ssh": {"host": "nobody@127.0.0.1:9"}, "database": {"session_table": "a.b"}})
    phase = DatabaseRestore(Site(settings, Server(settings), Console()))
    assert phase.without_secrets(NewRow("app.a.b", "token")).key == "(a session)"
    assert phase.without_secrets(NewRow("app.b", "7")).key == "7"


def test_a_restore_reads_standard_input_and_stops_at_the_first_error() -> None:
    argv = postgres.restore("db", user="u", database="new", owners=True)
    assert argv[:4] == ["docker", "exec", "--interactive", "db"]
    assert argv[-6:] == ["pg_restore", "--exit-on-error", "-U", "u", "-d", "new"]
    assert "--no-owner" in postgres.restore("db", user="u", database="new", owners=False)
