"""One lab for the whole run; each test that changes the site gets a fresh one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.settings import Settings, load
from fabfile.site import Site
from lab import server as lab_server
from lab.load import Load
from lab.shell import LabError
from tests.programs import ROOT, Done, program

SETTINGS_FILE = ROOT / "lab/settings.yaml"
HOST = "ubuntu@127.0.0.1:22022"

Fab = Callable[..., Done]


@pytest.fixture(scope="session")
def lab() -> None:
    """The lab's server, started if it is not running; a site left broken is put back."""
    os.chdir(ROOT)
    try:
        lab_server.up()
    except LabError:
        lab_server.reset()


@pytest.fixture
def fresh(lab: None) -> None:
    """The site as plain production."""
    lab_server.reset()


@pytest.fixture
def settings(lab: None) -> Settings:
    return lab_settings()


@pytest.fixture
def site(fresh: None) -> Iterator[Site]:
    """A Site on a fresh plain production, within this process."""
    settings = lab_settings()
    server = Server(settings)
    yield Site(settings, server, Console())
    server.close()


@pytest.fixture
def fab(lab: None) -> Fab:
    """`fab -f lab/settings.yaml -H … ARGUMENTS` as a real process."""

    def run(*arguments: str) -> Done:
        return program("fab", "-f", str(SETTINGS_FILE), "-H", HOST, *arguments)

    return run


@pytest.fixture
def invoke(lab: None) -> Fab:
    """`invoke -f lab/settings.yaml ARGUMENTS` as a real process."""

    def run(*arguments: str) -> Done:
        there = {"DEPLOY_SSH__HOST": HOST}
        return program("invoke", "-f", str(SETTINGS_FILE), *arguments, environment=there)

    return run


@pytest.fixture
def psql(lab: None) -> Callable[[str], str]:
    """Run SQL on the site's database, by a way of the lab's own."""
    return lab_server.psql


@pytest.fixture
def on_server(lab: None) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a shell command on the server as ubuntu, by a way of the lab's own."""
    return lab_server.run


@pytest.fixture
def under_load(lab: None) -> Iterator[Load]:
    """Visitors around a test; stop it to see the figures."""
    load = Load(rate=60, most_seconds=300).start()
    yield load
    load.stop()


@pytest.fixture
def working_copy(tmp_path: Path) -> Callable[[str], str]:
    """A working copy of the app, with a fault or another Dockerfile; the setting that names it."""

    def make(faults: str = "", dockerfile: str = "") -> str:
        folder = tmp_path / "app"
        shutil.copytree(ROOT / "lab/site/app", folder)
        if faults:
            (folder / "faults").write_text(faults + "\n")
        if dockerfile:
            (folder / "Dockerfile").write_text(dockerfile)
        who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        for argv in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "broken"]):
            subprocess.run(["git", *argv], cwd=folder, check=True)
        return f"--set=source.folder={folder}"

    return make


def lab_settings(*assignments: str) -> Settings:
    """The lab's settings as the programs see them."""
    section = yaml.safe_load((ROOT / "invoke.yaml").read_text())["site"]
    for group, values in yaml.safe_load(SETTINGS_FILE.read_text())["site"].items():
        section[group] = {**section[group], **values} if isinstance(values, dict) else values
    return load(section, assignments=assignments)
