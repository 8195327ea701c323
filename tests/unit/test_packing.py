"""What several servers get alike is packed once, and each gets what is its own."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from fabfile.errors import DeployError
from fabfile.report.console import Console
from fabfile.server.archive import Archive, pack
from fabfile.server.connection import Server
from fabfile.server.source import Source
from fabfile.settings import Settings, load
from fabfile.several.packing import contents, pack_once
from fabfile.several.part import Part
from fabfile.several.summary import Outcome
from fabfile.site import Site

Copy = Callable[[str], tuple[str, str]]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A working copy with one file and a folder below it; its path and its commit."""

    def make(name: str) -> tuple[str, str]:
        folder = tmp_path / name
        (folder / "below").mkdir(parents=True)
        (folder / "file").write_text(name)
        (folder / "below/other").write_text(name)
        who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        for argv in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", name]):
            subprocess.run(["git", *argv], cwd=folder, check=True)
        here = ["git", "rev-parse", "HEAD"]
        commit = subprocess.run(here, cwd=folder, check=True, capture_output=True, text=True)
        return str(folder), commit.stdout.strip()

    return make


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def settings(folder: str, commit: str = "HEAD") -> Settings:
    return load({"ssh": {"host": "u@b"}, "source": {"folder": folder, "revision": commit}})


def outcome(name: str, folder: str, commit: str) -> Outcome:
    chosen = settings(folder)
    return Outcome(name, Site(chosen, Server(chosen), Console()), commit)


def names(archive: Archive) -> set[str]:
    with tarfile.open(archive.path) as tar:
        return set(tar.getnames())


def test_what_is_packed_is_the_commit_for_its_owners_eyes(copy: Copy, into: Path) -> None:
    folder, commit = copy("app")
    (Path(folder) / "later").write_text("not committed")
    archive = pack(folder, commit, into / "a.tar.gz")
    assert names(archive) == {"file", "below", "below/other"}
    assert Path(archive.path).stat().st_mode & 0o777 == 0o600


def test_an_archive_holds_one_commit_of_one_folder_while_it_is_there(
    copy: Copy, into: Path
) -> None:
    folder, commit = copy("app")
    archive = pack(folder, commit, into / "a.tar.gz")
    assert archive.holds(f"{folder}/../app", commit)
    assert not archive.holds(f"{folder}/below", commit), "another part of the same working copy"
    assert not archive.holds(folder, "0" * 40)
    Path(archive.path).unlink()
    assert not archive.holds(folder, commit)


def test_what_two_servers_get_is_packed_once_and_what_one_gets_is_left_to_it(
    copy: Copy, into: Path
) -> None:
    app, commit = copy("app")
    other, another = copy("other")
    outcomes = [
        outcome("web1", app, commit),
        outcome("web2", f"{app}/.", commit),
        outcome("below1", f"{app}/below", commit),
        outcome("below2", f"{app}/below", commit),
        outcome("alone", other, another),
        outcome("image", app, ""),
    ]
    packed = pack_once(outcomes, into, Console())
    got = {one.name: packed.get(what) if (what := contents(one)) else None for one in outcomes}
    assert got["web1"] is got["web2"]
    assert got["web1"]
    assert names(got["web1"]) == {"file", "below", "below/other"}
    assert got["below1"] is got["below2"]
    assert got["below1"]
    assert names(got["below1"]) == {"other"}
    assert (got["alone"], got["image"]) == (None, None)
    assert len(list(into.iterdir())) == 2


def test_where_it_cannot_be_packed_nothing_is_begun(copy: Copy, into: Path) -> None:
    app, _ = copy("app")
    wrong = [outcome(name, app, "0" * 40) for name in ("web1", "web2")]
    with pytest.raises(DeployError) as caught:
        pack_once(wrong, into, Console())
    assert caught.value.state == "nothing was begun on any server"


@pytest.mark.parametrize("packed", [None, Archive("/tmp/a.tar.gz", "/app", "0" * 40)])
def test_a_part_is_told_which_archive_is_its_own(
    monkeypatch: pytest.MonkeyPatch, packed: Archive | None
) -> None:
    part = Part("web1", "20260101-000000", "0" * 40, "/tmp/1.json", packed)
    for name, value in part.environment.items():
        monkeypatch.setenv(name, value)
    assert Part.given() == part


class Sent:
    """In a server's place: what was sent to it."""

    def __init__(self) -> None:
        self.console = Console()
        self.files: list[tuple[Path, bytes]] = []

    def make_folders(self, *_: str, **__: str) -> None:
        pass

    def upload(self, local: Path, _: str) -> None:
        self.files.append((local, local.read_bytes()))

    def shell(self, *_: str) -> None:
        pass


def sent(folder: str, commit: str, packed: Archive | None) -> tuple[Path, bytes]:
    server = Sent()
    source = Source(cast(Any, server), settings(folder, commit), "20260101-000000", print, packed)
    assert source.deliver().commit == commit
    return server.files[0]


def test_a_part_sends_the_archive_that_it_was_given(copy: Copy, into: Path) -> None:
    folder, commit = copy("app")
    archive = pack(folder, commit, into / "a.tar.gz")
    assert sent(folder, commit, archive)[0] == into / "a.tar.gz"
    assert Path(archive.path).exists(), "other parts need it too"


def test_without_one_or_with_anothers_it_packs_by_itself(copy: Copy, into: Path) -> None:
    folder, commit = copy("app")
    other, another = copy("other")
    wrong = pack(other, another, into / "a.tar.gz")
    gone = Archive(str(into / "gone.tar.gz"), folder, commit)
    bodies = set()
    for packed in (None, wrong, gone):
        path, body = sent(folder, commit, packed)
        assert not path.exists(), "its own is gone when it was sent"
        assert body != Path(wrong.path).read_bytes()
        bodies.add(body)
    assert len(bodies) == 1
