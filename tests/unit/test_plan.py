"""A plan's parts, without a server: locks, hidden secrets, diffs, and what it can never do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml

from docs import generate
from fabfile.commands import compose
from fabfile.commands.compose_secrets import HIDDEN, without_secrets
from fabfile.documents.plan import Deed, PlanDocument
from fabfile.errors import DeployError
from fabfile.phases.phase import Phase, Step
from fabfile.plans.deeds import deed, only, writes
from fabfile.plans.outlook import Outlook, PlannedSite
from fabfile.plans.planning import Part, Planning
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.server.ledger import Entry
from fabfile.server.migration_folder import REVERSES, STAGE_FILES, MigrationFolder, read_folders
from fabfile.server.sql_locks import UNKNOWN, locks_of, split
from fabfile.server.stage_script import StageScript
from fabfile.settings import load
from fabfile.site import Site
from tests.programs import program

SETTINGS = load({"ssh": {"host": "nobody@127.0.0.1:9"}})


def a_site() -> Site:
    return Site(SETTINGS, Server(SETTINGS), Console())


# -- locks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("""ALTER TYPE "Role" ADD VALUE IF NOT EXISTS 'X'""", 'the type "Role" only'),
        ('ALTER TABLE "User" DROP CONSTRAINT IF EXISTS x', 'ACCESS EXCLUSIVE on "User"'),
        (
            "ALTER TABLE public.\"User\" ADD CONSTRAINT x CHECK (a <> 'b') NOT VALID",
            'ACCESS EXCLUSIVE on public."User"',
        ),
        ("alter table users validate constraint x", "SHARE UPDATE EXCLUSIVE on users"),
        ("ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES c", "SHARE ROW EXCLUSIVE on a"),
        ("ALTER TABLE a ALTER COLUMN b SET STATISTICS 5", "SHARE UPDATE EXCLUSIVE on a"),
        ("ALTER TABLE a ADD COLUMN b text", "ACCESS EXCLUSIVE on a"),
        ("UPDATE users SET role = 'b'", "ROW EXCLUSIVE on users, and the rows"),
        ("DELETE FROM ONLY users", "ROW EXCLUSIVE on users, and the rows"),
        ("INSERT INTO a SELECT 'UPDATE b'", "ROW EXCLUSIVE on a: nobody"),
        ("LOCK TABLE a IN SHARE ROW EXCLUSIVE MODE", "SHARE ROW EXCLUSIVE on a: who writes"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON a (b)", "SHARE UPDATE EXCLUSIVE"),
        ("CREATE INDEX i ON a (b)", "SHARE on a: who writes"),
        ("DROP TABLE IF EXISTS a", "ACCESS EXCLUSIVE on a"),
        ("TRUNCATE a", "ACCESS EXCLUSIVE on a"),
        ('ALTER DATABASE "a" RENAME TO "b"', 'ACCESS EXCLUSIVE on the database "a"'),
        ("SELECT 1", "ACCESS SHARE"),
        ("SELECT 1 FROM a FOR UPDATE SKIP LOCKED", "the rows that it picks"),
        ("COMMIT", "nothing; every lock so far goes"),
        ("-- UPDATE a\nBEGIN", "nothing"),
        ("GRANT ALL ON a TO b", UNKNOWN),
    ],
)
def test_the_locks_of_a_statement(sql: str, expected: str) -> None:
    assert locks_of(sql).startswith(expected)


def test_a_statement_with_several_changes_names_each_and_a_conflict_none() -> None:
    sql = """
    WITH moved AS (UPDATE "User" SET role = 'b' RETURNING id)
    INSERT INTO map SELECT id FROM moved ON CONFLICT (id) DO UPDATE SET id = 1
    """
    found = locks_of(sql)
    assert 'ROW EXCLUSIVE on "User", and the rows' in found
    assert "ROW EXCLUSIVE on map: nobody" in found
    assert "SET" not in found


def test_a_block_locks_what_its_statements_would() -> None:
    sql = "DO $x$ BEGIN IF true THEN ALTER TABLE a ALTER b SET DEFAULT 1; END IF; END $x$"
    assert locks_of(sql).startswith("where its condition holds: ACCESS EXCLUSIVE on a")
    for harmless in ("RAISE EXCEPTION 'ALTER TABLE a'", "SELECT b INTO STRICT c FROM a"):
        assert locks_of(f"DO $x$ BEGIN {harmless}; END $x$") == "reads only: nobody waits"


def test_every_statement_of_the_shipped_migration_is_known_and_nothing_of_it_is_lost() -> None:
    [folder] = read_folders(SETTINGS)
    script = StageScript(SETTINGS, folder, "RELEASE", "SHA")
    sent = 0
    for stage, file, status in _files(folder):
        extra = {"reverse_contract": True, "reversed_stages": "ARRAY['data']"}
        for message in script.messages(stage, file, status, extra):
            found = split(message)
            assert _bare("\n".join(found)).replace(";", "") == _bare(message).replace(";", "")
            assert UNKNOWN not in [locks_of(statement) for statement in found]
            sent += len(found)
    assert sent > 15


def test_a_semicolon_ends_a_statement_where_it_is_one() -> None:
    text = """BEGIN ISOLATION LEVEL REPEATABLE READ; -- a; b
    UPDATE "a;b" SET c = ';'';' ; /* ; */ ;
    DO $x$ BEGIN NULL; END $x$; SELECT E'\\';'"""
    assert [words.split()[0] for words in split(text)] == ["BEGIN", "--", "DO", "SELECT"]
    assert locks_of("BEGIN; UPDATE a SET b = 1") != "nothing"


