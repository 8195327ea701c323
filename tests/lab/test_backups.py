"""Backups on the server: what they hold, and what they refuse to be."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console as RichConsole

from fabfile.commands import postgres
from fabfile.errors import DeployError
from fabfile.operations import backups as operation
from fabfile.report.console import Console
from fabfile.report.words import age, size
from fabfile.server import backups as backups_module
from fabfile.server.backup import Backup
from fabfile.server.live import Live, LiveReader
from fabfile.server.migrations import Migrations
from fabfile.server.shelf import KINDS
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


def test_a_dump_that_was_cut_or_changed_is_found_out(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = scratch.site.backups
    scratch.psql("""INSERT INTO "Story" (title, content, "authorId")
        SELECT 't', md5(n::text), 'user-admin-1' FROM generate_series(1, 20000) n""")
    backup = backups.create("assessment", "r1", files=False)
    tenth = backup.files[0].bytes // 10
    cut = f"{scratch.site.settings.folders.project}/cut"
    on_server(f"head -c {tenth} {backup.dump} > {cut}")
    listed = f"docker exec -i {scratch.container} pg_restore -l < {cut}"
    assert lab_server.run(listed, check=False).returncode == 0, "a list sees nothing wrong"
    monkeypatch.setattr(postgres, "dump", lambda *_, **__: ["cat", cut])
    for kind in ("manual", "pre-migration"):
        with pytest.raises(DeployError, match="the dump cannot be read to its end") as caught:
            backups.create(kind, "r2", files=False)
        assert "could not read from input file" in caught.value.evidence
    assert on_server(f"ls {backups.parent}") == "assessment-r1"
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


def keeping(scratch: Scratch, backups: int, days: int) -> Site:
    """The scratch site, with these limits."""
    settings = scratch.site.settings
    limits = {"keep_backups": backups, "keep_backup_days": days}
    return scratch.again(
        settings.model_copy(update={"deploy": settings.deploy.model_copy(update=limits)})
    )


def copied(scratch: Scratch, backup: Backup, name: str, **ago: float) -> None:
    """The same backup under another name, as if made some time ago."""
    kind = next(kind for kind in KINDS if name.startswith(f"{kind}-"))
    server, folder = scratch.site.server, f"{scratch.site.backups.parent}/{name}"
    now = datetime.strptime(server.now(), "%Y-%m-%dT%H:%M:%SZ")
    other = replace(
        backup,
        kind=kind,
        release=name.removeprefix(f"{kind}-"),
        folder=folder,
        link="",
        time=(now - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    on_server(f"cp -a {backup.folder} {folder}")
    server.write(f"{folder}/manifest.json", other.to_json(), 0o600)


def names(site: Site) -> list[str]:
    return [backup.name for backup in site.backups.list()]


def test_the_newest_backups_of_each_kind_stay_and_the_protected_one(scratch: Scratch) -> None:
    site = keeping(scratch, backups=1, days=90)
    backups = site.backups
    for release in ("r1", "r2", "r3"):
        backups.create("assessment", release, files=False)
    kept = backups.create("pre-migration", "r1", files=False)
    gone = backups.prune(protect={"r1"})
    assert [backup.name for backup in gone] == ["assessment-r2"]
    assert sorted(names(site)) == ["assessment-r1", "assessment-r3", "pre-migration-r1"]
    assert on_server(f"ls -d {gone[0].link}") == ""
    assert [backup.name for backup in backups.prune()] == ["assessment-r1"]
    backups.write_into(kept, "report.txt", "all is well\n")
    assert on_server(f"cat {kept.folder}/report.txt") == "all is well"
    assert on_server(f"stat -c %a {kept.folder}/report.txt") == "600"


def test_an_old_backup_goes_though_there_is_room_but_never_the_newest_of_its_kind(
    scratch: Scratch,
) -> None:
    site = keeping(scratch, backups=5, days=30)
    made = site.backups.create("manual", "r1", files=False)
    ages = {
        "manual-r2": 29,
        "manual-r3": 31,
        "assessment-r4": 40,
        "assessment-r5": 41,
        "before-restore-r6": 400,
        "pre-migration-r7": 50,
        "pre-migration-r8": 60,
    }
    for name, days in ages.items():
        copied(scratch, made, name, days=days)
    gone = site.backups.prune(protect={"r8"})
    assert {backup.name for backup in gone} == {"manual-r3", "assessment-r5"}
    assert set(names(site)) == {"manual-r1", *ages} - {"manual-r3", "assessment-r5"}


def test_backups_of_the_releases_that_containers_run_or_go_back_to_always_stay(
    scratch: Scratch, containers: Callable[..., str]
) -> None:
    site = keeping(scratch, backups=1, days=1)
    made = site.backups.create("pre-migration", "r4", files=False)
    for number in (1, 2, 3):
        copied(scratch, made, f"pre-migration-r{number}", days=400 - number)
    containers("app-green", "deploy.release=r3", "deploy.former=r2")
    assert [backup.name for backup in site.backups.prune()] == ["pre-migration-r1"]
    assert on_server(LINKS) == made.link


def test_what_a_cut_off_run_left_is_found_and_swept_and_nothing_else(scratch: Scratch) -> None:
    backups = scratch.site.backups
    made = backups.create("manual", "r1", files=False)
    on_server(f"mkdir {backups.parent}/notes {backups.parent}/assessment-r2")
    on_server(f"echo half > {backups.parent}/assessment-r2/database.dump.partial")
    on_server(f"cp -a {made.folder} {backups.parent}/pre-migration-r3")
    on_server(f"rm {backups.parent}/pre-migration-r3/manifest.json")
    assert backups.unfinished() == ("assessment-r2", "pre-migration-r3")
    assert backups.list() == [made]
    assert backups.sweep_unfinished() == ("assessment-r2", "pre-migration-r3")
    assert on_server(f"ls {backups.parent}").split() == ["manual-r1", "notes"]
    backups.verify(made)


def test_a_removal_that_is_cut_off_leaves_no_backup_that_lacks_its_dump(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = scratch.site.backups
    made = backups.create("manual", "r1", files=False)
    killed = 'rm() { case $1 in -rf) kill -9 $$ ;; *) command rm "$@" ;; esac; }'
    with monkeypatch.context() as patched:
        patched.setattr(backups_module, "_REMOVE", f"{killed}\n{backups_module._REMOVE}")
        with pytest.raises(DeployError, match="exit code 137"):
            backups._remove(made.folder)
    assert on_server(f"ls {made.folder}") == "database.dump"
    assert backups.list() == []
    assert backups.sweep_unfinished() == ("manual-r1",)
    assert on_server(f"ls {backups.parent}") == ""


def test_only_the_guides_kinds_have_a_link_in_tmp(scratch: Scratch) -> None:
    backups = scratch.site.backups
    first = backups.create("pre-migration", "r1", files=False)
    for kind in KINDS:
        backups.create(kind, "r2", files=False)
    links = on_server(f"find /tmp -maxdepth 1 -type l -lname '{backups.parent}/*'").split()
    project = scratch.site.settings.folders.project
    assert sorted(links) == [
        "/tmp/pre-migration-backup-r2.sql",
        f"/tmp/{project.rsplit('/', 1)[1]}-backup-r2",
    ]
    assert on_server(LINKS) == "/tmp/pre-migration-backup-r2.sql"
    assert first in backups.list(), "only its link went"


def test_a_backup_is_found_by_name_by_release_and_as_the_latest(scratch: Scratch) -> None:
    backups = scratch.site.backups
    with pytest.raises(DeployError, match="there is no backup in ") as caught:
        backups.find("latest")
    assert caught.value.next_command == "fab backup"
    first = backups.create("assessment", "20260101-000000", files=False)
    copied(scratch, first, "pre-migration-20251231-000000", days=1)
    copied(scratch, first, "assessment-20251231-000000", days=2)
    assert backups.find("latest") == first
    assert backups.find("20260101-000000") == first
    assert backups.find(first.folder + "/") == first
    assert backups.find("assessment-20251231-000000").release == "20251231-000000"
    with pytest.raises(DeployError, match="2 backups are of release 20251231-000000: ") as caught:
        backups.find("20251231-000000")
    assert "assessment-20251231-000000 or pre-migration-20251231-000000" in caught.value.reason
    with pytest.raises(DeployError) as caught:
        backups.find("pre-migration-20251231-00000")
    assert caught.value.reason == (
        "there is no backup 'pre-migration-20251231-00000'; "
        "did you mean pre-migration-20251231-000000?"
    )
    assert first.name in caught.value.evidence


def test_that_a_backup_was_restored_is_kept_in_its_manifest(scratch: Scratch) -> None:
    backups = scratch.site.backups
    made = backups.create("manual", "r1", files=False)
    before = scratch.site.server.now()
    noted = backups.note_restored(made)
    assert noted == replace(made, restored_at=noted.restored_at)
    assert before <= noted.restored_at <= scratch.site.server.now()
    assert backups.list() == [noted]
    assert on_server(f"stat -c %a {made.folder}/manifest.json") == "600"
    assert on_server(f"ls {made.folder}").split() == ["database.dump", "manifest.json"]
    backups.verify(noted)


def test_a_folder_that_was_moved_is_a_backup_where_it_lies_now(scratch: Scratch) -> None:
    backups = scratch.site.backups
    made = backups.create("manual", "r1", files=False)
    on_server(f"mv {made.folder} {backups.parent}/manual-kept")
    (moved,) = backups.list()
    assert moved == replace(made, folder=f"{backups.parent}/manual-kept")
    backups.verify(moved)


# -- the tasks ---------------------------------------------------------------------------------


@pytest.fixture
def containers(scratch: Scratch) -> Iterator[Callable[..., str]]:
    """Make a container of the scratch project that never runs; its name is what it returns."""
    made = []

    def make(service: str, *labels: str) -> str:
        compose = {"project": scratch.container, "service": service}
        given = [*(f"com.docker.compose.{k}={v}" for k, v in compose.items()), *labels]
        name = f"{scratch.container}-{service}"
        options = " ".join(f"--label={label}" for label in given)
        lab_server.run(f"docker create --name={name} {options} lab-postgres:15")
        made.append(name)
        return name

    yield make
    for name in made:
        lab_server.run(["docker", "rm", "--volumes", name], check=False)


def printing(site: Site, width: int = 80) -> io.StringIO:
    """What the site prints from now on, as into a pipe."""
    out = io.StringIO()
    site.console = Console(RichConsole(file=out, width=width, highlight=False, soft_wrap=True))
    return out


def make_live(site: Site, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This container is what nginx would name."""
    found = site.containers.named(container)
    assert found is not None and found.release
    live = Live("green", found.release, found, marked=True)
    monkeypatch.setattr(LiveReader, "read", lambda reader: live)


