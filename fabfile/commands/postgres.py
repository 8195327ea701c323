"""Argument lists for PostgreSQL's own programs, run inside the database container. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from . import docker

# The container's own shell hands its own password to the program: it is in no argument list.
_SIGNED_IN = (
    'PGPASSWORD="${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}"; '
    'export PGPASSWORD; exec "$@"'
)

# What is read beside the dump waits for the sessions of the database, and they not for it.
_BEHIND = ("nice", "-n", "10")


def inside(
    container: str, argv: Sequence[str], *, interactive: bool = False, terminal: bool = False
) -> list[str]:
    """Run one of PostgreSQL's programs in its container, signed in as the container is set up.

    :param interactive: keep standard input open, for a dialogue or an archive.
    :param terminal: with a pty, for a person.
    """
    command = ["sh", "-c", _SIGNED_IN, "sh", *argv]
    return docker.execute(container, command, interactive=interactive, terminal=terminal)


def read_password_file(container: str) -> list[str]:
    """Print the file that POSTGRES_PASSWORD_FILE names, as Docker's secrets do."""
    return docker.execute(container, ["sh", "-c", 'cat "$POSTGRES_PASSWORD_FILE"'])


def psql(container: str, *, user: str, database: str) -> list[str]:
    """A dialogue with psql: bare answers, no start-up file, no prompt, never a pty.

    ON_ERROR_STOP stays off: after an error the session must live on, with its advisory lock.
    Each text goes to the server as one message (`\\gexec`), so an error still ends all of it.
    """
    options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=0"]
    argv = ["psql", *options, "-U", user, "-d", _name(database)]
    return inside(container, argv, interactive=True)


def psql_terminal(container: str, *, user: str, database: str) -> list[str]:
    """psql for a person at a terminal."""
    argv = ["psql", "-U", user, "-d", _name(database)]
    return inside(container, argv, interactive=True, terminal=True)


def psql_command(container: str, sql: str, *, user: str, database: str, limit: float) -> list[str]:
    """Print what one text of SQL answers; the first error ends it.

    :param limit: seconds that a statement may run.
    """
    limited = f"PGOPTIONS=-c statement_timeout={limit * 1000:.0f}"
    options = ["-X", "-v", "ON_ERROR_STOP=1", f"--command={sql}"]
    return inside(container, ["env", limited, "psql", *options, "-U", user, "-d", _name(database)])


def dump(container: str, *, user: str, database: str, snapshot: str) -> list[str]:
    """Write a custom-format archive to standard output, as an exported snapshot has it.

    :param snapshot: from pg_export_snapshot() of a transaction that is still open.
    """
    options = ["--format=custom", "--compress=1", f"--snapshot={snapshot}"]
    return inside(container, ["pg_dump", *options, "-U", user, "-d", _name(database)])


def read_archive(container: str) -> list[str]:
    """Read an archive on standard input to its end; `--list` passes one that was cut short."""
    return inside(container, [*_BEHIND, "pg_restore", "--file=/dev/null"], interactive=True)


def archive_to_sql(container: str) -> list[str]:
    """Read an archive on standard input to its end and write it as SQL for psql.

    The SQL drops what is there first, so that it can be read into the live database.
    """
    options = ["--clean", "--if-exists", "--file=-"]
    return inside(container, [*_BEHIND, "pg_restore", *options], interactive=True)


def restore(container: str, *, user: str, database: str, owners: bool) -> list[str]:
    """Read an archive on standard input into a database; the first error ends it.

    :param owners: whether every object gets its former owner, which only a superuser may do.
    """
    options = ["--exit-on-error", *([] if owners else ["--no-owner"])]
    argv = ["pg_restore", *options, "-U", user, "-d", _name(database)]
    return inside(container, argv, interactive=True)


def free_space(container: str) -> list[str]:
    """Free KiB where the databases' files lie: the fourth word of the last line."""
    script = 'df -Pk -- "${PGDATA:-/var/lib/postgresql/data}"'
    return docker.execute(container, ["sh", "-c", script])


def _name(database: str) -> str:
    """A database's name for `-d`, which reads one that looks like a connection string as one."""
    if "=" not in database and not database.startswith(("postgres://", "postgresql://")):
        return database
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"