def _files(folder: MigrationFolder) -> Sequence[tuple[str, str, str]]:
    forth = [(s, f, "COMPLETED") for s, files in STAGE_FILES.items() for f in files]
    back = [(s, f, "REVERSED") for s, f in REVERSES.items()]
    # A part of reverse-data.sql, and of no log entry of its own.
    alone = ("data-batch.sql", "reverse-contract.sql")
    return [one for one in (*forth, *back) if folder.has(one[1]) and one[1] not in alone]


def _bare(text: str) -> str:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "".join("".join(lines).split())


# -- files ---------------------------------------------------------------------------------------

PLAIN = """
services:
  app:
    image: shop
    environment: {DATABASE_URL: "postgres://shop:hunter22@db/shop", MODE: live, TOKEN: t0ps3cret}
    command: serve --token t0ps3cret
    healthcheck: {test: ["CMD", "ask", "t0ps3cret"]}
"""


def _override() -> str:
    return compose.override(
        PLAIN,
        "app",
        project="shop",
        file_names=["docker-compose.yml"],
        colour="green",
        release="RELEASE",
        container="shop-green",
        image="shop:RELEASE",
        host_port=3001,
        port=3000,
        labels={"deploy.release": "RELEASE"},
    )


def test_an_override_is_shown_without_what_its_environment_holds() -> None:
    text = _override()
    shown = without_secrets(text)
    assert "t0ps3cret" in text
    assert "t0ps3cret" not in shown
    assert "hunter22" not in shown
    [service] = yaml.safe_load(shown)["services"].values()
    assert service["environment"] == dict.fromkeys(("DATABASE_URL", "MODE", "TOKEN"), HIDDEN)
    assert service["command"] == f"serve --token {HIDDEN}"
    for kept in ("image", "container_name", "ports", "labels"):
        assert service[kept] == yaml.safe_load(text)["services"]["app-green"][kept]
    assert shown.startswith("# Release RELEASE as green")


def test_a_file_is_a_diff_against_what_lies_there() -> None:
    new = writes("/a", "one\ntwo\n", before=None)
    assert new.diff.splitlines()[:2] == ["--- /dev/null", "+++ /a"]
    changed = writes("/a", "one\ntwo\n", before="one\n")
    assert "+two" in changed.diff
    assert "+one" not in changed.diff
    same = writes("/a", "one\n", before="one\n")
    assert (same.diff, same.what) == ("", "writes /a: as it is")


# -- the plan of a task --------------------------------------------------------------------------


def test_a_step_without_a_plan_is_none() -> None:
    with pytest.raises(TypeError, match="plan"):
        Step("a step", lambda: None)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "change",
    [
        lambda site: site.server.write("/tmp/x", "x"),
        lambda site: site.server.make_folders("/tmp/x"),
        lambda site: site.log("started"),
        lambda site: site.locked("deploy").__enter__(),
    ],
)
def test_a_planned_site_refuses_to_change_anything(change: object) -> None:
    assert callable(change)
    with pytest.raises(AssertionError, match="a plan"):
        change(PlannedSite(a_site()))


def test_what_would_stop_a_task_is_found_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(seen: Outlook) -> Sequence[Deed]:
        raise DeployError("the disk is full", next_command="make room")

    plan = _planning(monkeypatch, [])
    plan.parts("backup", [Part("one", refuses), Part("two", only("server", "rm a"))])
    document = plan.document()
    one, two = document.phases[0].steps
    assert (one.would_stop, one.next_command) == ("the disk is full", "make room")
    assert two.deeds == (deed("server", "rm a"),)
    assert document.refused
    assert PlanDocument.model_validate_json(document.model_dump_json()) == document


def test_a_question_that_failed_is_not_put_twice() -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        raise DeployError("no answer")

    seen = Outlook(PlannedSite(a_site()))
    for _ in range(2):
        with pytest.raises(DeployError, match="no answer"):
            seen.once("live", ask)
    assert len(asked) == 1


