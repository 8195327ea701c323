"""Migrations as they lie in their folder: order, names, modes, and the skeleton of a new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabfile.errors import BadSettings
from fabfile.server.migration_folder import (
    KNOWN,
    MigrationFolder,
    look_through,
    read_folders,
)
from fabfile.server.migration_plan import plan
from fabfile.server.stage_text import check_text, messages, mode_of, refuse_unsendable, statements
from fabfile.settings import Settings
from tests.programs import ROOT, Done, program

ADD = 'ALTER TABLE {{ table("Story") }} ADD COLUMN summary text;\n'


def settings_of(parent: Path, **database: object) -> Settings:
    values = {"migration": {"folder": str(parent)}, "database": database}
    return Settings.model_validate(values)


def written(parent: Path, name: str, **files: str) -> MigrationFolder:
    """A migration with these files: `expand="…"`, `migration_yaml="…"`."""
    folder = parent / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        suffix = "" if file.endswith("_yaml") else ".sql"
        (folder / (file.replace("_yaml", ".yaml").replace("_", "-") + suffix)).write_text(text)
    return MigrationFolder(folder)


def refusal(parent: Path) -> str:
    with pytest.raises(BadSettings) as caught:
        for folder in read_folders(settings_of(parent)):
            refuse_unsendable(folder, settings_of(parent))
    assert "\n" not in caught.value.reason
    assert caught.value.exit_code == 2
    return caught.value.reason


def test_they_come_in_the_order_of_their_numbers_with_the_stages_that_they_have(
    tmp_path: Path,
) -> None:
    written(tmp_path, "100-later", contract="SELECT 1")
    written(tmp_path, "09-first", expand=ADD, contract="SELECT 1;")
    written(tmp_path, "10-second", data_batch="SELECT 0", reverse_data="SELECT 1")
    written(tmp_path, ".11-half.new", expand=ADD)
    (tmp_path / "README.md").write_text("about them")
    found = read_folders(settings_of(tmp_path))
    assert [(folder.name, folder.stages) for folder in found] == [
        ("09-first", ("expand", "contract")),
        ("10-second", ("data",)),
        ("100-later", ("contract",)),
    ]


def test_a_file_of_comments_is_no_stage(tmp_path: Path) -> None:
    folder = written(tmp_path, "03-a", expand="-- transaction: one\n/* not\nyet; */;\n", data="x")
    assert folder.stages == ("data",)
    assert set(folder.checksums("data")) == {"data.sql"}


@pytest.mark.parametrize(
    ("name", "files", "words"),
    [
        ("3-a", {"expand": ADD}, "3-a: not a migration's name; allowed: NN-name"),
        ("03-A b", {"expand": ADD}, "not a migration's name"),
        ("03-a", {"expnad": ADD}, "expnad.sql: no such stage; did you mean expand.sql?"),
        ("03-a", {"migration_yaml": "roles: {old: A, new: A}"}, "roles.old and roles.new must"),
        ("03-a", {"migration_yaml": "roles: {old: A}"}, "roles.new is"),
        ("03-a", {"migration_yaml": "tilte: x"}, "tilte is 'x'; allowed: Extra inputs"),
        ("03-a", {"migration_yaml": "a: [b"}, "migration.yaml: not YAML"),
        (
            "03-a",
            {"migration_yaml": "roles: {old: A, new: B}", "expand": ADD},
            "a migration of roles needs data.sql and reverse-data.sql",
        ),
        ("03-a", {"expand": "-- transaction: two\nSELECT 1"}, "transaction is 'two'; allowed: one"),
        ("03-a", {"expand": "-- x\nBEGIN; SELECT 1; COMMIT"}, "'BEGIN;'; allowed: no BEGIN and"),
        ("03-a", {"data": "SELECT 1;\n-- x\ncommit;"}, "data.sql: 'commit;'; allowed: no BEGIN"),
        (
            "03-a",
            {"expand": "CREATE UNIQUE INDEX CONCURRENTLY i ON t (x)"},
            "cannot run in a transaction; allowed with a first line `-- transaction: none`",
        ),
        ("03-a", {"expand": "SELECT {{ nobody_knows }}"}, "nobody_knows"),
        ("03-a", {"expand": ADD, "checks": "DELETE FROM x"}, "checks.sql: allowed: one SELECT"),
        ("03-a", {"expand": ADD, "checks": "SELECT 1; SELECT 2"}, "allowed: one SELECT"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_line(
    name: str, files: dict[str, str], words: str, tmp_path: Path
) -> None:
    written(tmp_path, name, **files)
    assert words in refusal(tmp_path)


def test_two_with_one_number_are_refused(tmp_path: Path) -> None:
    written(tmp_path, "03-a", expand=ADD)
    written(tmp_path, "03-b", expand=ADD)
    assert "03-a and 03-b have the same number" in refusal(tmp_path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "03-a", expand=ADD)
    (tmp_path / "03-a/data.sql").symlink_to(tmp_path / "nowhere")
    assert (
        refusal(tmp_path) == f"{tmp_path}/03-a/data.sql: cannot be read: No such file or directory"
    )


def test_what_is_wrong_hides_nothing_of_the_rest(tmp_path: Path) -> None:
    written(tmp_path, "03-a", expand=ADD)
    written(tmp_path, "04-b", expnad=ADD)
    written(tmp_path, "05 c")
    written(tmp_path, "06-d", migration_yaml="a: [b")
    written(tmp_path, "07-e", expand=ADD)
    found = look_through(settings_of(tmp_path))
    assert [folder.name for folder in found.readable] == ["03-a", "07-e"]
    assert list(found.wrong) == ["04-b", "05 c", "06-d"]
    fault = found.fault_of("04-b")
    assert fault and "did you mean expand.sql?" in fault.reason
    assert found.fault_of("03-a") is None and found.fault_of("99-not-here") is None

    nothing = look_through(settings_of(tmp_path / "none"))
    fault = nothing.fault_of("99-any")
    assert fault and "no such folder" in fault.reason


@pytest.mark.parametrize(
    ("task", "code"),
    [
        *((task, 2) for task in ("deploy", "blue-green", "migration --reverse=a")),
        *((task, 1) for task in ("rollback", "restore x --yes", "backup", "migrations")),
        ("lock.release --reason=x", 1),
    ],
)
def test_one_that_is_half_written_stops_only_what_would_apply_it(
    task: str, code: int, tmp_path: Path
) -> None:
    """Nobody listens at the server's address: whoever asks there ends with 1."""
    written(tmp_path, "03-half", expnad=ADD)
    where = f"--set=migration.folder={tmp_path}"
    public = {"DEPLOY_PUBLIC__CONNECT": "127.0.0.1:9"}
    done = program("invoke", *task.split(), where, seconds=60, environment=public)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("expnad.sql: no such stage" in done.stderr) == (code == 2)