def unknown_live(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(reader: LiveReader) -> Live:
        raise DeployError("nginx is not there")

    monkeypatch.setattr(LiveReader, "read", fail)


def test_a_backup_by_hand_says_what_it_made_and_what_is_not_in_it(
    scratch: Scratch, containers: Callable[..., str]
) -> None:
    site = scratch.site
    containers("nginx")
    out = printing(site)
    operation.backup(site)
    (made,) = site.backups.list()
    assert (made.kind, made.link) == ("manual", "")
    assert made.folder in out.getvalue()
    rows = sum(made.counts.values())
    assert f"{len(made.counts)} tables, {rows} rows" in out.getvalue() and rows > 4
    assert "verified: the dump was read to its end" in out.getvalue()
    assert f"Backup made: {made.name}" in out.getvalue()
    assert "images.txt" in {file.name for file in made.files}
    for path in made.not_copied:
        assert f"not in it, missing or not ours to read: {path}" in out.getvalue()
    assert f"{site.settings.folders.project}/docker-compose.yml" in made.not_copied
    assert site.lock.look() is None
    assert "backed-up" in [entry.event for entry in site.ledger.entries()]
    site.backups.verify(made)


def test_the_list_is_newest_first_with_whole_names_at_80_columns(
    scratch: Scratch, containers: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = scratch.site
    make_live(
        site,
        containers("app-green", "deploy.release=20260103-000000", "deploy.former=20260102-000000"),
        monkeypatch,
    )
    out = printing(site)
    operation.backups(site)
    assert out.getvalue().startswith(
        f"no backup yet in {site.backups.parent}; make one: fab backup"
    )
    made = site.backups.create("manual", "20260104-000000", files=False)
    site.backups.note_restored(made)
    listed = {
        "pre-migration-20260103-000000": "3 h",
        "before-restore-20260102-000000": "47 h",
        "pre-migration-20260102-000000": "2 days",
        "pre-migration-20260101-000000": "20 days",
    }
    hours = {"3 h": 3.5, "47 h": 47.5, "2 days": 60, "20 days": 490}
    for name, old in listed.items():
        copied(scratch, made, name, hours=hours[old])

    out = printing(site)
    operation.backups(site)
    head, *lines = out.getvalue().splitlines()
    assert head.split() == ["name", "age", "size", "verified"]
    assert max(map(len, out.getvalue().splitlines())) <= 80
    dump = size(next(file.bytes for file in made.files))
    marks = {"20260103": ["*"], "20260102": ["**"]}
    assert lines[0].split()[0] == made.name and "restored" in lines[0]
    for line, (name, old) in zip(lines[1:], listed.items(), strict=False):
        mark = marks.get(name.split("-")[-2], []) if name.startswith("pre-migration") else []
        read = ["read", "to", "its", "end"]
        assert line.split() == [*mark, name, *old.split(), *dump.split(), *read]
    assert lines[-2:] == [
        "*  what a full rollback goes to: fab rollback --full",
        "** what a second one after it goes to",
    ]


def test_a_live_release_without_a_backup_of_its_own_goes_back_to_the_newest(
    scratch: Scratch, containers: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = scratch.site
    made = site.backups.create("manual", "r9", files=False)
    for name, days in {"pre-migration-r8": 1, "pre-migration-r7": 2}.items():
        copied(scratch, made, name, days=days)
    make_live(site, containers("app-green", "deploy.release=r1"), monkeypatch)
    assert operation.rollback_releases(site) == ["r1"]
    out = printing(site)
    operation.backups(site)
    (marked,) = [line for line in out.getvalue().splitlines() if line.startswith("* ")][:-1]
    assert marked.split()[1] == "pre-migration-r8"


def test_two_rollbacks_back_is_read_from_the_labels(
    scratch: Scratch, containers: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = containers("app-green", "deploy.release=r4", "deploy.former=r3")
    containers("app-blue", "deploy.release=r3", "deploy.former=r2")
    make_live(scratch.site, live, monkeypatch)
    assert operation.rollback_releases(scratch.site) == ["r4", "r3", "r2"]


def test_a_torn_manifest_hides_no_other_backup(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = scratch.site
    made = site.backups.create("manual", "r1", files=False)
    for name in ("manual-r2", "manual-r3", "manual-r4"):
        copied(scratch, made, name, days=1)
    parent = site.backups.parent
    on_server(f"truncate -s 0 {parent}/manual-r2/manifest.json")
    on_server(f"truncate -s 0 {parent}/manual-r3/manifest.json")
    on_server(f"truncate -s 99 {parent}/manual-r3/manifest.json")  # as after a power cut: NULs
    on_server(f"sed -i s/T.*Z/soon/ {parent}/manual-r4/manifest.json")
    unknown_live(site, monkeypatch)
    out = printing(site)
    operation.backups(site)
    assert made.name in out.getvalue()
    for name in ("manual-r2", "manual-r3", "manual-r4"):
        assert f"  ! {name}: its manifest cannot be read (" in out.getvalue()
    assert "what a full rollback goes to is not known: nginx is not there" in out.getvalue()
    assert site.backups.unfinished() == ()
    with pytest.raises(DeployError, match="the manifest of manual-r2 cannot be read"):
        site.backups.find("manual-r2")


def test_pruning_by_hand_says_each_and_why_and_spares_what_a_rollback_goes_to(
    scratch: Scratch, containers: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = keeping(scratch, backups=2, days=30)
    made = site.backups.create("manual", "r9", files=False)
    ages = {"manual-r8": 1, "manual-r7": 2, "assessment-r6": 40, "assessment-r5": 41}
    targets = {"pre-migration-r4": 50, "pre-migration-r3": 60, "pre-migration-r2": 70}
    for name, days in {**ages, **targets, "pre-migration-r1": 80}.items():
        copied(scratch, made, name, days=days)
    on_server(f"mkdir {site.backups.parent}/assessment-r10")
    live = containers("app-green", "deploy.release=r3", "deploy.former=r2")
    make_live(site, live, monkeypatch)
    out = printing(site)
    operation.backups(site, prune=True)
    said = out.getvalue()
    assert "removed manual-r7: older than the newest 2 manual backups (deploy.keep_bac" in said
    assert "removed assessment-r5: 41 days old, more than deploy.keep_backup_days (30)" in said
    assert "removed pre-migration-r1: 80 days old" in said
    assert "removed assessment-r10: left by a run that was cut off" in said
    assert said.count("removed ") == 4
    assert set(names(site)) == {"manual-r9", "manual-r8", "assessment-r6", *targets}
    last = site.ledger.entries()[-2]
    assert last.event == "backups-removed" and "manual-r7" in last.detail["names"]
    out = printing(site)
    operation.backups(site, prune=True)
    assert out.getvalue().startswith("nothing to remove")


def test_nothing_is_pruned_while_nobody_knows_what_is_live(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = keeping(scratch, backups=1, days=1)
    made = site.backups.create("manual", "r1", files=False)
    copied(scratch, made, "manual-r2", days=9)
    unknown_live(site, monkeypatch)
    with pytest.raises(DeployError, match="nginx is not there"):
        operation.backups(site, prune=True)
    assert set(names(site)) == {"manual-r1", "manual-r2"}
    assert site.lock.look() is None


def test_ages_and_sizes_are_said_as_people_say_them() -> None:
    said = [age(s) for s in (-5, 0, 59, 60, 3599, 3600, 172_799, 172_800, 8_640_000)]
    assert said == ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 days", "100 days"]
    said = [size(n) for n in (0, 999, 1000, 7_900_000, 1_200_000_000)]
    assert said == ["0 B", "999 B", "1 kB", "7.9 MB", "1.20 GB"]


# -- the whole site ----------------------------------------------------------------------------


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
