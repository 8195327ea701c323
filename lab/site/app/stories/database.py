"""A small pool of database connections that outlives a database that was away for a moment."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import psycopg2  # type: ignore[import-untyped,unused-ignore]

from .faults import Faults

Row = tuple[Any, ...]
POOL_SIZE = 8
LOST = (psycopg2.OperationalError, psycopg2.InterfaceError)


class DatabaseAway(Exception):
    """No connection could be had in time."""


class Database:
    """Runs statements, each in a transaction of its own."""

    def __init__(self, faults: Faults, patience: float = 2.0) -> None:
        self._faults = faults
        self._patience = patience
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._room = threading.Semaphore(POOL_SIZE)
        self._checks = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement, commit, and answer its rows.

        A connection that turns out dead is replaced and the statement sent again, which is safe
        until the commit has been asked for: nothing of it was kept.
        """
        deadline = time.monotonic() + self._patience
        if not self._room.acquire(timeout=self._patience):
            raise DatabaseAway("every connection is busy")
        try:
            while True:
                try:
                    return self._attempt(sql, values)
                except LOST as error:
                    if time.monotonic() > deadline or getattr(error, "in_commit", False):
                        raise DatabaseAway(str(error).strip()) from error
                    time.sleep(0.05)
        finally:
            self._room.release()

    def answers(self, seconds: float = 1.5) -> bool:
        """Whether the database answers in time; looking up a name may hang for longer."""
        future = self._checks.submit(self.query, "SELECT 1")
        try:
            return future.result(timeout=seconds) == [(1,)]
        except (FutureTimeout, DatabaseAway, psycopg2.Error):
            future.cancel()
            return False

    def _attempt(self, sql: str, values: Sequence[object]) -> list[Row]:
        connection = self._take()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                rows: list[Row] = cursor.fetchall() if cursor.description else []
            _commit(connection)
        except LOST:
            with contextlib.suppress(psycopg2.Error):
                connection.close()
            raise
        except psycopg2.Error:
            connection.rollback()
            self._idle.put(connection)
            raise
        self._idle.put(connection)
        return rows

    def _take(self) -> Any:
        if self._faults.database_is_away():
            raise psycopg2.OperationalError("broken on purpose: no-database")
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return psycopg2.connect(
                os.environ["DATABASE_URL"],
                connect_timeout=2,
                application_name=f"stories:{os.environ.get('RELEASE', 'dev')}",
                options="-c statement_timeout=5000",
            )


def _commit(connection: Any) -> None:
    try:
        connection.commit()
    except LOST as error:
        # Nobody can say whether it was kept, so it must not be sent again.
        error.in_commit = True
        raise
