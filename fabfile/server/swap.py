"""Makes another database the live one, by two renames in one transaction.

A rename takes the database from everybody who connects, and then waits until nobody is left on
it. Whoever slips in before would hold up all others for seconds, so a second session ends them:
only from the moment on when the first one has the lock, and nobody can come after.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from .. import interrupts
from ..errors import DeployError
from . import database_names
from .database_names import STAMP, Role
from .kept import beside
from .numbers import keep_numbers
from .sql_session import DatabaseError, Session
from .sql_text import identifier, literal
from .ties import refuse_tied

if TYPE_CHECKING:
    from ..site import Site

LOCK = "deploy:swap"
IN_USE = "55006"
TRIES = 3
SETTLES = 15  # seconds after which a transaction whose answer was lost is over

_OIDS = "SELECT datname, oid::bigint AS oid FROM pg_database WHERE datname IN ({names})"
# Ends when the session that renames lets its advisory lock go, or has gone itself.
_END_OTHERS = """
DO $end_others$
DECLARE
    last timestamptz := clock_timestamp() + interval '90 s';
BEGIN
    WHILE clock_timestamp() < last AND EXISTS (
        SELECT FROM pg_locks WHERE pid = {pid} AND locktype = 'advisory' AND granted) LOOP
        PERFORM pg_stat_clear_snapshot();
        PERFORM pg_terminate_backend(a.pid)
           FROM pg_stat_activity AS a
           JOIN pg_locks AS l ON l.pid = {pid} AND l.granted AND l.locktype = 'object'
            AND l.mode = 'AccessExclusiveLock' AND l.classid = 'pg_database'::regclass
            AND l.objid = a.datid
          WHERE a.datid IN ({oids});
        PERFORM pg_sleep(0.01);
    END LOOP;
END $end_others$
"""
_STILL_THERE = """
SELECT a.pid, a.usename, coalesce(a.application_name, '') AS application, a.state
  FROM pg_stat_activity AS a WHERE a.datid IN ({oids}) AND a.backend_type = 'client backend'
