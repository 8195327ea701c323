"""What a restore would lose: the rows inserted, updated and deleted since the backup. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .backup import Backup

# The deployment's own tables: the log is carried over, and the map belongs to the rows.
OWN = frozenset({"migration_log", "user_backup_pre_migration"})
_COUNTERS = ("inserted", "updated", "deleted")


@dataclass(frozen=True)
class TableLoss:
    """What has happened to one table since the backup.

    :param in_backup: rows in the backup; 0 too where the table was created since.
    :param now: rows now; 0 too where the table was dropped since.
    :param inserted: rows inserted since, as the statistics count them (TRUNCATE is not in them,
        and what was rolled back is); None where they were reset meanwhile.
    """

    table: str
    in_backup: int
    now: int
    inserted: int | None
    updated: int | None
    deleted: int | None

    @property
    def changed(self) -> bool:
        """Whether anything has happened, or nobody knows."""
        untouched = not any(n is None or n for n in (self.inserted, self.updated, self.deleted))
        return self.in_backup != self.now or not untouched


def losses(
    backup: Backup, counts: dict[str, int], activity: dict[str, dict[str, int]], oid: int
) -> list[TableLoss]:
    """What has happened since a backup, by table; tables without a change are left out.

    :param counts: rows of each table now.
    :param activity: what the statistics have counted in each table until now.
    :param oid: the live database's number: another one has counted for itself.
    """
    same = backup.oid in (0, oid)
    every = [
        _loss(
            table,
            backup.counts.get(table, 0),
            counts.get(table, 0),
            _since(backup.activity.get(table), activity.get(table) if same else None),
        )
        for table in sorted({*backup.counts, *counts})
        if table.rpartition(".")[2] not in OWN
    ]
    return [loss for loss in every if loss.changed]


def _loss(table: str, then: int, now: int, since: dict[str, int | None]) -> TableLoss:
    """The rows are counted; the statistics are some seconds behind, and not behind them."""
    inserted, deleted = since["inserted"], since["deleted"]
    if inserted is not None and deleted is not None:
        since["inserted"] = max(inserted, now - then + deleted)
    return TableLoss(table, then, now, **since)


def _since(then: dict[str, int] | None, now: dict[str, int] | None) -> dict[str, int | None]:
    if now is None:
        return dict.fromkeys(_COUNTERS)
    since = {counter: now[counter] - (then or {}).get(counter, 0) for counter in _COUNTERS}
    reset = any(number < 0 for number in since.values())
    return dict.fromkeys(_COUNTERS) if reset else {**since}
