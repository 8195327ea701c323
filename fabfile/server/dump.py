"""The dump itself: written, and read to its end beside the writing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..commands import postgres
from ..errors import DeployError
from .connection import Server

# $1 archive, $2 what the reading prints, or nothing; $3 a command that reads an archive, as a line
# for sh; the rest: a command that writes one. Both exit codes are kept, and on failure no file is.
# tail hands the file on while it grows, until its writer has gone: what is read is the file, and
# not what was meant for it. Redirected output is in memory only, until it is synced.
# Synced all the while: in one piece at the end, it keeps the database's own commits waiting for
# the disk (0.4 s for 120 MB).
# What the engine says of a program that it could not start (126) it says in the program's place.
_DUMP = """
umask 077; archive=$1 out=$1.partial said=$1.said; read=${2:-$said} reader=$3; shift 3
away() { rm -f -- "$out" "$said"; exit "$1"; }
for file in "$out" "$said" "$read"; do : > "$file" || away 1; done
"$@" >> "$out" &
writer=$!
tail -c +1 -f -s 0.1 --pid=$writer -- "$out" | sh -c "$reader" >> "$read" 2>> "$said" &
reading=$!
while kill -0 $reading; do sync -d -- "$out" "$read"; sleep 0.2; done > /dev/null 2>&1 &
wait $writer; code=$?
if [ $code != 0 ]; then
    wait $reading
    [ $code = 126 ] && head -c 500 -- "$out" >&2
    echo "pg_dump failed"; away $code
fi
sync -d -- "$out" || { code=$?; wait $reading; echo "the dump cannot be written"; away $code; }
wait $reading; code=$?
if [ $code != 0 ]; then
    cat -- "$said" >&2; [ $code = 126 ] && head -c 500 -- "$read" >&2
    echo "the dump cannot be read to its end"; away $code
fi
rm -f -- "$said"; mv -- "$out" "$archive"
"""
# A plain dump cut at a statement's end restores with exit code 0.
_END = "PostgreSQL database dump complete"


class Dump:
    """One dump of the database, into a file on the server.

    :param container: the database's.
    :param command: what writes an archive to its standard output.
    :param limit: seconds that it may take.
    """

    def __init__(
        self, server: Server, container: str, command: Sequence[str], *, limit: float
    ) -> None:
        self.server = server
        self.container = container
        self.command = command
        self.limit = limit

    def write(self, archive: str, plain: str = "") -> None:
        """Write the archive, and read it to its end meanwhile: on two processors that takes
        hardly longer than the writing alone.

        :param archive: the file; it has its name only when it has been read.
        :param plain: a file for the same as SQL, whose reading is the archive's too.
        :raises DeployError: it cannot be written, or not be read.
        """
        make_reader = postgres.archive_to_sql if plain else postgres.read_archive
        reader = shlex.join(make_reader(self.container))
        done = self.server.shell(
            _DUMP, archive, plain, reader, *self.command, timeout=self.limit, check=False
        )
        if not done.ok:
            raise DeployError(
                f"{done.text or 'the dump failed'} (exit code {done.exit_code})",
                evidence=done.stderr or done.stdout,
                state="no backup was made; nothing else was changed",
            )
        if plain:
            self._refuse_no_end(plain)

    def _refuse_no_end(self, plain: str) -> None:
        end = self.server.run(["tail", "-c", "600", plain]).stdout
        if _END not in end:
            raise DeployError("the plain dump has no end", evidence=end[-300:])
