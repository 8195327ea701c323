"""A migration that moves everybody from one role to another, and back from its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from . import migration_checks as checks
from .containers import Container
from .migration import Migration
from .migration_log import LogEntry, MigrationLog, standing
from .migration_settings import Roles
from .people import counts
from .sql_session import Session
from .sql_text import fill_in, literal
from .stage_text import stage_values


@dataclass(frozen=True)
class MovedBack:
    """How many users went back to the old role.

    :param from_map: users whom the migration had moved.
    :param created_since: users who were created in the new role since.
    :param promoted: users who have another role by now, or are gone; nothing was done to them.
    """

    from_map: int = 0
    created_since: int = 0
    promoted: int = 0

    def __str__(self) -> str:
        return (
            f"{self.from_map} moved back from the map, {self.created_since} created since, "
            f"{self.promoted} kept a later role"
        )


class RoleMigration(Migration):
    """What `migration.yaml` has under `roles`. Which release can read the new role, its image's
    label says."""

    @cached_property
    def roles(self) -> Roles:
        assert self.folder.roles, "a plain migration is a Migration"
        return self.folder.roles

    # -- how it stands -------------------------------------------------------------------------

    def lives_with(self, container: Container) -> bool:
        """Whether a container's release says that it can read the new role."""
        reads = container.reads(self.settings.database.role_type or "")
        return reads is not None and self.roles.new in reads

    def says_that_it_cannot_read(self, container: Container) -> bool:
        """Whether a release names the values that it can read, and the new role is not one.

        A release that says nothing is trusted with its own migration, but not with going back.
        """
        reads = container.reads(self.settings.database.role_type or "")
        return reads is not None and self.roles.new not in reads

    def unread_by(self, releases: str) -> str:
        """Words for releases that do not live with the rows moved."""
        return f"{releases} cannot read {self.roles.new}"

    def has_moved(self) -> bool:
        """Whether anybody is in the new role, or in the map and not back yet."""
        with self._session() as session:
            return self._moved(MigrationLog(session, self.name))

    def moved_by(self, release: str) -> bool:
        """Whether the rows have moved, by a run of this release."""
        data = self.standing("data")
        return data is not None and data.release == release

    def unsettled(self) -> list[str]:
        """Nobody whom the migration moved may be in the old role again; and where people were
        signed in before, not everybody may be signed out. Late sign-ups of a release that still
        serves are no fault: contract sweeps them.
        """
        done = self.standing("data")
        if done is None:
            return []
        with self._session() as session:
            returned = checks.returned(session, self.settings, self.folder)
            sessions = counts(session, self.settings)["sessions"]
        faults = super().unsettled()
        if returned:
            faults.append(f"{returned} users are in {self.roles.old} again")
        if done.counts_before.get("sessions") and not sessions:
            faults.append(f"of {done.counts_before['sessions']} sessions none is left")
        return faults

    def headline(self) -> str:
        """The guide's first line on the migration, as the database has it now."""
        old, new = self.roles.old, self.roles.new
        with self._session() as session:
            if standing(MigrationLog(session, self.name).entries(), "data"):
                moved = checks.map_counts(session, self.folder)["open"]
                return f"• Users migrated: {moved} {old} → {moved} {new}"
            left = self._roles(session).get(old, 0)
        return f"• Users to migrate: {left} {old} → {left} {new}, right after the switch"

    # -- refusing ------------------------------------------------------------------------------

    def refuse(self, roles: Mapping[str, int], entries: Sequence[LogEntry]) -> None:
        """:raises DeployError: a file was changed after it had been applied, or users per role are
        not as expected before the first run."""
        super().refuse(roles, entries)
        checks.refuse_unexpected(roles, entries, self.folder)

    # -- there and back ------------------------------------------------------------------------

    def move_back(self) -> MovedBack:
        """Bring every user of the new role back to the old one; it loses nothing, and a second
        run sweeps up who came since.

        :raises DatabaseError: a check failed or the database refused; no row has moved.
        """
        with self._locked() as log:
            entries, back = log.entries(), self.reversals(log)
            if not back:
                return MovedBack()
            log.prepare()
            before = checks.map_counts(log.session, self.folder)
            self._runner(log, entries).reverse("data", back["data"])
        with self._session() as session:
            after = checks.map_counts(session, self.folder)
        return MovedBack(*(after[name] - before[name] for name in ("back", "since", "kept")))

    def reversals(self, log: MigrationLog) -> dict[str, dict[str, object]]:
        """As `Migration.reversals`: data and contract have one way back."""
        entries = log.entries()
        stages = [stage for stage in ("data", "contract") if standing(entries, stage)]
        if not stages and not self._moved(log):
            return {}
        reversed_stages = ", ".join(map(literal, stages or ["data"]))
        extra: dict[str, object] = {
            # By the table, not by the log: contract may have been cut off half way.
            "reverse_contract": checks.has_rule(log.session, self.settings, self.folder),
            "reversed_stages": f"ARRAY[{reversed_stages}]",
        }
        return {"data": extra}

    def send_back(self) -> str:
        """The same, in one line; empty where nobody had to move."""
        moved = self.move_back()
        return "" if moved == MovedBack() else f"roles: {moved}"

    def fit(self, readers: Sequence[Container]) -> str:
        """On a restored database: only the new role's value, with no check and no entry, where a
        release that writes it is at work."""
        if any(map(self.lives_with, readers)):
            values = stage_values(self.settings, self.folder, "expand", self.site.release, None)
            with self._session() as session:
                session.execute(fill_in(self.folder.path / "expand.sql", values))
        return ""

    # -- how ------------------------------------------------------------------------------------

    def _is_there(self, session: Session) -> bool:
        return checks.has_new_role(session, self.settings, self.roles.new)

    def _roles(self, session: Session) -> Mapping[str, int]:
        roles: Mapping[str, int] = counts(session, self.settings)["roles"]
        return roles

    def _moved(self, log: MigrationLog) -> bool:
        if self._roles(log.session).get(self.roles.new, 0):
            return True
        return log.exists() and checks.map_counts(log.session, self.folder)["open"] > 0