def test_the_last_time_of_a_phase_and_of_a_task_come_from_the_ledger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = Entry("phase-done", "deploy", "20260101-000000", detail={"phase": "restore"})
    new = replace(old, release="20260102-000000", detail={"phase": "restore", "steps": {"a": 2.5}})
    begun = Entry("started", "deploy", "20260102-000000", "2026-01-02T00:00:00Z")
    begun = replace(begun, detail={"run": "x", "changes": True})
    ended = replace(begun, event="ended", time="2026-01-02T00:00:42Z")
    ended = replace(ended, detail={"run": "x", "outcome": "done"})
    plan = _planning(monkeypatch, [old, begun, new, ended])
    found = plan.seen.last_time("restore")
    assert found is not None
    assert found.detail["steps"] == {"a": 2.5}
    assert "last time: 42 s in all, 2026-01-02 00:00 UTC, 20260102-000000" in (
        plan.document().remarks
    )


def _planning(monkeypatch: pytest.MonkeyPatch, entries: list[Entry]) -> Planning:
    monkeypatch.setattr(Outlook, "entries", entries)
    return Planning(a_site(), "deploy")


def test_hooks_and_webhooks_are_said_without_what_is_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load(
        {
            "ssh": {"host": "nobody@127.0.0.1:9"},
            "hooks": [
                {"phase": "restore", "when": "before", "run": "/bin/true", "on_failure": "stop"},
                {"phase": "*", "when": "failed", "run": "warn:person"},
            ],
            "notify": {
                "webhooks": [
                    {"url": "https://h.example/t0ps3cret", "kind": "slack", "events": ["failed"]},
                    {"url": "env:HOOK", "events": ["started", "done"]},
                ]
            },
        }
    )
    monkeypatch.setenv("HOOK", "https://other.example/t0ps3cret")
    monkeypatch.setattr(Outlook, "entries", [])
    site = Site(settings, Server(settings), Console())
    plan = Planning(site, "restore")
    monkeypatch.setattr(plan.site, "lock", SimpleNamespace(look=lambda: None, path="/lock"))
    plan.begin(measures=False)
    plan.phase(Restores(plan.site))
    plan.end()
    begin, phase, end = plan.document().phases
    assert [step.title for step in phase.steps] == ["hook /bin/true", "swap"]
    [hook] = phase.steps[0].deeds
    assert hook.where == "this machine"
    assert hook.what == "/bin/true, at most 60 s; its failure keeps this from beginning"
    assert "POST to other.example (env:HOOK)" in begin.steps[-1].deeds[0].what
    assert [deed.what for deed in end.steps[-1].deeds] == [
        "POST to h.example (slack), where it is failed; at most 5 s, and its failure only warns",
        "POST to other.example (env:HOOK) (json), where it is done; at most 5 s, and its failure "
        "only warns",
        "only where it fails: warn:person, at most 60 s; its failure only warns",
    ]
    assert "t0ps3cret" not in plan.document().model_dump_json()


class Restores(Phase):
    """One that contacts nothing."""

    name = "restore"
    script = ""
    criteria = triggers = ()

    def steps(self) -> Sequence[Step]:
        return (Step("swap", lambda: None, plan=only("database", "swaps")),)


# -- at the command line -------------------------------------------------------------------------


def test_every_task_that_changes_something_has_a_plan_and_its_document() -> None:
    """But for those that do what is typed by a person: nobody knows what that changes."""
    typed = {"shell", "exec", "init"}
    changing = {n for n, t in generate.tasks().items() if not getattr(t, "reads", False)} - typed
    planned = {
        name
        for name, task in generate.tasks().items()
        if {"plan", "json"} <= {argument.name for argument in generate.arguments(task)}
    }
    assert planned == changing | {"monitor", "backups"}, "with --install and the like, --prune"


def test_a_plan_of_half_a_chain_is_refused_before_anything_is_contacted() -> None:
    done = program("invoke", "migrate", "blue-green", "--plan")
    assert done.returncode == 2
    assert "--plan is missing behind run-migration" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("backups", "--plan"), "--plan is for --prune"),
        (("migration", "--new", "x", "--plan"), "--plan is for --reverse"),
        (("lock.release", "--plan"), "a reason is needed"),
        (("monitor", "--plan"), "--plan is for --install and --uninstall"),
        (("psql", "--plan"), "--plan is for --command"),
        (("deploy", "--json"), "deploy: --json is for --plan"),
        (("plan", "--canary", "50,5"), "--canary is '50,5'"),
        (("migration", "--reverse", "09-none", "--plan"), "allowed: 02-database-migration"),
    ],
)
def test_a_plan_of_nothing_is_refused(arguments: Sequence[str], words: str) -> None:
    done = program("invoke", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