def test_a_migration_itself_is_not_the_folder_of_them() -> None:
    shipped = ROOT / "sql/migrations/02-database-migration"
    assert "holds a migration's own files; allowed: the folder above" in refusal(shipped)


def test_functions_and_transactions_in_their_bodies_are_no_reason_to_refuse(tmp_path: Path) -> None:
    body = """CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN; RETURN 1; END $$;
        DO $x$ BEGIN PERFORM 1; END $x$; INSERT INTO t VALUES ('a; BEGIN;'); -- COMMIT;"""
    folder = written(tmp_path, "03-a", expand=body)
    refuse_unsendable(folder, settings_of(tmp_path))
    assert len(statements(body)) == 3


def test_one_transaction_has_the_stage_its_checks_and_its_entry() -> None:
    [message] = messages("one", "SELECT 1 -- no end", "SELECT 2")
    assert message.startswith("BEGIN;") and message.endswith("COMMIT")
    assert message.index("SELECT 1") < message.index("\n;") < message.index("SELECT 2")


def test_without_a_transaction_each_statement_goes_by_itself(tmp_path: Path) -> None:
    text = '-- transaction: none\nDROP INDEX "a;b"; -- x\nCREATE INDEX CONCURRENTLY i ON t (x)\n'
    folder = written(tmp_path, "03-a", expand=text)
    assert mode_of(folder.path / "expand.sql") == "none"
    sent = messages("none", text, "")
    assert [s.count("INDEX") for s in sent] == [1, 1]
    assert messages("own", "BEGIN; SELECT 1; COMMIT", "") == ("BEGIN; SELECT 1; COMMIT",)


