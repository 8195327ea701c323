"""How the migration stands: read from the database and the containers; nothing is changed."""

from __future__ import annotations

import contextlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from . import migration_checks as checks
from .containers import COLOUR_LABEL, Container
from .database import Database
from .migration_log import LogEntry, MigrationLog, standing
from .sql_session import Session
from .sql_text import stage_folder

if TYPE_CHECKING:
    from ..site import Site

NONE = "no migration: migration.folder is empty"


class MigrationState:
    """What is asked of the site's migration.

    :param on: the database that is asked; by default the site's own.
    """

    def __init__(self, site: Site, on: Database | None = None) -> None:
        self.site = site
        self.settings = site.settings
        self.on = on or site.database

    @property
    def wanted(self) -> bool:
        """Whether there is a migration at all."""
        return bool(self.settings.migration.folder)

    @cached_property
    def folder(self) -> Path:
        """The stage files' folder; its name is the migration's.

        :raises BadSettings: there is no such folder.
        """
        return stage_folder(self.settings)

    def check(self) -> dict[str, int]:
        """Compare with the settings' expectations and the checksums; nothing is changed.

        :returns: users per role.
        :raises DeployError: users per role are not as expected before the first run, or a
            stage's file is not the one that was applied.
        """
        with self._session() as session:
            roles: dict[str, int] = checks.counts(session, self.settings)["roles"]
            if self.wanted:
                entries = MigrationLog(session, self.folder.name).entries()
                checks.refuse_edited(entries, self.folder)
                checks.refuse_unexpected(roles, entries, self.settings)
        return roles

    def entries(self) -> list[LogEntry]:
        """The log, oldest first."""
        if not self.wanted:
            return []
        with self._session() as session:
            return MigrationLog(session, self.folder.name).entries()

    def data_is_due(self) -> bool:
        """Whether the rows wait to be moved: expand is done, and data never, or reversed since."""
        entries = self.entries()
        return bool(standing(entries, "expand")) and standing(entries, "data") is None

    def contract_is_due(self) -> bool:
        """Whether the rows have moved and the old role is not refused yet."""
        entries = self.entries()
        return bool(standing(entries, "data")) and not standing(entries, "contract")

    def moved_by(self, release: str) -> bool:
        """Whether the rows have moved, by a run of this release."""
        data = standing(self.entries(), "data")
        return data is not None and data.release == release

    def rows_have_moved(self) -> bool:
        """Whether anybody is in the new role, or in the map and not back yet."""
        if not self.wanted:
            return False
        with self._session() as session:
            return self._moved(MigrationLog(session, self.folder.name))

    def can_read(self, container: Container) -> bool:
        """Whether a container's release says that it can read the new role."""
        reads = container.reads(self.settings.database.role_type or "")
        return reads is not None and self.settings.migration.new_role in reads

    def says_that_it_cannot_read(self, container: Container) -> bool:
        """Whether a release names the values that it can read, and the new role is not one.

        A release that says nothing is trusted with its own migration, but not with going back.
        """
        reads = container.reads(self.settings.database.role_type or "")
        return self.wanted and reads is not None and not self.can_read(container)

    def readers_lacking_new_role(self) -> list[Container]:
        """Running containers of the app that do not say that they can read the new role."""
        if not self.wanted:
            return []
        return [
            container
            for container in self.site.containers.all()
            if container.running
            and (container.service == self.settings.compose.app or COLOUR_LABEL in container.labels)
            and not self.can_read(container)
        ]

    def unsettled(self) -> list[str]:
        """What a validation would not accept, one line each; empty when all is well.

        Nobody whom the migration moved may be in the old role again; and where people were
        signed in before, not everybody may be signed out. Late sign-ups of a release that still
        serves are no fault: contract sweeps them.
        """
        done = standing(self.entries(), "data")
        if done is None:
            return []
        with self._session() as session:
            returned = checks.returned(session, self.settings)
            sessions = checks.counts(session, self.settings)["sessions"]
        faults = []
        if returned:
            faults.append(f"{returned} users are in {self.settings.migration.old_role} again")
        if done.counts_before.get("sessions") and not sessions:
            faults.append(f"of {done.counts_before['sessions']} sessions none is left")
        return faults

    def summary(self) -> list[str]:
        """The guide's lines on the migration, as the database has it now."""
        if not self.wanted:
            return [NONE]
        old, new = self.settings.migration.old_role, self.settings.migration.new_role
        roles = self.on.role_counts()
        order = sorted(roles, key=lambda role: (role != new, role))
        each = ", ".join(f"{roles[role]} {role}" for role in order)
        total = f"• Total users: {sum(roles.values())} ({each})"
        done = standing(self.entries(), "data")
        if done is None:
            left = roles.get(old, 0)
            return [
                f"• Users to migrate: {left} {old} → {left} {new}, right after the switch",
                total,
                "• Data integrity: no row has been changed yet",
            ]
        with self._session() as session:
            moved = checks.map_counts(session)["open"]
        faults = self.unsettled()
        return [
            f"• Users migrated: {moved} {old} → {moved} {new}",
            total,
            f"• Data integrity: {'; '.join(faults) or 'Verified'}",
        ]

    def _session(self) -> contextlib.AbstractContextManager[Session]:
        return self.on.session(self.site.release)

    def _moved(self, log: MigrationLog) -> bool:
        roles = checks.counts(log.session, self.settings)["roles"]
        if roles.get(self.settings.migration.new_role, 0):
            return True
        return log.exists() and checks.map_counts(log.session)["open"] > 0
