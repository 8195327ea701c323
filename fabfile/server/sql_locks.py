"""What each SQL statement locks, and who waits for it. Pure.

PostgreSQL's own table of lock modes, for the statements that a migration may have; what it does
not know it says so.
"""

from __future__ import annotations

import re

from ..documents.plan import Statement

_NAME = r"((?:\"(?:[^\"]|\"\")+\"|[\w.$])+(?:\.\"(?:[^\"]|\"\")+\")?)"
_LITERAL = re.compile(r"[eE]?'(?:[^']|'')*'")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_BODY = re.compile(r"\$(\w*)\$(.*?)\$\1\$", re.DOTALL)

# What a semicolon may stand in without ending a statement; sqlparse keeps the whole transaction
# as one from `BEGIN ISOLATION LEVEL …` on.
_PIECE = re.compile(
    r"""--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"
      |\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|(?P<end>;)|.""",
    re.DOTALL | re.VERBOSE,
)

ALL_WAIT = "who reads or writes it waits"
WRITERS_WAIT = "who writes it waits, who reads does not"
NOBODY_WAITS = "nobody who reads or writes it waits"
ROWS = "ROW EXCLUSIVE on {0}, and the rows that it changes, until COMMIT: " + (
    "who changes the same rows waits"
)

# A statement's beginning, and what it locks; {0} is the name that stands behind it. The first
# that fits counts; those that are special stand before the general ones.
_BEGINNINGS: tuple[tuple[str, str], ...] = (
    (r"ALTER TYPE {name} ADD VALUE", "the type {0} only, for some milliseconds: no table, no row"),
    (r"ALTER TYPE {name}", "ACCESS EXCLUSIVE on the type {0}: who looks it up waits"),
    (r"ALTER DATABASE {name} RENAME", "ACCESS EXCLUSIVE on the database {0}: who connects waits"),
    (r"ALTER DATABASE {name}", "the database's settings only: nobody waits"),
    (
        r"ALTER TABLE (?:ONLY )?(?:IF EXISTS )?{name} (?:VALIDATE CONSTRAINT|ALTER (?:COLUMN )?"
        r"\S+ SET STATISTICS|CLUSTER ON|SET WITHOUT CLUSTER|ATTACH PARTITION)",
        f"SHARE UPDATE EXCLUSIVE on {{0}}: {NOBODY_WAITS}",
    ),
    (
        r"ALTER TABLE (?:ONLY )?(?:IF EXISTS )?{name} (?:(?:ENABLE|DISABLE) TRIGGER|ADD (?:"
        r"CONSTRAINT \S+ )?FOREIGN KEY)",
        f"SHARE ROW EXCLUSIVE on {{0}} and what it refers to: {WRITERS_WAIT}",
    ),
    (
        r"ALTER TABLE (?:ONLY )?(?:IF EXISTS )?{name}",
        f"ACCESS EXCLUSIVE on {{0}}: {ALL_WAIT}",
    ),
    (r"LOCK (?:TABLE )?{name} IN ACCESS EXCLUSIVE", f"ACCESS EXCLUSIVE on {{0}}: {ALL_WAIT}"),
    (
        r"LOCK (?:TABLE )?{name} IN SHARE ROW EXCLUSIVE",
        f"SHARE ROW EXCLUSIVE on {{0}}: {WRITERS_WAIT}",
    ),
    (r"LOCK (?:TABLE )?{name}", "the mode that it names on {0}, until COMMIT"),
    (
        r"(?:CREATE (?:UNIQUE )?|DROP |RE)INDEX CONCURRENTLY (?:IF (?:NOT )?EXISTS )?{name}",
        f"SHARE UPDATE EXCLUSIVE on the table of {{0}}: {NOBODY_WAITS}",
    ),
    (
        r"CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(?:\S+ )?ON (?:ONLY )?{name}",
        f"SHARE on {{0}}: {WRITERS_WAIT}",
    ),
    (r"CREATE TEMP(?:ORARY)? TABLE {name}", "reads only; {0} is this session's own"),
    (r"CREATE TABLE (?:IF NOT EXISTS )?{name}", "{0} only, which is new"),
    (
        r"CREATE (?:CONSTRAINT )?TRIGGER \S+ .*?\bON {name}",
        f"SHARE ROW EXCLUSIVE on {{0}}: {WRITERS_WAIT}",
    ),
    (
        r"(?:TRUNCATE(?: TABLE)?|DROP (?:TABLE|VIEW|INDEX)(?: IF EXISTS)?|VACUUM FULL|CLUSTER|"
        r"REINDEX (?:TABLE|INDEX)?|REFRESH MATERIALIZED VIEW(?! CONCURRENTLY)) {name}",
        f"ACCESS EXCLUSIVE on {{0}}: {ALL_WAIT}",
    ),
    (
        r"(?:VACUUM|ANALYZE|COMMENT ON TABLE)(?: {name})?",
        f"SHARE UPDATE EXCLUSIVE: {NOBODY_WAITS}",
    ),
    (r"DROP DATABASE (?:IF EXISTS )?{name}", "ACCESS EXCLUSIVE on the database {0}"),
    (r"CREATE DATABASE {name}", "{0} only, which is new"),
    (r"(?:GRANT|REVOKE) .* ON DATABASE {name}", "the rights on {0} only: nobody waits"),
    (r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE|VIEW|TYPE|SCHEMA|SEQUENCE)", "no table"),
    (r"(?:BEGIN|START TRANSACTION|SET|RESET|SHOW)\b[^;]*$", "nothing"),
    (r"(?:COMMIT|END|ROLLBACK|ABORT)\b[^;]*$", "nothing; every lock so far goes"),
)
# Anywhere in a statement: a WITH has several of them.
_CHANGES = (
    (rf"\bINSERT INTO {_NAME}", "ROW EXCLUSIVE on {0}: " + NOBODY_WAITS),
    (rf"(?<!FOR )(?<!KEY )\bUPDATE (?:ONLY )?{_NAME}", ROWS),
    (rf"\bDELETE FROM (?:ONLY )?{_NAME}", ROWS),
    (r"\bFOR (?:NO KEY )?UPDATE\b", "the rows that it picks, until COMMIT"),
)
UNKNOWN = "not known here: PostgreSQL's table of lock modes says"


