"""A stage's file as it is sent: filled in, and in which transactions."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlparse

from ..errors import BadSettings
from ..settings import Settings
from .ledger import operator
from .migration_folder import CHECKS, REVERSES, STAGE_FILES, STAGES, MigrationFolder
from .sql_text import fill_in, identifier, literal, names

# What a file's first line may say of its transactions.
MODES: Mapping[str, str] = {
    "one": "all of it with its checks and its log entry; the default",
    "none": "each statement by itself, as CREATE INDEX CONCURRENTLY needs it",
    "own": "the file has its own BEGIN and COMMIT",
}
_FIRST_LINE = re.compile(r"\s*--\s*transaction:\s*(.*?)\s*(?:\n|$)")
_LEADING_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_TRANSACTION = re.compile(r"(BEGIN|START|COMMIT|ROLLBACK|END|ABORT)\b", re.I)
_ALONE = re.compile(r"((CREATE(\s+UNIQUE)?|DROP)\s+INDEX|REINDEX\s.*?)\s+CONCURRENTLY|VACUUM", re.I)
# One row a fault. A column of the same name in the question means the column.
_ASK = """
DO $deploy_check$
#variable_conflict use_column
DECLARE deploy_faults text;
BEGIN
    SELECT string_agg(asked.fault::text, '; ') INTO deploy_faults FROM (
{question}
    ) AS asked (fault);
    IF deploy_faults IS NOT NULL THEN
        RAISE EXCEPTION '%', deploy_faults;
    END IF;
END
$deploy_check$;
"""


def rule_of(folder: MigrationFolder) -> str:
    """The CHECK that a role migration's contract adds."""
    return f"deploy_old_role_has_gone_{folder.number:02}"


def stage_values(
    settings: Settings,
    folder: MigrationFolder,
    stage: str,
    release: str,
    backup_sha256: str | None,
) -> dict[str, object]:
    """What the placeholders of a stage's files stand for, each already quoted.

    :param backup_sha256: of the dump that was made before; None where none is known.
    """
    roles = folder.roles
    of_roles = roles and {
        "old_role": literal(roles.old),
        "new_role": literal(roles.new),
        "rule": identifier(rule_of(folder)),
    }
    return {
        **names(settings),
        **(of_roles or {}),
        "migration": literal(folder.name),
        "stage": literal(stage),
        "release": literal(release),
        "files": f"{literal(json.dumps(folder.checksums(stage)))}::jsonb",
        "who": literal(operator()),
        "host": literal(socket.gethostname()),
        "backup_sha256": literal(backup_sha256),
        "counts_before": "NULL",
        "exclusive": False,
    }


def mode_of(file: Path) -> str:
    """How a file's transactions are made.

    :raises BadSettings: its first line says something else than `MODES`.
    """
    found = _FIRST_LINE.match(file.read_text())
    if found and found[1] not in MODES:
        raise BadSettings(f"{file}: transaction is {found[1]!r}; allowed: {', '.join(MODES)}")
    return found[1] if found else "one"


def statements(sql: str) -> list[str]:
    """The statements of a text, each with the comments before it."""
    return [text for text in sqlparse.split(sql) if _bare(text).strip("; \n\t")]


def messages(mode: str, sql: str, ending: str) -> Sequence[str]:
    """What is sent, one message after another.

    :param ending: checks and log entry, in the stage's own transaction where it has one.
    """
    if mode == "one":
        return (f"BEGIN;\n{sql}\n;\n{ending}\n;\nCOMMIT",)
    return (*(statements(sql) if mode == "none" else [sql]), *([ending] if ending else []))


def check_text(folder: MigrationFolder, settings: Settings, stage: str) -> str:
    """SQL that raises an exception with every fault that `checks.sql` finds; empty without one.

    :raises BadSettings: it is not one SELECT.
    """
    question = check_question(folder, settings, stage)
    return _ASK.format(question=question) if question else ""


def check_question(folder: MigrationFolder, settings: Settings, stage: str) -> str:
    """`checks.sql` filled in, a SELECT without its semicolon; empty where there is none.

    :raises BadSettings: it is not one SELECT.
    """
    if not folder.has(CHECKS):
        return ""
    file = folder.path / CHECKS
    found = statements(fill_in(file, stage_values(settings, folder, stage, "", None)))
    if len(found) != 1 or not re.match(r"(SELECT|WITH|VALUES)\b", _bare(found[0]), re.I):
        raise BadSettings(f"{file}: allowed: one SELECT of what is wrong, a row a fault")
    return found[0].rstrip().rstrip(";")


def refuse_unsendable(folder: MigrationFolder, settings: Settings) -> None:
    """Look through every file of a migration, before anything is touched.

    :raises BadSettings: one that cannot be filled in, or cannot be sent as its first line says.
    """
    for stage in STAGES:
        values = stage_values(settings, folder, stage, "release", None)
        values |= {"reverse_contract": True, "reversed_stages": "ARRAY['data']"}
        for name in (*STAGE_FILES[stage], REVERSES[stage]):
            if folder.has(name):
                file = folder.path / name
                _refuse_wrong_mode(file, mode_of(file), statements(fill_in(file, values)))
        check_text(folder, settings, stage)


def _refuse_wrong_mode(file: Path, mode: str, found: Sequence[str]) -> None:
    if mode != "one" or file.name == "data-batch.sql":
        return
    for statement in map(_bare, found):
        words = " ".join(statement.split())[:50]
        if _TRANSACTION.match(statement):
            raise BadSettings(
                f"{file}: {words!r}; allowed: no BEGIN and COMMIT, since it runs in one "
                "transaction, or a first line `-- transaction: own`"
            )
        if _ALONE.match(statement):
            raise BadSettings(
                f"{file}: {words!r} cannot run in a transaction; allowed with a first line "
                "`-- transaction: none`"
            )


def _bare(statement: str) -> str:
    """Without the comments before it."""
    return _LEADING_COMMENTS.sub("", statement, count=1)
