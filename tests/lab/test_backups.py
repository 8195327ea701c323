"""Backups on the server: what they hold, and what they refuse to be."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fabfile.commands import postgres
from fabfile.errors import DeployError
from fabfile.server.migrations import Migrations
from fabfile.settings import Settings
from fabfile.site import Site
from lab import server as lab_server
from lab.environment import DATABASE_PASSWORD
from tests.lab.scratch_database import Scratch, scratch_database

LINKS = "ls -1 /tmp/pre-migration-backup-*.sql"


@pytest.fixture
def scratch(settings: Settings) -> Iterator[Scratch]:
    with scratch_database(settings) as made:
        yield made


def on_server(command: str) -> str:
    return lab_server.run(command, check=False).stdout.strip()


def files_of(scratch: Scratch) -> list[str]:
    return on_server(f"find {scratch.site.settings.folders.backups} -type f").split()


def restored(scratch: Scratch, dump: str, table: str) -> str:
    """The rows of a table after the archive is read into a new database."""
    name, client = scratch.container, "-U scratch"
    on_server(
        f"docker exec {name} sh -c 'dropdb {client} --if-exists copy; createdb {client} copy'"
    )
    lab_server.run(f"docker exec -i {name} pg_restore {client} -d copy --exit-on-error < {dump}")
    query = f'SELECT count(*) FROM "{table}"'
    return on_server(f"docker exec {name} psql {client} -d copy -Atc '{query}'")


def test_a_backup_is_what_its_manifest_says_though_visitors_write_meanwhile(
    scratch: Scratch,
) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            scratch.psql("""INSERT INTO "Story" (title, content, "authorId")
                SELECT 't', repeat('x', 99), 'user-admin-1' FROM generate_series(1, 50)""")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backup = scratch.site.backups.create("assessment", "r1", files=False)
    finally:
        stop.set()
        writer.join()
    manifest: dict[str, Any] = json.loads(on_server(f"cat {backup.folder}/manifest.json"))
    assert restored(scratch, backup.dump, "Story") == str(manifest["counts"]["public.Story"])
    assert int(scratch.psql('SELECT count(*) FROM "Story"')) > manifest["counts"]["public.Story"]
    assert manifest["roles"] == {"LEARNER": 2, "ADMIN": 2}
    assert manifest["sessions"] == 6 and manifest["verified"] is True
    assert manifest["activity"]["public.User"] == {"inserted": 4, "updated": 0, "deleted": 0}
    assert manifest["version"].startswith("15.") and "/" in manifest["lsn"]
    for file in manifest["files"]:
        path = f"{backup.folder}/{file['name']}"
        assert on_server(f"sha256sum {path}").split()[0] == file["sha256"]
        assert on_server(f"stat -c '%s %a' {path}") == f"{file['bytes']} 600"
    assert on_server(f"stat -c %a {backup.folder}") == "700"
    assert scratch.site.backups.list() == [backup]
    scratch.site.backups.verify(backup)


def test_a_dump_that_was_cut_or_changed_is_found_out(scratch: Scratch) -> None:
    backups = scratch.site.backups
    scratch.psql("""INSERT INTO "Story" (title, content, "authorId")
        SELECT 't', md5(n::text), 'user-admin-1' FROM generate_series(1, 20000) n""")
    backup = backups.create("assessment", "r1", files=False)
    tenth = backup.files[0].bytes // 10
    cut = f"{scratch.site.settings.folders.project}/cut"
    on_server(f"head -c {tenth} {backup.dump} > {cut}")
    listed = f"docker exec -i {scratch.container} pg_restore -l < {cut}"
    assert lab_server.run(listed, check=False).returncode == 0, "a list sees nothing wrong"
    with pytest.raises(DeployError, match="cannot be read to its end"):
        backups._verify(scratch.container, cut, plain=False)
    on_server(f"cp {cut} {backup.dump}")
    with pytest.raises(DeployError, match=r"database\.dump is not what was backed up"):
        backups.verify(backup)


def test_a_dump_that_fails_leaves_nothing_behind_and_not_yesterdays_link(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = scratch.site.backups
    good = backups.create("pre-migration", "r1", files=False)
    good_one = files_of(scratch)

    def broken(container: str, **given: str) -> list[str]:
        wrong = {**given, "snapshot": "no-such-snapshot"}
        return original(container, **wrong)

    original = postgres.dump
    monkeypatch.setattr(postgres, "dump", broken)
    with pytest.raises(DeployError, match=r"pg_dump failed \(exit code 1\)") as caught:
        backups.create("pre-migration", "r2", files=False)
    assert "invalid snapshot identifier" in caught.value.evidence
    assert files_of(scratch) == good_one
    assert on_server(f"ls {scratch.site.settings.folders.backups}") == "pre-migration-r1"
    assert on_server(f"readlink {good.link}") == f"{good.folder}/database.sql"
    assert on_server(LINKS) == good.link


def test_without_room_nothing_is_begun(scratch: Scratch) -> None:
    settings = scratch.site.settings
    limits = settings.limits.model_copy(update={"free_disk_gb": 1e6})
    site = scratch.again(settings.model_copy(update={"limits": limits}))
    with pytest.raises(DeployError, match=r"no room for a backup: .* GB free, .* GB needed"):
        site.backups.create("assessment", "r1", files=False)
    assert files_of(scratch) == []


def test_what_a_cut_off_run_left_is_made_anew(scratch: Scratch) -> None:
    folder = f"{scratch.site.settings.folders.backups}/assessment-r1"
    on_server(f"mkdir -p {folder}; echo half > {folder}/database.dump.partial")
    assert scratch.site.backups.list() == []
    backup = scratch.site.backups.create("assessment", "r1", files=False)
    assert [file.name for file in backup.files] == ["database.dump"]
    assert scratch.site.backups.create("assessment", "r1", files=False) == backup


def test_the_guides_emergency_line_brings_back_rows_and_log(scratch: Scratch) -> None:
    migrations = Migrations(scratch.site)
    migrations.prepare()
    backups = scratch.site.backups
    for release in ("r1", "r2"):
        backup = backups.create("pre-migration", release, files=False)
    assert on_server(LINKS) == backup.link, "the guide's glob matches one file"
    assert {b.release for b in backups.list()} == {"r1", "r2"}, "only the link went"
    migrations.expand()
    migrations.data()
    assert scratch.roles() == "ADMIN|2 CUSTOMER|2"
    client = "psql -U scratch -d scratch"
    emergency = f"docker exec -i {scratch.container} {client} < /tmp/pre-migration-backup-*.sql"
    done = lab_server.run(emergency)
    assert "ERROR" not in done.stderr
    assert scratch.roles() == "LEARNER|2 ADMIN|2"
    assert scratch.statuses() == "", "the log went back with the rows"
    migrations.expand()
    migrations.data()
    assert scratch.roles() == "ADMIN|2 CUSTOMER|2"


def test_the_newest_backups_of_each_kind_stay_and_the_protected_one(scratch: Scratch) -> None:
    backups = scratch.site.backups
    for release in ("r1", "r2", "r3"):
        backups.create("assessment", release, files=False)
    kept = backups.create("pre-migration", "r1", files=False)
    gone = backups.prune(1, protect={"r1"})
    assert [backup.name for backup in gone] == ["assessment-r2"]
    names = [backup.name for backup in backups.list()]
    assert sorted(names) == ["assessment-r1", "assessment-r3", "pre-migration-r1"]
    assert on_server(f"ls -d {gone[0].link}") == ""
    backups.write_into(kept, "report.txt", "all is well\n")
    assert on_server(f"cat {kept.folder}/report.txt") == "all is well"
    assert on_server(f"stat -c %a {kept.folder}/report.txt") == "600"


def test_an_assessment_backs_up_the_sites_files_with_no_secret_out_of_place(
    site: Site, psql: Callable[[str], str]
) -> None:
    backup = site.backups.create("assessment", site.release, files=True)
    names = {file.name for file in backup.files}
    assert backup.not_copied == ()
    assert names >= {
        "database.dump",
        "compose/docker-compose.yml",
        "environment/.env.production",
        "nginx/nginx.conf",
        "certificates/fullchain.pem",
        "certificates/privkey.pem",
        "images.txt",
    }
    assert backup.link == f"/tmp/1001-stories-backup-{site.release}"
    assert on_server(f"readlink {backup.link}") == backup.folder
    assert on_server(f"find {backup.folder} -type f -perm /077") == ""
    assert "1001stories" in on_server(f"cat {backup.folder}/images.txt")
    secret = DATABASE_PASSWORD[-7:]  # no letter of it that a file would spell differently
    found = on_server(f"grep -rlF -e '{secret}' {backup.folder}")
    assert found == f"{backup.folder}/environment/.env.production"
    assert backup.counts["public.User"] == int(psql('SELECT count(*) FROM "User"'))
