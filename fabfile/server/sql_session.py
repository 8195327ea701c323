"""One database session, which keeps its transaction and its locks from text to text."""

from __future__ import annotations

import contextlib
import json
import select
from collections.abc import Callable
from typing import Any, Protocol

import psycopg2

from ..errors import DeployError
from ..report.console import Console
from . import transcript

LOCK_TIMED_OUT = "55P03"
CHANGED_MEANWHILE = "40001"

# Whoever has locks in an open transaction on what this session wanted.
_HOLDERS = """
SELECT DISTINCT a.pid, a.usename, a.application_name, host(a.client_addr) AS client, a.state,
       (now() - a.xact_start)::text AS open_for, left(a.query, 200) AS query
  FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE l.granted AND l.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.mode <> 'AccessShareLock'
 ORDER BY open_for DESC LIMIT 5
"""
_ADVISORY_HOLDERS = """
SELECT a.pid, a.usename, a.application_name, host(a.client_addr) AS client, a.state,
       (now() - a.backend_start)::text AS open_for, left(a.query, 200) AS query
  FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtext('{name}')::bigint
"""


class DatabaseError(DeployError):
    """PostgreSQL refused or failed; its own words are the evidence.

    :param code: the SQLSTATE, empty where the connection itself is gone.
    """

    def __init__(self, reason: str, *, code: str = "", evidence: str = "") -> None:
        super().__init__(
            reason,
            evidence=evidence,
            state="the transaction under way was rolled back" if code else "",
        )
        self.code = code


class Wire(Protocol):
    """What carries SQL text to the server: one message a text, autocommit."""

    def send(self, sql: str) -> str:
        """Send one text and wait; the first cell of its last result.

        :raises DatabaseError: PostgreSQL refused it, or the connection is gone.
        """

    def roll_back(self) -> None:
        """Leave the transaction that a failed text has left open."""


class ForwardedWire:
    """psycopg2 through a forwarded port."""

    def __init__(self, port: int, *, user: str, password: str, database: str) -> None:
        try:
            self.connection = psycopg2.connect(
                host="127.0.0.1",
                port=port,
                user=user,
                password=password,
                dbname=database,
                connect_timeout=10,
                sslmode="disable",  # inside the SSH session already
                gssencmode="disable",
            )
        except psycopg2.Error as error:
            raise DatabaseError(
                "the database refuses the sign-in over the network", evidence=str(error)
            ) from None
        self.connection.autocommit = True

    def send(self, sql: str) -> str:
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                row = cursor.fetchone() if cursor.description else None
                return "" if not row or row[0] is None else str(row[0])
        except psycopg2.Error as error:
            raise explained(error.pgcode or "", str(error)) from None

    def roll_back(self) -> None:
        self.send("ROLLBACK")

    @property
    def alive(self) -> bool:
        """Whether it can be asked: what is to be read unasked is the end of it."""
        if self.connection.closed:
            return False
        return not select.select([self.connection], [], [], 0)[0]

    def close(self) -> None:
        with contextlib.suppress(psycopg2.Error):
            self.connection.close()


class Session:
    """One database session: autocommit, so that BEGIN and COMMIT stand in the SQL itself.

    :param console: whose full log has each statement, without the values in it.
    :param anew: makes another wire, for one that has rested: it may be gone, and nobody knows
        before it is asked.
    """

    def __init__(
        self, wire: Wire, console: Console, anew: Callable[[], Wire] | None = None
    ) -> None:
        self.wire = wire
        self._console = console
        self._anew = anew
        self.only_asked = True  # nothing of it stays in the session: no transaction, no lock

    def execute(self, sql: str) -> None:
        """Run one or more statements; without BEGIN in them they are one transaction.

        :raises DatabaseError: with PostgreSQL's own words; an open transaction is rolled back.
        """
        self._be_alive()
        self.only_asked = False
        self._send(sql)

    def number(self, sql: str) -> int:
        """Run one or more statements, of which the last answers a number.

        :raises DatabaseError: as `execute`.
        """
        self._be_alive()
        self.only_asked = False
        return int(self._send(sql) or 0)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run one SELECT, or one statement with RETURNING.

        The first SELECT in a session that had rested, and was lost with it, is sent again.

        :returns: its rows by column name, with JSON's types: a time is text.
        :raises DatabaseError: as `execute`.
        """
        if not sql.lstrip().upper().startswith("SELECT"):
            self._be_alive()
        answer = self._ask(
            f"WITH answer AS ({sql}\n) SELECT coalesce(json_agg(answer), '[]')::text FROM answer"
        )
        rows: list[dict[str, Any]] = json.loads(answer)
        return rows

    def _be_alive(self) -> None:
        """Before a text that must not be sent twice: ask a session that has rested."""
        if self._anew:
            self._ask("SELECT 1")

    def _ask(self, sql: str) -> str:
        """Send a text that may be sent twice."""
        anew, self._anew = self._anew, None
        try:
            return self._send(sql)
        except DatabaseError as error:
            if error.code or anew is None:
                raise
            self.wire = anew()
            return self._send(sql)

    def take_advisory_lock(self, name: str) -> None:
        """Hold a lock by name until this session ends.

        :param name: plain words, no quotes.
        :raises DeployError: another session holds it; the evidence says which.
        """
        self.only_asked = False
        if self.query(f"SELECT pg_try_advisory_lock(hashtext('{name}')) AS free")[0]["free"]:
            return
        raise DeployError(
            f"another session holds the database's lock {name}",
            evidence=_told(self.query(_ADVISORY_HOLDERS.format(name=name))),
            state="nothing was changed",
            next_command="wait for it; a dead operator's session ends with its statement",
        )

    def _send(self, sql: str) -> str:
        try:
            with transcript.sql(self._console, sql):
                return self.wire.send(sql)
        except DatabaseError as error:
            with contextlib.suppress(DatabaseError):
                self.wire.roll_back()
                if error.code == LOCK_TIMED_OUT:
                    holders = _told(json.loads(self._holders()))
                    error.evidence += f"\nwith an open transaction and locks:\n{holders}"
                    error.next_command = "wait for that transaction or end it, then run this again"
            raise

    def _holders(self) -> str:
        return self.wire.send(
            f"WITH answer AS ({_HOLDERS}) SELECT coalesce(json_agg(answer), '[]')::text FROM answer"
        )


def explained(code: str, words: str) -> DatabaseError:
    words = words.strip().removeprefix("ERROR:").strip()  # psql says it, psycopg2 does not
    first = words.partition("\n")[0] or "no answer"
    if not code:
        return DatabaseError(f"the connection to the database is gone: {first}", evidence=words)
    return DatabaseError(f"the database says: {first}", code=code, evidence=f"{words}\n({code})")


def _told(holders: list[dict[str, Any]]) -> str:
    if not holders:
        return "nobody any more"
    return "\n".join(
        f"pid {h['pid']}, user {h['usename']}, {h['application_name'] or 'no application name'}, "
        f"from {h['client'] or 'the local socket'}, {h['state']}, for {h['open_for']}: {h['query']}"
        for h in holders
    )
