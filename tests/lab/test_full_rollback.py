"""The database back too: nothing acknowledged is lost, and the swap is all that anybody feels.

The tests run in their order; each starts from the state that the one before it left.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from lab import server as lab_server
from lab.load import MIX, Load
from lab.visitor import Errand
from tests.lab.conftest import HERE, SETTINGS_FILE, THERE, Fab, noticed
from tests.lab.test_rollback import live, release_of
from tests.programs import BIN, ROOT

QUICK = "--set=deploy.watch_seconds=0"
ROLES = "SELECT string_agg(role::text, ' ' ORDER BY role::text) FROM \"User\""
WRITES = (*MIX, (Errand("/api/story", (201,), "POST", "title=Written&content=Under+load"), 20))
KEPT = "SELECT datname FROM pg_database WHERE datname LIKE 'stories\\_kept\\_%' ORDER BY 1"


@pytest.fixture(scope="module", autouse=True)
def _plain_production(lab: None) -> None:
    lab_server.reset()


@pytest.fixture
def writing() -> Iterator[Load]:
    """Visitors of whom every sixth request writes."""
    load = Load(rate=50, most_seconds=300, mix=WRITES).start()
    yield load
    load.stop()


def kept() -> list[str]:
    return lab_server.psql(KEPT).split()


def stories(database: str = "stories") -> set[int]:
    return set(map(int, lab_server.psql('SELECT id FROM "Story"', database=database).split()))


def test_deploy_rollback_deploy_full_rollback_with_rows_written_all_the_while(
    fab: Fab, psql: Callable[[str], str], writing: Load
) -> None:
    release_of(fab("deploy", QUICK))
    release_of(fab("rollback"))
    release_of(fab("deploy", QUICK))
    before = writing.snapshot()
    assert noticed(before) == 0, str(before)
    done = fab("rollback", "--full", "--yes")
    load = writing.stop()

    production = release_of(done)
    assert live()[1] == production
    assert psql(ROLES) == "ADMIN ADMIN LEARNER LEARNER"
    [damaged] = kept()
    there, here = stories(damaged), stories()
    acknowledged = set(load.written)
    assert len(acknowledged) == len(load.written), "no number was given out twice"
    assert acknowledged <= there | here, f"lost: {sorted(acknowledged - there - here)[:10]}"
    assert max(here) > max(there), "numbers go on where the kept database stopped"
    assert re.search(r"public.Story +[\d,]+ +[\d,]+ +[\d,]+ +0 +0", done.stdout), done.stdout
    # Only who was at work in the moment of the swap may have met it.
    moments = [failure.at for failure in load.failures]
    assert load.failed == len(moments), "all of them were kept to be looked at"
    assert max(moments, default=0) - min(moments, default=0) < 1
    assert f"kept as {damaged}, read-only" in done.stdout
    assert f"The one that was live: {damaged}" in done.stdout
    log = psql("SELECT stage || ' ' || status FROM migration_log ORDER BY id").splitlines()
    assert log[-1] == "all ROLLED_BACK"
    assert "contract COMPLETED" in log


def test_what_was_kept_is_read_only_and_comes_back_with_undo(
    fab: Fab, psql: Callable[[str], str]
) -> None:
    [damaged] = kept()
    rows = stories(damaged)
    refused = lab_server.run(
        f"docker exec 1001-stories-db psql -U stories -d {damaged} -c 'DELETE FROM \"Story\"'",
        check=False,
    )
    assert "read-only transaction" in refused.stderr
    done = fab("restore", "--undo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stories() == rows
    # The release that runs cannot read CUSTOMER: the roles went back before it met them.
    assert psql(ROLES) == "ADMIN ADMIN LEARNER LEARNER"
    assert len(kept()) == 1
    psql("INSERT INTO \"Story\" (title, content, \"authorId\") VALUES ('a', 'b', 'user-admin-1')")


def test_without_a_terminal_it_shows_what_would_be_lost_and_needs_a_yes(fab: Fab) -> None:
    release_of(fab("deploy", QUICK))
    was, databases = live(), kept()
    done = fab("rollback", "--database")
    assert done.returncode == 1, done.stdout
    assert "changed since" in done.stdout
    assert "there is no terminal: nothing was changed" in done.stderr
    assert "--yes" in done.stderr
    assert (live(), kept()) == (was, databases)


@pytest.mark.parametrize(("typed", "words"), [("no\n", "not confirmed"), ("\x03", "not answered")])
def test_at_a_terminal_it_asks_and_only_yes_goes_on(typed: str, words: str) -> None:
    was, databases = live(), kept()
    code, shown = at_a_terminal(typed, "rollback", "--full")
    assert "Go back to this backup? [yes/no]" in shown
    assert code == 1, shown
    assert words in shown
    assert (live(), kept()) == (was, databases)


def test_new_rows_are_carried_over_on_request(fab: Fab, psql: Callable[[str], str]) -> None:
    sign_up = "email=zuri@example.org&name=Zuri&password=zuri-reads"
    curl = "curl -sk -X POST https://127.0.0.1"
    lab_server.run(f"{curl}/api/auth/signup -d '{sign_up}'")
    lab_server.run(f"{curl}/api/story -d 'title=Kept&content=Not+lost'")
    code, shown = at_a_terminal("yes\n", "rollback", "--full", "--keep-new-rows")
    assert code == 0, shown
    assert re.search(r"User user-\w+, created 2", shown), shown
    assert re.search(r"Story \d+, created 2", shown), shown
    assert psql("SELECT role FROM \"User\" WHERE name = 'Zuri'") == "LEARNER"
    assert psql("SELECT count(*) FROM \"Story\" WHERE title = 'Kept'") == "1"
    token = lab_server.run(
        f"{curl}/api/auth/signin -o /dev/null -w '%{{http_code}}' "
        "-d 'email=zuri@example.org&password=zuri-reads'"
    ).stdout
    assert token == "302"


def test_a_backup_by_name_becomes_the_live_database(fab: Fab, psql: Callable[[str], str]) -> None:
    made = fab("backup")
    assert made.returncode == 0, made.stdout + made.stderr
    [name] = re.findall(r"Backup made: (\S+)", made.stdout)
    verified = fab("backup", "--verify", name)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert f"{name}: restored" in verified.stdout
    listed = fab("backups").stdout
    assert re.search(rf"{name} +.* restored \d+ s ago", listed), listed
    rows = stories()
    psql('DELETE FROM "Story" WHERE id > 1000')
    done = fab("restore", name, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stories() == rows
    assert [n for n in psql("SELECT datname FROM pg_database").split() if "scratch" in n] == []


def test_a_backup_that_was_changed_is_refused_before_anything_happens(fab: Fab) -> None:
    [name] = re.findall(r"Backup made: (\S+)", fab("backup").stdout)
    lab_server.run(f"truncate -s 1000 1001-stories-backups/{name}/database.dump")
    databases = kept()
    for options in (("restore", name, "--yes"), ("backup", "--verify", name)):
        done = fab(*options)
        assert done.returncode == 1, done.stdout
        assert "is not what was backed up" in done.stderr
    assert kept() == databases
    lab_server.run(f"rm -rf 1001-stories-backups/{name}")


def at_a_terminal(typed: str, *arguments: str) -> tuple[int, str]:
    """Run `fab` at a terminal, type something once it asks, and read all that it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(BIN / "fab"), "-f", str(SETTINGS_FILE), "-H", HERE.host, *arguments],
        cwd=ROOT,
        env={**os.environ, **THERE, "TERM": "dumb", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    shown, answered, end = "", False, time.monotonic() + 120
    while time.monotonic() < end:
        try:
            shown += os.read(ours, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        if not answered and "[yes/no]" in shown:
            os.write(ours, typed.encode())
            answered = True
    os.close(ours)
    return process.wait(timeout=30), shown


def _take_terminal() -> None:
    """Make the terminal the process's own, so that Ctrl-C reaches it."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