"""


def swap_back(site: Site, kept: str) -> str:
    """Make a kept database the live one again; the one that was live is kept in its turn.

    :returns: the name of the database that is kept now, which ends with this moment.
    :raises DeployError: it could not be done; the live database is as it was.
    """
    return Swap(site, kept, "kept").run(datetime.now(timezone.utc).strftime(STAMP))


class LostBefore(DeployError):
    """The session was lost, and what it was about to do is not done."""


class Swap:
    """One database taking the live one's place.

    :param coming: what becomes the live one.
    :param role: what it is until then.
    """

    def __init__(self, site: Site, coming: str, role: Role) -> None:
        self.site = site
        self.live = site.database
        self.name = site.database.name
        self.coming = coming
        self.role: Role = role

    def run(self, stamp: str) -> str:
        """Swap.

        :param stamp: for the name of what is kept.
        :returns: that name.
        :raises DeployError: it could not be done; the live database is as it was.
        """
        try:
            return self._swapped(stamp)
        except LostBefore:  # the database itself has said that it was not done
            return self._swapped(stamp)

    def _swapped(self, stamp: str) -> str:
        maintenance = self.live.maintenance
        with maintenance.session(self.site.release) as session:
            session.take_advisory_lock(LOCK)
            oids = self._oids(session)
            refuse_tied(session, self.name)
            kept = self._free_name(session, stamp)
            sql = self.renames(kept)
            with self._ending_others(session, oids) as cutter:
                self._try(session, sql, kept, oids, cutter)
        return kept

    # -- before --------------------------------------------------------------------------------

    def _oids(self, session: Session) -> dict[str, int]:
        """Both databases' numbers, which a rename does not change."""
        there = beside(session, self.name, self.role)
        if self.coming not in there:
            raise DeployError(
                f"there is no {self.role} database {self.coming}",
                evidence="there are: " + (", ".join(there) or "none"),
                state="nothing was changed",
            )
        names = f"{literal(self.name)}, {literal(self.coming)}"
        return {row["datname"]: row["oid"] for row in session.query(_OIDS.format(names=names))}

    def _free_name(self, session: Session, stamp: str) -> str:
        """The kept one's name, or that of the next second that is free."""
        taken = beside(session, self.name, "kept")
        while (name := database_names.named(self.name, "kept", stamp)) in taken:
            moment = datetime.strptime(stamp.replace("-", "_"), STAMP)
            stamp = (moment + timedelta(seconds=1)).strftime(STAMP)
        return name

    def renames(self, kept: str) -> str:
        """The one transaction that swaps.

        :param kept: the name that the live one gets.
        """
        live = identifier(self.name)
        statements = [
            "BEGIN",
            f"ALTER DATABASE {live} RENAME TO {identifier(kept)}",
            f"ALTER DATABASE {identifier(self.coming)} RENAME TO {live}",
            f"ALTER DATABASE {identifier(kept)} SET default_transaction_read_only = on",
        ]
        if self.role == "kept":
            statements.append(f"ALTER DATABASE {live} RESET default_transaction_read_only")
        return ";\n".join([*statements, "COMMIT"])

    # -- the swap ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _ending_others(self, session: Session, oids: dict[str, int]) -> Iterator[Future[None]]:
        """End everybody on the two databases while the session renames them."""
        pid = session.query("SELECT pg_backend_pid() AS pid")[0]["pid"]
        sql = _END_OTHERS.format(pid=pid, oids=_listed(oids))
        with (
            self.live.maintenance.session(self.site.release) as other,
            ThreadPoolExecutor(1) as pool,
        ):
            try:
                yield pool.submit(other.execute, sql)
            finally:
                with contextlib.suppress(DatabaseError):  # gone: then the lock is gone too
                    session.execute("SELECT pg_advisory_unlock_all()")

    def _try(
        self,
        session: Session,
        sql: str,
        kept: str,
        oids: dict[str, int],
        cutter: Future[None],
    ) -> None:
        for left in reversed(range(TRIES)):
            keep_numbers(self.live, self.live.other(self.coming, writable=True))
            try:
                session.execute(sql)
                return
            except DatabaseError as error:
                with interrupts.masked():
                    lost = not error.code and self._settled(oids[self.name])
                if lost == kept:
                    return  # only the answer was lost
                if error.code != IN_USE or not left:
                    raise self._explained(error, session, oids, cutter) from None
            interrupts.pause(0.5)

    def _settled(self, oid: int) -> str:
        """The name that a database has once the lost session is over.

        :raises DeployError: nobody can be asked.
        """
        end = time.monotonic() + SETTLES
        while True:
            try:
                with self.live.maintenance.session(self.site.release) as session:
                    session.take_advisory_lock(LOCK)  # the lost one holds it until it is over
                    rows = session.query(f"SELECT datname FROM pg_database WHERE oid = {oid}")
                    return str(rows[0]["datname"])
            except DeployError as error:
                if time.monotonic() > end:
                    raise DeployError(
                        "whether the databases were swapped cannot be asked",
                        evidence=f"{error.reason}\n{error.evidence}",
                        state=f"{self.name} is the former database or the new one, and whole",
                        next_command="once the database answers: fab status",
                    ) from None
            time.sleep(0.2)

    def _explained(
        self, error: DatabaseError, session: Session, oids: dict[str, int], cutter: Future[None]
    ) -> DeployError:
        evidence = [error.evidence]
        if error.code == IN_USE:
            evidence += [
                f"pid {row['pid']}, user {row['usename']}, {row['application']}, {row['state']}"
                for row in session.query(_STILL_THERE.format(oids=_listed(oids)))
            ]
        if cutter.done() and cutter.exception():
            evidence.append(f"sessions could not be ended: {cutter.exception()}")
        made = DeployError if error.code else LostBefore
        return made(
            f"the database {self.coming} could not take the place of {self.name}",
            evidence="\n".join(evidence),
            state=f"{self.name} is as it was; {self.coming} is there still",
            next_command="find out who holds on to it, then run this again",
        )


def _listed(oids: dict[str, int]) -> str:
    return ", ".join(str(oid) for oid in oids.values())
