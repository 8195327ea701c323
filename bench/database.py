"""Backup, verify, and restore with its swap, on a database of some size, against bare programs.

Beside each of our commands stand the same programs of PostgreSQL on the same database, in one
shell on the server, in turns. While a backup becomes the live database, visitors read: the longest
time that none of them got an answer is what a restore costs them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from lab import server as lab
from lab.load import Load
from lab.load_result import LoadResult
from lab.visitor import Errand

from .frame import Asked, BenchError, say
from .measure import Goal, Sample, Section, Verdict, ratio, seconds
from .tool import KEPT_FOLDER, Run, bare, deployed, fab

TIMES = 3
LIMIT = 1.1
MEGABYTE = 10**6
SIZES = (200, 1_000)  # MB
LONG_SIZES = (200, 1_000, 5_000)
CHUNK = 100  # MB that are made of random text; the rest is copies, which no dump sees as such
ROW = 500  # bytes of text in a row
WORDS = {"backup": "backup", "verify": "backup --verify", "restore": "restore, with its swap"}
READ = ((Errand("/"), 1),)
_FIXED = "what is as long at any size: Python's start and the sign-in, "
_MISSED = {
    ("backup", 200): f"{_FIXED}lock and ledger, and 60 round trips",
    ("verify", 200): f"{_FIXED}lock and ledger, and 56 round trips; then sha256 and the count",
    ("restore", 200): f"{_FIXED}lock, ledger and meter, 160 round trips, swap and report",
    ("backup", 1_000): "the dump takes 32 s with its reading beside it, where the bare programs "
    "take 28 s in turns: two processors are busy with pg_dump, the database and the engine's "
    "copying; Python's start 1.2 s, sha256 0.5 s",
    ("restore", 1_000): "its dump and the reading beside it, as in a backup; Python's start, lock, "
    "ledger and meter, 160 round trips, swap and report",
    ("verify", 1_000): f"{_FIXED}lock and ledger, and 56 round trips; then the count of all rows",
}
FLAT = 1.25  # times the memory at the smallest size

_DUMP = f"""
in_database() {{ docker exec -i 1001-stories-db "$@"; }}
dump() {{
    in_database pg_dump --format=custom --compress=1 -U stories -d stories > "$1"; sync -d "$1"
}}
read_through() {{ in_database pg_restore --file=/dev/null < "$1"; }}
sql() {{ in_database psql -X -q -U stories -d "$1" -c "$2" > /dev/null; }}
restore() {{
    sql stories 'CREATE DATABASE bench_restored TEMPLATE template0'
    in_database pg_restore --exit-on-error -U stories -d bench_restored < "$1"
}}
away() {{ sql stories 'DROP DATABASE IF EXISTS bench_restored'; }}
mkdir -p {KEPT_FOLDER}/out
one={KEPT_FOLDER}/out/one.dump two={KEPT_FOLDER}/out/two.dump
"""
# What each of our commands is made of; what is not named by `part` is not counted.
_BARE = {
    "backup": 'part -; dump "$one"; part pg_dump; read_through "$one"; part reading',
    "verify": 'away; part -; restore "$one"; part pg_restore; away; part dropping',
    "restore": 'away; part -; dump "$two"; part pg_dump; read_through "$two"; part reading; '
    'restore "$one"; sql bench_restored ANALYZE; part pg_restore; away',
}
_FILL = f"""
CREATE TABLE IF NOT EXISTS "BenchFiller" (id bigserial PRIMARY KEY, body text NOT NULL);
TRUNCATE "BenchFiller" RESTART IDENTITY;
INSERT INTO "BenchFiller" (body)
SELECT (SELECT string_agg(md5(random()::text || row || word), '')
          FROM generate_series(1, {ROW // 32}) AS word)
  FROM generate_series(1, {CHUNK * MEGABYTE // (ROW + 40)}) AS row;
"""
_COPY = f"""
INSERT INTO "BenchFiller" (body) SELECT body FROM "BenchFiller"
 WHERE id <= {CHUNK * MEGABYTE // (ROW + 40)};
"""
_CLEAR = """
rm -rf /home/ubuntu/1001-stories-backups/manual-* /home/ubuntu/1001-stories-backups/before-restore-*
"""
_OTHERS = "SELECT datname FROM pg_database WHERE datname LIKE 'stories\\_%' AND NOT datistemplate"


@dataclass
class Measured:
    """One size.

    :param ours: seconds of each command, by its word in `WORDS`.
    :param bare: the same of the bare programs.
    :param out: of each restore, the longest time without an answer, in seconds.
    :param swaps: of each restore, the step's own seconds.
    :param peaks: bytes that the operator's process had at most, in any command.
    """

    megabytes: int
    ours: dict[str, list[float]] = field(default_factory=lambda: {word: [] for word in WORDS})
    bare: dict[str, list[float]] = field(default_factory=lambda: {word: [] for word in WORDS})
    out: list[float] = field(default_factory=list)
    swaps: list[float] = field(default_factory=list)
    failed: int = 0
    peaks: list[int] = field(default_factory=list)


def measure(asked: Asked) -> Section:
    """One size after the other, each command and its floor in turns."""
    times, found = asked.often(TIMES), []
    deployed()
    try:
        for megabytes in LONG_SIZES if asked.long else SIZES:
            _fill(megabytes)
            one = Measured(megabytes)
            for number in range(times):
                _round(one)
                say(f"{megabytes} MB, {number + 1}: " + _line(one))
            found.append(one)
    finally:
        lab.reset()
    return _section(found, times)


def _line(one: Measured) -> str:
    pairs = (f"{word} {one.ours[word][-1]:.1f} / {one.bare[word][-1]:.1f} s" for word in WORDS)
    return f"{', '.join(pairs)}; readers out {one.out[-1]:.2f} s"


def _fill(megabytes: int) -> None:
    lab.run(_CLEAR)
    _psql(_FILL)
    for _ in range(megabytes // CHUNK - 1):
        _psql(_COPY)
    _psql("VACUUM ANALYZE")
    _psql("CHECKPOINT")
    size = int(lab.psql("SELECT pg_database_size('stories')")) / MEGABYTE
    say(f"the database has {size:,.0f} MB")


def _psql(sql: str) -> None:
    client = ["docker", "exec", "-i", "1001-stories-db", "psql", "-X", "-q"]
    lab.run([*client, "-U", "stories", "-d", "stories"], text=sql, timeout=900)


def _round(one: Measured) -> None:
    backup = _ours(one, "backup", "backup")
    made = re.search(r"Backup made: (\S+)", backup.output)
    if not made:
        raise BenchError(f"fab backup names no backup:\n{backup.output[-500:]}")
    _bare(one, "backup")
    _ours(one, "verify", "backup", f"--verify={made[1]}")
    _bare(one, "verify")
    _restore(one, made[1])
    with _visitors():  # they take their part of the processors from the bare programs too
        _bare(one, "restore")
    _drop_kept()
    lab.run(_CLEAR)


def _restore(one: Measured, name: str) -> None:
    with _visitors() as visitors:
        run = _ours(one, "restore", "restore", name, "--yes")
    seen = visitors.result()
    one.out.append(seen.longest_silence)
    one.swaps.append(run.log.seconds("swap the two by name"))
    one.failed += seen.failed


@contextlib.contextmanager
def _visitors() -> Iterator[Future[LoadResult]]:
    """Some read while something is done; then there is what they have seen."""
    load, seen = Load(60, visitors=6, mix=READ).start(), Future[LoadResult]()
    try:
        yield seen
    finally:
        seen.set_result(load.stop())


def _ours(one: Measured, word: str, *command: str) -> Run:
    run = fab(*command)
    one.ours[word].append(run.seconds)
    one.peaks.append(run.peak)
    return run


def _bare(one: Measured, word: str) -> None:
    parts = bare(_DUMP + _BARE[word]).parts
    one.bare[word].append(sum(took for name, took in parts.items() if name != "-"))


def _drop_kept() -> None:
    """What the restore has kept; the disk is for the next round."""
    for name in lab.psql(_OTHERS).split():
        lab.psql(f'DROP DATABASE "{name}" WITH (FORCE)')


def _section(found: Sequence[Measured], times: int) -> Section:
    rows, verdicts = [], []
    for one in found:
        for word, words in WORDS.items():
            ratios = Sample.ratios(one.ours[word], one.bare[word])
            name = f"{words}, {_size(one)}, against the bare programs"
            goal = Goal(name, LIMIT, missed=_MISSED.get((word, one.megabytes), ""))
            verdicts.append(Verdict(goal, ratios))
            out = seconds(one.out) if word == "restore" else ""
            swap = seconds(one.swaps) if word == "restore" else ""
            ours, floor = seconds(one.ours[word]), seconds(one.bare[word])
            rows.append([_size(one), words, ours, floor, ratio(ratios), out, swap])
    verdicts += _growth(found)
    failed = ", ".join(f"{_size(one)} {one.failed}" for one in found)
    peaks = ", ".join(f"{_size(one)} {max(one.peaks) / MEGABYTE:.0f} MB" for one in found)
    return Section(
        title="Backup, verify, restore and swap",
        text="Whole commands, from the start of Python, against the same programs of PostgreSQL in "
        "one shell on the server. backup: pg_dump, and pg_restore to nothing, which reads the dump "
        "to its end. backup --verify: pg_restore into a new database, which is dropped again. "
        "restore: a dump of what is live, read to its end, pg_restore into a new database, and "
        "ANALYZE, with visitors beside both. What ours does beyond: rows counted in every table, "
        "of what is dumped and of what is restored, and before a restore once more for what would "
        "be lost; sha256 of each file; the site's files; lock, ledger, meter, report and swap. "
        "Ours reads a dump while it is written. Readers out: the longest time in which none of 6 "
        "visitors got an answer.",
        head=("size", "command", "ours", "bare", "ratio", "readers out", "swap"),
        rows=rows,
        verdicts=verdicts,
        times=times,
        notes=(
            f"Visitors' requests that failed in the restores: {failed}. The most memory that the "
            f"operator's process had: {peaks}.",
        ),
    )


def _growth(found: Sequence[Measured]) -> list[Verdict]:
    """What must not grow with the size: the readers' wait, and the operator's memory."""
    small, large = found[0], found[-1]
    if small is large:
        return []
    between = f"{_size(large)} against {_size(small)}"
    memory = Sample.of([max(large.peaks) / max(small.peaks)])
    return [
        Verdict(Goal(f"readers out, {between}", 1.5), Sample.ratios(large.out, small.out)),
        Verdict(Goal(f"the operator's memory, {between}", FLAT), memory),
    ]


def _size(one: Measured) -> str:
    return f"{one.megabytes} MB" if one.megabytes < 1_000 else f"{one.megabytes / 1_000:g} GB"