def test_checks_are_asked_without_their_semicolon_and_know_the_stage(tmp_path: Path) -> None:
    folder = written(tmp_path, "03-a", expand=ADD, checks="-- x\nSELECT {{ stage }} AS fault;\n")
    text = check_text(folder, settings_of(tmp_path), "data")
    assert "SELECT 'data' AS fault\n    ) AS asked (fault)" in text


def test_other_tables_are_quoted_with_the_sites_schema(tmp_path: Path) -> None:
    written(tmp_path, "03-a", expand=ADD)
    settings = settings_of(tmp_path, schema='we"ird')
    assert plan(settings, "r")[0].sql.startswith('ALTER TABLE "we""ird"."Story" ADD COLUMN')


# -- a new one ---------------------------------------------------------------------------------


def new(parent: Path, name: str, *options: str) -> Done:
    where = f"--set=migration.folder={parent}"
    return program("invoke", "migration", f"--new={name}", where, *options, seconds=30)


def test_a_new_one_gets_the_next_number_and_nothing_is_a_stage_yet(tmp_path: Path) -> None:
    parent = tmp_path / "sql"
    assert new(parent, "add-summary").returncode == 0
    done = new(parent, "drop-title")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in parent.iterdir()) == ["01-add-summary", "02-drop-title"]
    folder = parent / "02-drop-title"
    assert {file.name for file in folder.glob("*.sql")} == set(KNOWN)
    for file in folder.glob("*.sql"):
        assert file.name in done.stdout
        for line in file.read_text().splitlines():
            assert line.startswith("--"), f"{file.name}: {line}"
    expand = (folder / "expand.sql").read_text()
    for word in ("lock_timeout", "statement_timeout", "CONCURRENTLY", "ADD VALUE", "NOT VALID"):
        assert word in expand
    found = read_folders(settings_of(parent))
    assert [one.stages for one in found] == [(), ()]
    for one in found:
        refuse_unsendable(one, settings_of(parent))


def test_the_examples_in_a_skeleton_can_be_sent(tmp_path: Path) -> None:
    assert new(tmp_path, "summary").returncode == 0
    [folder] = (tmp_path / "01-summary",)
    for file in folder.glob("*.sql"):
        *remarks, example = file.read_text().rsplit("--\n", 1)
        file.write_text("--\n".join(remarks) + example.replace("-- ", ""))
    [one] = read_folders(settings_of(tmp_path))
    assert one.stages == ("expand", "data", "contract")
    refuse_unsendable(one, settings_of(tmp_path))


def test_a_new_one_never_goes_over_what_is_there(tmp_path: Path) -> None:
    assert new(tmp_path, "add-summary").returncode == 0
    mine = tmp_path / "01-add-summary/expand.sql"
    mine.write_text("mine")
    again = new(tmp_path, "add-summary")
    assert again.returncode == 2
    assert "there is 01-add-summary already" in again.stderr
    assert mine.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["01-add-summary"]


@pytest.mark.parametrize("name", ["../up", "Add", "a b", "a--b", "02-a", "-a", "a" * 60, "a;b"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    done = new(tmp_path, name)
    assert done.returncode == 2, done.stdout
    assert f"--new is {name!r}; allowed: small letters" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_neither_or_both_is_a_wrong_use(tmp_path: Path) -> None:
    for options in ((), ("--new=a", "--reverse=01-a")):
        done = program("invoke", "migration", *options, seconds=30)
        assert done.returncode == 2
        assert "allowed: either --new NAME or --reverse NN-NAME" in done.stderr
    none = program("invoke", "migration", "--new=a", "--set=migration.folder=", seconds=30)
    assert none.returncode == 2
    assert "migration.folder is empty" in none.stderr


def test_what_is_to_be_taken_back_must_be_one_of_them() -> None:
    done = program("invoke", "migration", "--reverse=09-x", seconds=30)
    assert done.returncode == 2
    assert "--reverse is '09-x'; allowed: 02-database-migration" in done.stderr


def test_a_bad_migration_is_refused_before_anything_is_contacted(tmp_path: Path) -> None:
    written(tmp_path, "03-a", expand="BEGIN; SELECT 1; COMMIT")
    done = program("invoke", "run-migration", f"--set=migration.folder={tmp_path}", seconds=30)
    assert done.returncode == 2, done.stderr
    assert "allowed: no BEGIN and COMMIT" in done.stderr
