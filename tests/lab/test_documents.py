"""Every `--json` prints one document, and nothing else, that its schema in docs/schemas accepts.

One deploy for all of them; only the last test moves visitors.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import pytest
from jsonschema import Draft202012Validator, ValidationError

from docs import generate
from lab import server as lab_server
from tests.lab.conftest import HERE, SETTINGS_FILE, THERE, Fab
from tests.lab.test_monitor import CALM, QUIET
from tests.programs import Done, program

LOCK = "1001-stories-deploy/lock"
CUT_OFF = "manual-20200101-000000"
# What a document's command needs to be short, or to have nothing to complain of.
OPTIONS = {
    "timing": ["--samples=3"],
    "monitor": ["--for=1s", "--every=1", *CALM, QUIET],
    "validate-deployment": CALM[:3],
}
FILES = {one.command: file for file, one in generate.documents().items() if one.command}


@pytest.fixture(scope="module", autouse=True)
def release(lab: None) -> str:
    """The site after one deploy: green live, blue stopped; the release."""
    lab_server.reset()
    done = program("fab", "-f", str(SETTINGS_FILE), "-H", HERE.host, "deploy", environment=THERE)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"New version: 1001stories:(\d{8}-\d{6})", done.stdout)
    assert found
    return found[1]


def _no_number(text: str) -> NoReturn:
    raise AssertionError(f"{text} is no JSON")


def document(command: str, done: Done) -> Any:
    """The whole of standard output, as the schema on disk has it."""
    found = json.loads(done.stdout, parse_constant=_no_number)
    schema = json.loads((generate.DOCS / generate.SCHEMAS / f"{FILES[command]}.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(found)
    with pytest.raises(ValidationError, match="'surplus' was unexpected"):
        validator.validate({**found, "surplus": 1})
    return found


@pytest.mark.parametrize("command", sorted(FILES))
def test_what_it_prints_is_what_its_schema_says(command: str, fab: Fab) -> None:
    done = fab(*command.split(), "--json", *OPTIONS.get(command, []))
    assert done.returncode == 0, done.stdout + done.stderr
    document(command, done)


def test_the_documents_say_what_a_deploy_has_left(fab: Fab, release: str) -> None:
    releases = document("releases", fab("releases", "--json"))["releases"]
    new, former = releases
    assert (new["release"], new["live"], new["outcome"]) == (release, True, "done")
    assert (new["colours"], new["why_not"]) == (["green"], "it is live")
    assert (former["live"], former["may_return"]) == (False, True)

    backups = document("backups", fab("backups", "--json"))
    assert backups["problems"] == {}
    marked = {one["full_rollback"]: one for one in backups["backups"]}
    assert marked[1]["name"] == f"pre-migration-{release}"
    assert marked[1]["bytes"] >= marked[1]["dump_bytes"] > 0
    assert marked[1]["tables"] == int(
        lab_server.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    )

    [migration] = document("migrations", fab("migrations", "--json"))["migrations"]
    stages = {one["stage"]: (one["state"], one["release"]) for one in migration["stages"]}
    assert stages == dict.fromkeys(("expand", "data", "contract"), ("applied", release))

    nginx = document("nginx", fab("nginx", "--json"))
    assert (nginx["colour"], nginx["release"], nginx["problem"]) == ("green", release, None)
    assert document("nginx --diff", fab("nginx", "--diff", "--json"))["diff"] == []


def test_a_lock_that_nobody_can_read_is_a_document_too(fab: Fab) -> None:
    lab_server.run(f"echo nonsense > {LOCK}")
    try:
        found = document("lock.status", fab("lock", "--json"))
        refused = fab("validate", "--json")
    finally:
        lab_server.run(f"rm {LOCK}")
    assert (found["lock"]["owner"], found["content"]) == (None, "nonsense\n")
    assert (refused.returncode, refused.stdout) == (1, "")  # it did not begin


def test_the_prune_says_what_it_removed_beside_the_document(fab: Fab) -> None:
    lab_server.run(f"mkdir 1001-stories-backups/{CUT_OFF}")
    assert CUT_OFF in document("backups", fab("backups", "--json"))["unfinished"]
    pruned = fab("backups", "--prune", "--json")
    found = document("backups", pruned)
    assert (found["removed"], found["unfinished"]) == ([CUT_OFF], [])
    assert f"removed {CUT_OFF}: left by a run that was cut off" in pruned.stderr


def test_an_assessment_has_its_checks_and_the_backup_that_it_made(fab: Fab) -> None:
    done = fab("assess", "--json", "--set=limits.free_disk_gb=1000000")
    assert done.returncode == 1
    found = document("assess-infrastructure", done)
    assert (found["outcome"], found["backup"]) == ("failed", None)
    assert found["reason"].endswith("a deploy needs 1e+06 GB")
    room = next(one for one in found["checks"] if one["name"].startswith("free on "))
    assert (room["verdict"], room["expected"], room["critical"]) == ("warn", "1e+06 GB", False)
    assert found["reason"] in done.stderr


def test_a_validation_that_takes_the_site_back_says_so_in_its_document(
    fab: Fab, release: str
) -> None:
    gone = "--set=public.pages={/: {contains: a text that is not there}}"
    done = fab("validate", "--json", gone, *CALM[:3])
    assert done.returncode == 3, done.stdout + done.stderr
    found = document("validate-deployment", done)
    assert (found["outcome"], found["live_release"]) == ("taken back", release)
    assert found["taken_back"].startswith("visitors back on blue ")
    [failed] = [one for one in found["checks"] if one["verdict"] == "fail"]
    assert (failed["group"], failed["name"]) == ("Application endpoints", "/")
    assert "a text that is not there" in failed["expected"]
    assert failed["critical"]
    assert 0 < failed["seconds"] <= found["seconds"]
    assert lab_server.run(f"cat {found['report']}").stdout.count("❌") == 1
