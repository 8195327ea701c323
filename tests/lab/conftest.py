"""One lab for the whole run; each test that changes the site gets a fresh one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from fabfile.report.console import Console
from fabfile.server import containers
from fabfile.server.connection import Server
from fabfile.settings import Settings, load
from fabfile.site import Site
from lab import server as lab_server
from lab.load import Load
from lab.load_result import LoadResult
from lab.places import Server as LabServer
from lab.shell import LabError
from tests.programs import ROOT, Done, program

SETTINGS_FILE = ROOT / "lab/settings.yaml"

# Each of pytest's workers has a server of its own; the second flavour's start further on.
FIRST = {"trixie": 1, "bookworm": 6}
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["LAB_SERVER"] = str(FIRST[os.environ.get("LAB_FLAVOUR", "trixie")] + WORKER)
HERE = LabServer()
# Several servers share this machine's processors: only what is slow on purpose is to be called so.
SHARED = {"DEPLOY_LIMITS__SLOWER_THAN_BASELINE": "30"}
THERE = {**HERE.environment, **SHARED}
# For the tests of several servers, which one worker runs: a number that no worker has, or that
# LAB_SECOND says.
SECOND = LabServer(int(os.environ.get("LAB_SECOND", FIRST[HERE.flavour.release] + 4)))

Fab = Callable[..., Done]


# Tables whose rows start from any state: several servers share them, so many rows each.
ROWS = {"test_deaths.py": 5, "test_triggers.py": 5}

# What comes after all others, as tests with the mark `last` do: once the minutes are over that
# LAB_MINUTES gives, those that have not begun are skipped. So a slow machine ends in time, with
# the promises kept first, and says what it has not tried.
LAST = {
    "test_documents.py",
    "test_doctor.py",
    "test_hooks.py",
    "test_hosts.py",
    "test_look.py",
    "test_monitor.py",
    "test_report.py",
    "test_setup.py",
    "test_several_migrations.py",
    "test_sources.py",
}
MINUTES = float(os.environ.get("LAB_MINUTES") or 0)
OVER = "LAB_TESTS_OVER_AT"  # seconds since the epoch, for the workers


def pytest_configure() -> None:
    if MINUTES and OVER not in os.environ:
        os.environ[OVER] = str(time.time() + 60 * MINUTES)


# First: a worker reads the marks when its own turn comes, which else is before ours.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what comes last, and what one server runs in one go: a file, or a part of a table."""
    for item in items:
        if item.path.name in LAST:
            item.add_marker(pytest.mark.last)
    items.sort(key=_comes_last)
    rows: Counter[tuple[str, bool]] = Counter()
    for item in items:
        name, last = item.path.name, _comes_last(item)
        part = rows[name, last] // ROWS[name] if name in ROWS else 0
        rows[name, last] += 1
        group = f"{name} {part}{' last' if last else ''}"
        item.add_marker(pytest.mark.xdist_group(group))


def _comes_last(item: pytest.Item) -> bool:
    return item.get_closest_marker("last") is not None


# First: before the fixtures, which take most of a test's time.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if OVER in os.environ and _comes_last(item) and time.time() > float(os.environ[OVER]):
        pytest.skip(f"the {MINUTES:g} minutes of LAB_MINUTES are over")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Two tests of one file at once, on two servers, would prove nothing.

    :raises pytest.UsageError: another `--dist`, or a pytest whose xdist does not see the groups.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and not all("@" in i.nodeid for i in session.items):
        raise pytest.UsageError("tests/lab on several servers: only with --dist loadgroup")


@pytest.fixture(scope="session")
def lab() -> None:
    """The lab's server, started if it is not running; a site left broken is put back."""
    os.chdir(ROOT)
    try:
        lab_server.up()
    except LabError:
        lab_server.reset()


@pytest.fixture(scope="session")
def second(lab: None) -> LabServer:
    """Another server beside the lab's own, started if it is not running."""
    try:
        return lab_server.up(SECOND)
    except LabError:
        lab_server.reset(SECOND)
        return SECOND


@pytest.fixture
def fresh(lab: None) -> None:
    """The site as plain production."""
    lab_server.reset()


@pytest.fixture
def settings(lab: None) -> Settings:
    return lab_settings()


@pytest.fixture(autouse=True)
def read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that has a Site in its own process acts on the server beside it."""
    monkeypatch.setattr(containers, "FRESH", 0.0)


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
        return program(
            *("fab", "-f", str(SETTINGS_FILE), "-H", HERE.host, *arguments),
            environment=THERE,
        )

    return run


@pytest.fixture
def invoke(lab: None) -> Fab:
    """`invoke -f lab/settings.yaml ARGUMENTS` as a real process."""

    def run(*arguments: str) -> Done:
        argv = ("invoke", "-f", str(SETTINGS_FILE), *arguments)
        return program(*argv, environment=THERE)

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
    load = Load(rate=12, visitors=6, most_seconds=300).start()
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


def noticed(load: LoadResult) -> int:
    """Requests that visitors had to notice: failed, or sent again where nginx can do better.

    An nginx before 1.27.4 closes idle connections at a reload, under requests on their way.
    """
    return load.failed + (load.resent if HERE.flavour.keeps_idle_connections else 0)


def lab_settings(*assignments: str) -> Settings:
    """The lab's settings as the programs see them."""
    section = yaml.safe_load((ROOT / "invoke.yaml").read_text())["site"]
    for group, values in yaml.safe_load(SETTINGS_FILE.read_text())["site"].items():
        below = section.get(group)
        section[group] = {**below, **values} if isinstance(below, dict) else values
    return load(section, environment=THERE, assignments=assignments)