def split(text: str) -> list[str]:
    """The statements of a message, each with the comments before it, without its semicolon."""
    parts, start = [], 0
    for piece in _PIECE.finditer(text):
        if piece["end"]:
            parts.append(text[start : piece.start()])
            start = piece.end()
    parts.append(text[start:])
    return [part.strip() for part in parts if _COMMENT.sub("", part).strip()]


def locked(sql: str) -> Statement:
    """A statement with what it locks."""
    return Statement(sql=sql, locks=locks_of(sql))


def locks_of(sql: str) -> str:
    """What one statement locks, and who waits for it."""
    bare = _COMMENT.sub(" ", sql)
    bodies = [found[2] for found in _BODY.finditer(bare)]
    text = " ".join(_LITERAL.sub("''", _BODY.sub(" ", bare)).split()).rstrip("; ")
    if not text:
        return "nothing"
    if re.match(r"DO\b", text, re.IGNORECASE):
        inner = [part for body in bodies for part in _inside(body)]
        return "; ".join(dict.fromkeys(inner)) or "reads only: nobody waits"
    for beginning, words in _BEGINNINGS:
        found = re.match(beginning.replace("{name}", _NAME), text, re.IGNORECASE)
        if found:
            return words.format(*(found.groups() or ("",)))
    return _of_rows(text)


def _of_rows(text: str) -> str:
    """Of a SELECT, a WITH, or a change of rows."""
    parts = [
        words.format(*found.groups())
        for pattern, words in _CHANGES
        for found in re.finditer(pattern, text, re.IGNORECASE)
        if found.groups() != ("SET",)  # ON CONFLICT … DO UPDATE SET
    ]
    if parts:
        return "; ".join(dict.fromkeys(parts))
    if re.match(r"(SELECT|WITH|VALUES|TABLE|EXPLAIN)\b", text, re.IGNORECASE):
        return "ACCESS SHARE on what it reads: nobody waits"
    return UNKNOWN


def _inside(body: str) -> list[str]:
    """Of a DO block: what its statements lock that change anything, if they are run."""
    parts = (locks_of(part.strip()) for part in re.split(r";|\bTHEN\b|\bBEGIN\b", body))
    changing = re.compile(r"(?<!ACCESS )SHARE on|EXCLUSIVE|the type")
    return [f"where its condition holds: {part}" for part in parts if changing.search(part)]
