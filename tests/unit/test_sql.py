"""SQL text: quoting, filling in, the log's arithmetic; no database."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import yaml

from fabfile.errors import BadSettings, DeployError
from fabfile.server.migration_checks import refuse_changed, refuse_unexpected
from fabfile.server.migration_folder import MigrationFolder, read_folders
from fabfile.server.migration_log import LogEntry, cut_off, standing
from fabfile.server.migration_plan import plan
from fabfile.server.migration_settings import Roles
from fabfile.server.sql_text import checksum, fill_in, identifier, literal, names
from fabfile.settings import Settings
from tests.programs import ROOT

SHIPPED = ROOT / "sql/migrations/02-database-migration"


def entry(
    stage: str,
    status: str,
    number: int = 1,
    files: dict[str, str] | None = None,
    stands: dict[str, int] | None = None,
) -> LogEntry:
    return LogEntry(
        number, "r1", stage, status, "t", "me", "here", files or {}, "", {}, {}, stands or {}, ""
    )


def entries(*events: str) -> list[LogEntry]:
    pairs = [event.split() for event in events]
    return [entry(stage, status, number) for number, (stage, status) in enumerate(pairs, 1)]


def planned(**settings: object) -> dict[str, str]:
    return {p.file: p.sql for p in plan(Settings.model_validate(settings), "20260101-000000")}


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("User", '"User"'), ('we"ird', '"we""ird"'), ("a; DROP TABLE b", '"a; DROP TABLE b"')],
)
def test_identifiers_are_quoted(name: str, quoted: str) -> None:
    assert identifier(name) == quoted


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("LEARNER", "'LEARNER'"), ("it's", "'it''s'"), ("a\\b'", " E'a\\\\b'''"), (None, "NULL")],
)
def test_literals_are_quoted(value: str | None, quoted: str) -> None:
    assert literal(value) == quoted


def test_a_placeholder_without_a_value_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "data.sql"
    file.write_text("SELECT {{ nobody_knows }}")
    with pytest.raises(BadSettings, match="nobody_knows"):
        fill_in(file, {})


def test_the_enum_value_is_added_alone_in_its_file() -> None:
    lines = planned()["expand"].splitlines()
    statements = [line for line in lines if line and not line.startswith("--")]
    assert statements == ["""ALTER TYPE "Role" ADD VALUE IF NOT EXISTS 'CUSTOMER';"""]


def another_move(parent: Path, **roles: str) -> Path:
    """The shipped migration with other roles; the folder above it."""
    shutil.copytree(SHIPPED, parent / "02-database-migration")
    own = yaml.safe_dump({"roles": roles})
    (parent / "02-database-migration/migration.yaml").write_text(own)
    return parent


def test_names_and_roles_of_another_site_reach_every_stage_quoted(tmp_path: Path) -> None:
    stages = planned(
        database={
            "user_table": "users",
            "role_type": "UserRole",
            "updated_column": None,
            "session_table": "sessions",
        },
        migration={"folder": str(another_move(tmp_path, old="pupil's", new="guest"))},
    )
    assert """ALTER TYPE "UserRole" ADD VALUE IF NOT EXISTS 'guest'""" in stages["expand"]
    for stage in ("data", "contract", "reverse-data"):
        assert '"users"' in stages[stage] and '"User"' not in stages[stage]
        assert "'pupil''s'" in stages[stage]
        assert "updatedAt" not in stages[stage]
    assert 'FROM "sessions"' in stages["data"]


def test_a_schema_stands_before_tables_and_types_and_nothing_else() -> None:
    stages = planned(
        database={"schema": "app", "user_table": 'User "Accounts"', "role_type": "UserRole"}
    )
    assert 'ALTER TYPE "app"."UserRole" ADD VALUE' in stages["expand"]
    assert 'UPDATE "app"."User ""Accounts"""\n       SET "role" =' in stages["data"]
    assert 'm.old_role::"app"."UserRole"' in stages["reverse-data"]
    assert """'"app"."User ""Accounts""\"'::regclass""" in stages["contract"]
    assert names(Settings.model_validate({"database": {"user_table": ""}}))["users"] == ""


def test_a_site_without_sessions_is_not_asked_for_them() -> None:
    assert "Session" not in planned(database={"session_table": None})["data"]


@pytest.mark.parametrize("stage", ["data", "reverse-data"])
def test_rows_checks_and_log_entry_are_one_transaction(stage: str) -> None:
    sql = planned()[stage]
    body = sql[sql.index("BEGIN ISOLATION") : sql.rindex("COMMIT;")]
    assert "COMMIT;" not in body
    for part in ('UPDATE "User"', "user_backup_pre_migration", "RAISE EXCEPTION", "migration_log"):
        assert part in body


