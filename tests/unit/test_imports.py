"""What is imported when: `--list` and a typing mistake wait for nothing that only a run needs, and
a run has everything before its first step."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.phases import FORWARD, MAKES_A_RELEASE
from fabfile.phases.migrate import Migrate
from fabfile.phases.restore import DatabaseRestore
from fabfile.phases.rollback import Rollback

ROOT = Path(__file__).resolve().parents[2]

# Only a run needs these.
OTHERS = ("cryptography.x509", "jinja2", "psycopg2", "pydantic", "requests", "rich", "sqlparse")
OURS = ("executor", "running", "settings", "site", "operations", "plans", "probes", "report")
# Without the package itself: `fabfile.phases` has the names that the parser asks for.
BELOW = ("fabfile.phases.", "lab.server", "lab.places")
# Programs of Invoke's own have no use for them, unless something is run.
OF_FABRIC = ("fabric", "paramiko", "cryptography")

RUN = """
import json, sys
from {program}.main import program
try:
    program.run({words})
finally:
    print("\\n" + json.dumps(sorted(sys.modules)))
"""

# What imports in its functions: the tasks themselves, and what is there before one is run.
LATE = {"__init__.py", "tasks_base.py", "executor.py", "usage.py", "settings_guard.py"}


@pytest.mark.parametrize(
    "words",
    [
        ("fab", "--list"),
        ("fab", "--help", "deploy"),
        ("fab", "--complete", "--", "fab", "deploy", "--"),
        ("invoke", "--list"),
        ("invoke", "--help", "deploy"),
    ],
    ids=" ".join,
)
def test_listing_imports_nothing_that_only_a_run_needs(words: tuple[str, ...]) -> None:
    found, answer = imported(*words)
    assert "deploy" in answer or "--resume" in answer
    assert "fabfile.tasks_base" in found, "it has not seen the tasks"
    unwanted = [*OTHERS, *(f"fabfile.{name}" for name in OURS)]
    if words[0] == "invoke":
        unwanted += OF_FABRIC
    assert found.isdisjoint(unwanted), sorted(found.intersection(unwanted))
    assert not [name for name in found if name.startswith(BELOW)]


def test_a_run_imports_no_phase_for_a_task_that_only_looks() -> None:
    """Nobody listens at port 1."""
    found, _ = imported("fab", "-H", "nobody@127.0.0.1:1", "ps")
    assert "fabfile.operations.look" in found, "it has come as far as the task"
    assert not [name for name in found if name.startswith(("fabfile.phases.", "fabfile.plans."))]


def test_nothing_is_imported_between_two_steps() -> None:
    """Where a file is missing, that must not show in the middle of a switch."""
    late = {str(file.relative_to(ROOT / "fabfile")) for file in sources() if imports_late(file)}
    assert late == LATE


def test_the_names_that_the_parser_asks_for_are_the_phases_own() -> None:
    assert (*MAKES_A_RELEASE, Migrate.name) == FORWARD
    assert (Rollback.name, DatabaseRestore.name) == ("rollback", "restore")


def imported(*words: str) -> tuple[set[str], str]:
    """The modules that a command has imported at its end, and what it printed."""
    program = {"fab": "fabric"}.get(words[0], words[0])
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(program=program, words=list(words))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    answer, _, names = done.stdout.rstrip().rpartition("\n")
    assert names.startswith("["), done.stderr
    return set(json.loads(names)), answer


def sources() -> Iterator[Path]:
    return (ROOT / "fabfile").rglob("*.py")


def imports_late(file: Path) -> bool:
    functions = (
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    return any(
        isinstance(node, (ast.Import, ast.ImportFrom))
        for function in functions
        for node in ast.walk(function)
    )
