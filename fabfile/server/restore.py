"""Restores a backup into a database of its own; the live one is only read."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from .. import interrupts
from ..commands import postgres
from ..errors import DeployError
from . import database_names, kept, loss, snapshot
from .backup import Backup
from .database import account
from .database_properties import Properties
from .loss import TableLoss
from .swap import Swap

if TYPE_CHECKING:
    from ..site import Site

ROOM = 2  # times the backup's size: the restored database, and the write-ahead log on the way

_WHICH = "SELECT oid::bigint AS oid FROM pg_database WHERE datname = current_database()"
# $1 archive, the rest: a command that reads it.
_READ = 'archive=$1; shift; "$@" < "$archive"'
# Rows that PostgreSQL quotes in its errors are nobody's business in a report.
_ROW_CONTENT = (
    (re.compile(r"(CONTEXT: +COPY [^:\n]*):.*"), r"\1"),
    (re.compile(r"(DETAIL: +Key \(.*?\)=).*"), r"\1(…)"),
    (re.compile(r"(DETAIL: +Failing row contains).*"), r"\1 (…)"),
)


class Restore:
    """One backup on its way back.

    :param backup: verified already (`Backups.verify`); its counts are what must come back.
    """

    def __init__(self, site: Site, backup: Backup) -> None:
        self.site = site
        self.backup = backup
        self.database = site.database
        self.limit = site.settings.ssh.build_timeout  # seconds; a restore is as long as a build

    @cached_property
    def live(self) -> str:
        """The live database's name."""
        return self.database.name

    def losses(self) -> list[TableLoss]:
        """What going back would lose, by table; the deployment's own tables are left out.

        PostgreSQL's statistics may be some seconds behind; the numbers of rows are not.
        """
        with self.database.session(statement_limit=self.limit) as session:
            counts = snapshot.table_counts(session)
            activity = snapshot.table_activity(session)
            oid = session.query(_WHICH)[0]["oid"]
        return loss.losses(self.backup, counts, activity, oid)

    def build(self, role: Literal["candidate", "scratch"] = "candidate") -> str:
        """Restore the backup beside the live database, count every table, and analyze it.

        A candidate also gets the live one's access rights, settings, connection limit and
        comment, which an archive lacks.

        :param role: `scratch` only tries the backup; the caller drops it.
        :returns: the new database's name.
        :raises DeployError: no room, the archive cannot be restored, or the rows are not what the
            manifest says; the new database is dropped.
        """
        self.refuse_no_room()
        name = database_names.named(self.live, role, self.site.release)
        with self.database.maintenance.session(statement_limit=self.limit) as session:
            properties = Properties.of(session, self.live)
            kept.drop(session, name)  # of a run of this release that was cut off
            session.execute(properties.creation(name))
        try:
            self._fill(name, properties)
            if role == "candidate":
                self._finish(name, properties)
        except BaseException:
            with interrupts.masked():
                self.drop(name)
            raise
        return name

    def swap(self, candidate: str) -> str:
        """Make a candidate the live database; the one that was live is kept, read-only.

        Every session on either is ended, and meets the new one when it comes again. Numbers that
        the live one has given out are not given out again.

        :returns: the kept database's name, which ends with this run's stamp.
        :raises DeployError: it could not be done; the live database is as it was.
        """
        return Swap(self.site, candidate, "candidate").run(self.site.release)

    def drop(self, name: str) -> None:
        """Drop what `build` made.

        :raises DeployError: it is no candidate and no scratch database of this site.
        """
        if not database_names.moment_of(self.live, name, "candidate", "scratch"):
            raise DeployError(f"{name} was not made by a restore; it stays")
        with self.database.maintenance.session() as session:
            kept.drop(session, name)

    def refuse_no_room(self) -> None:
        """:raises DeployError: less room than the restored database needs."""
        output = self.site.server.run(postgres.free_space(self.database.container.id))
        free = int(output.lines[-1].split()[3]) * 1024
        needed = ROOM * self.backup.size + int(self.site.settings.limits.free_disk_gb * 10**9)
        if free < needed:
            raise DeployError(
                f"no room to restore: {free / 10**9:.2f} GB free, {needed / 10**9:.2f} GB needed",
                evidence=f"{ROOM} × the backup's {self.backup.size / 10**9:.2f} GB, and "
                "limits.free_disk_gb, where the database's files lie",
                state="nothing was changed",
                next_command="make room there; the oldest database that a restore has kept may go",
            )

    def _fill(self, name: str, properties: Properties) -> None:
        container = self.database.container
        user, _ = account(container.environment)
        with self.database.other(name).session() as session:
            # Before the rows come, so that nobody reads them here who could not before.
            if access := properties.access(name):
                session.execute(access)
            rows = session.query("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        owners = bool(rows[0]["rolsuper"])
        command = postgres.restore(container.id, user=user, database=name, owners=owners)
        output = self.site.server.shell(
            _READ, self.backup.dump, *command, timeout=self.limit, check=False
        )
        if not output.ok:
            raise DeployError(
                f"the backup cannot be restored: pg_restore, exit code {output.exit_code}",
                evidence=without_rows(output.stderr or output.stdout),
                state="the live database is as it was; what was restored is dropped",
                next_command="another backup: fab backups",
            )
        with self.database.other(name).session(statement_limit=self.limit) as session:
            self._compare(snapshot.table_counts(session))

    def _compare(self, restored: dict[str, int]) -> None:
        expected = self.backup.counts
        differences = [
            f"{table}: {expected.get(table, 'no table')} in the manifest,"
            f" {restored.get(table, 'no table')} restored"
            for table in sorted({*expected, *restored})
            if expected.get(table) != restored.get(table)
        ]
        if differences:
            raise DeployError(
                f"what was restored is not what was backed up: {len(differences)} tables differ",
                evidence="\n".join(differences),
                state="the live database is as it was; what was restored is dropped",
                next_command="another backup: fab backups",
            )

    def _finish(self, name: str, properties: Properties) -> None:
        with self.database.other(name).session(statement_limit=self.limit) as session:
            session.execute("ANALYZE")
        # Last: a setting such as default_transaction_read_only must not stop the restore.
        with self.database.maintenance.session() as session:
            session.execute(properties.rest(name))


def without_rows(words: str) -> str:
    """PostgreSQL's words without the contents of the rows that it quotes."""
    for pattern, shorter in _ROW_CONTENT:
        words = pattern.sub(shorter, words)
    return words
