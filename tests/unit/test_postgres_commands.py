"""PostgreSQL's programs as argument lists."""

from __future__ import annotations

import shlex

from fabfile.commands import postgres


def test_psql_starts_without_a_pty_and_without_start_up_files() -> None:
    argv = postgres.psql("db", user="stories", database="stories")
    assert argv[:4] == ["docker", "exec", "--interactive", "db"]
    assert "--tty" not in argv and "-t" in argv and "-X" in argv
    assert argv[-4:] == ["-U", "stories", "-d", "stories"]


def test_the_password_is_read_inside_the_container_only() -> None:
    script = postgres.inside("db", ["true"])[5]
    assert script.startswith('PGPASSWORD="${POSTGRES_PASSWORD:-')
    assert script.endswith('exec "$@"')


def test_a_dump_uses_the_exported_snapshot_and_leaves_standard_input_alone() -> None:
    argv = postgres.dump("db", user="stories", database="stories", snapshot="00000003-1B-1")
    assert "--interactive" not in argv
    assert "--snapshot=00000003-1B-1" in argv
    assert "--format=custom" in argv


def test_an_archive_is_read_to_its_end_not_listed() -> None:
    argv = postgres.read_archive("db")
    assert argv[:3] == ["docker", "exec", "--interactive"]
    assert "--file=/dev/null" in argv
    assert "--list" not in argv


def test_plain_sql_drops_what_is_there_first() -> None:
    argv = postgres.archive_to_sql("db")
    assert argv[-4:] == ["pg_restore", "--clean", "--if-exists", "--file=-"]


def test_odd_names_stay_one_argument() -> None:
    argv = postgres.psql("db", user="o'hara; rm -rf /", database='a "b" $c')
    assert shlex.split(shlex.join(argv)) == argv
    assert argv[-3] == "o'hara; rm -rf /"
