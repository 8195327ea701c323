"""A database session rests between two questions, and nothing of it is met by who is next."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.server.database import Database
from fabfile.server.sql_session import DatabaseError, Session
from fabfile.settings import Settings
from fabfile.site import Site
from lab import server as lab

ADVISORY = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    server = Server(settings)
    try:
        yield Site(settings, server, Console()).database
    finally:
        server.close()


def _pid(session: Session) -> int:
    return int(session.query("SELECT pg_backend_pid() AS pid")[0]["pid"])


def _asked_by(database: Database, release: str = "reading") -> int:
    with database.session(release) as session:
        return _pid(session)


def test_who_asks_next_has_the_same_session(database: Database) -> None:
    assert _asked_by(database) == _asked_by(database)


def test_who_asks_under_another_name_or_at_the_same_time_has_one_of_his_own(
    database: Database,
) -> None:
    with database.session() as one, database.session() as other:
        assert _pid(one) != _pid(other)
    assert _asked_by(database) != _asked_by(database, "20260101-000000")


def test_a_session_that_was_ended_on_the_server_is_not_given_away(database: Database) -> None:
    first = _asked_by(database)
    lab.psql(f"SELECT pg_terminate_backend({first}, 5000)")
    assert _asked_by(database) != first


def test_a_session_that_did_more_than_ask_ends_and_its_lock_with_it(database: Database) -> None:
    with database.session() as session:
        session.take_advisory_lock("deploy:test")
        first = _pid(session)
    assert _asked_by(database) != first
    with database.session() as session:
        session.execute("BEGIN")
        first = _pid(session)
    assert _asked_by(database) != first
    assert lab.psql(ADVISORY).strip() == "0"


def test_a_session_in_which_a_question_failed_ends(database: Database) -> None:
    with contextlib.suppress(DatabaseError), database.session() as session:
        first = _pid(session)
        session.query("SELECT 1 / 0")
    assert _asked_by(database) != first


def test_sessions_of_another_database_never_rest(database: Database) -> None:
    other = database.other("template1")
    assert _asked_by(other) != _asked_by(other)
