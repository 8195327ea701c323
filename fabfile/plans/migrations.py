"""The SQL that the migrations' stages and their ways back would send."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..documents.plan import Deed
from ..server.containers import Container
from ..server.migration import Migration
from ..server.migration_folder import REVERSES, STAGE_FILES, STAGES
from ..server.migration_log import LOG_FILE, LogEntry, MigrationLog, standing
from ..server.migrations import Migrations
from ..server.sql_locks import split
from ..server.sql_text import fill_in
from ..server.stage_script import BATCH, StageScript
from .deeds import deed
from .outlook import Outlook

BACKUP = "SHA256-OF-THE-BACKUP"  # stands for what the planned backup will have
NOTHING = "nothing: no stage of a migration is due"


def prepares(seen: Outlook) -> list[Deed]:
    """The log and the map of the migrations."""
    with seen.site.database.session() as session:
        there = MigrationLog(session, "").exists()
    what = "migration_log and its map are there already; creating them again does nothing"
    sql = split(fill_in(LOG_FILE, {}))
    return [deed("database", what if there else "creates migration_log and its map", sql=sql)]


def pending(seen: Outlook, one: Migration, stage: str) -> bool:
    """Whether a stage is still to be done after the steps planned so far."""
    if stage not in one.folder.stages or (one.name, stage) in seen.done:
        return False
    return not standing(_entries(seen, one), stage)


def due(seen: Outlook, one: Migration, stage: str) -> bool:
    """Whether it is pending, and what comes before it is done by then."""
    earlier = STAGES[: STAGES.index(stage)]
    return pending(seen, one, stage) and not any(pending(seen, one, s) for s in earlier)


def does(seen: Outlook, one: Migration, stage: str, *, condition: str = "") -> list[Deed]:
    """One stage, as `StageRunner` sends it; it counts as done from here on.

    :param condition: words in front, where only the run itself can know.
    """
    seen.done.add((one.name, stage))
    script = StageScript(one.settings, one.folder, seen.site.release, seen.backup_sha256)
    name = f"{condition}{one.name}, {stage}"
    deeds = [deed("database", f"{name}: STARTED into migration_log, committed alone")]
    if stage == "data" and one.folder.has(BATCH):
        words = f"{name}: {BATCH}, again until nothing is left"
        if one.folder.roles:
            words += f"; only above {one.settings.migration.batch_above:,} rows"
        deeds.append(deed("database", words, sql=split(script.filled(stage, BATCH, {}))))
    file = STAGE_FILES[stage][-1]
    if one.folder.has(file):
        deeds.append(_sends(one, script, stage, file, "COMPLETED", {}, name))
    else:
        sql = split(script.ending(stage, "COMPLETED"))
        deeds.append(deed("database", f"{name}: COMPLETED into migration_log", sql=sql))
    return deeds


def takes_back(seen: Outlook, one: Migration) -> list[Deed]:
    """Contract and data, as `send_back` takes them back; empty where nothing is to be."""
    if not one.has_way_back:
        return []
    with one.on.session() as session:
        back = one.reversals(MigrationLog(session, one.name))
    return [reverses(seen, one, stage, extra) for stage, extra in back.items()]


def reverses(
    seen: Outlook, one: Migration, stage: str, extra: dict[str, object] | None = None
) -> Deed:
    """One stage's way back."""
    script = StageScript(one.settings, one.folder, seen.site.release, seen.backup_sha256)
    name = f"{one.name}: {stage} is taken back"
    return _sends(one, script, stage, REVERSES[stage], "REVERSED", extra or {}, name)


def makes_readable(seen: Outlook, migrations: Migrations, container: Container) -> list[Deed]:
    """What a release cannot live with goes back, the last migration first."""
    behind = [one for one in reversed(migrations.all) if one.has_way_back]
    cannot = [one for one in behind if not one.lives_with(container)]
    deeds = [found for one in cannot for found in takes_back(seen, one)]
    return deeds or [deed("database", f"nothing: {container.name} can live with every row")]


def of_those(parts: Iterable[Sequence[Deed]]) -> list[Deed]:
    """The deeds of several migrations; words where there are none."""
    return [one for deeds in parts for one in deeds] or [deed("database", NOTHING)]


def _sends(
    one: Migration,
    script: StageScript,
    stage: str,
    file: str,
    status: str,
    extra: dict[str, object],
    name: str,
) -> Deed:
    messages = script.messages(stage, file, status, extra)
    sql = [statement for message in messages for statement in split(message)]
    return deed("database", f"{name}: {file}{_remark(sql)}", sql=sql)


def _remark(sql: Sequence[str]) -> str:
    """What the file itself says of its locks, in its own words."""
    lines = "\n".join(sql).splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("-- Locks: ")), None)
    if start is None:
        return ""
    words = [lines[start].removeprefix("-- Locks: ")]
    for line in lines[start + 1 :]:
        if not line.startswith("-- ") or words[-1].endswith("."):
            break
        words.append(line.removeprefix("-- "))
    return f" (its own words on its locks: {' '.join(words)})"


def _entries(seen: Outlook, one: Migration) -> list[LogEntry]:
    return seen.once(f"log of {one.name}", one.entries)