def test_every_stage_says_what_it_locks() -> None:
    stages = plan(Settings(), "r")
    assert [p.file for p in stages] == [
        *("expand", "data-batch", "data", "contract"),
        *("reverse-contract", "reverse-data"),
    ]
    assert all(p.locks.startswith("Locks: ") and "not said" not in p.locks for p in stages)


def test_no_folder_is_no_migration() -> None:
    assert planned(migration={"folder": ""}) == {}


def test_a_missing_folder_is_a_bad_setting() -> None:
    settings = Settings.model_validate({"migration": {"folder": "sql/nowhere"}})
    with pytest.raises(BadSettings, match="sql/nowhere"):
        read_folders(settings)


def test_the_checksum_is_of_the_file_before_it_is_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "expand.sql"
    file.write_bytes(b"SELECT {{ old_role }}\n")
    assert checksum(file) == hashlib.sha256(b"SELECT {{ old_role }}\n").hexdigest()


@pytest.mark.parametrize(
    ("events", "holds"),
    [
        ([], False),
        (["data STARTED"], False),
        (["data STARTED", "data COMPLETED"], True),
        (["data COMPLETED", "data REVERSED"], False),
        (["data COMPLETED", "contract REVERSED"], True),
        (["data COMPLETED", "all ROLLED_BACK"], False),
        (["data COMPLETED", "data REVERSED", "data DEFERRED"], False),
        (["data COMPLETED", "data REVERSED", "data COMPLETED"], True),
        (["data COMPLETED", "data FAILED"], True),
    ],
)
def test_a_stage_stands_until_it_is_reversed_or_rolled_back(events: list[str], holds: bool) -> None:
    assert bool(standing(entries(*events), "data")) is holds


def test_after_a_restore_the_stages_hold_that_the_restored_database_has() -> None:
    log = [
        *entries("expand COMPLETED", "data COMPLETED", "data REVERSED"),
        entry("all", "ROLLED_BACK", 4, stands={"expand": 1}),
    ]
    assert standing(log, "expand") == log[0]
    assert standing(log, "data") is None
    again = entry("data", "COMPLETED", 5)
    assert standing([*log, again], "data") == again


def test_a_started_entry_with_nothing_after_it_is_of_a_dead_run() -> None:
    assert cut_off(entries("data STARTED"), "data")
    assert not cut_off(entries("data STARTED", "data FAILED"), "data")
    assert not cut_off(entries("expand STARTED"), "data")


def test_an_edited_file_is_refused_with_both_checksums(tmp_path: Path) -> None:
    for stage in ("expand", "data", "contract"):
        (tmp_path / f"{stage}.sql").write_text(stage)
    folder, now = MigrationFolder(tmp_path), hashlib.sha256(b"data").hexdigest()
    log = [entry("data", "COMPLETED", files={"data.sql": "0" * 64})]
    with pytest.raises(DeployError) as caught:
        refuse_changed(log, folder)
    for word in (str(tmp_path / "data.sql"), "0" * 12, now[:12], "new migration"):
        assert word in caught.value.reason
    assert "\n" not in caught.value.reason
    assert "0" * 64 in caught.value.evidence and now in caught.value.evidence
    refuse_changed([*log, entry("data", "REVERSED", 2)], folder)
    refuse_changed([entry("data", "COMPLETED", files={"data.sql": now})], folder)
    (tmp_path / "data.sql").unlink()
    with pytest.raises(DeployError, match="no file now"):
        refuse_changed(log, folder)


def test_expectations_hold_before_the_first_run_only() -> None:
    roles = Roles(old="LEARNER", new="CUSTOMER", expect={"LEARNER": 2, "ADMIN": 2})
    folder = MigrationFolder(SHIPPED, roles=roles)
    refuse_unexpected({"LEARNER": 2, "ADMIN": 2}, [], folder)
    for found in ({"LEARNER": 3, "ADMIN": 2}, {"LEARNER": 2}, {"LEARNER": 2, "ADMIN": 2, "X": 1}):
        with pytest.raises(DeployError, match="not as 02-database-migration expects"):
            refuse_unexpected(found, [], folder)
        refuse_unexpected(found, entries("expand COMPLETED"), folder)
        refuse_unexpected(found, entries("data COMPLETED", "all ROLLED_BACK"), folder)
