"""Old releases go, and never one that a rollback goes to."""

from __future__ import annotations

import re
from collections.abc import Callable

from lab import server as lab_server
from tests.lab.conftest import Fab
from tests.programs import Done

QUICK = "--set=deploy.watch_seconds=0"
KEEP_TWO = "--set=deploy.keep_releases=2"


def test_after_many_deploys_two_rollbacks_in_a_row_still_have_their_releases(
    fab: Fab, on_server: Callable[..., Done]
) -> None:
    lab_server.reset()
    made = []
    for _ in range(5):
        done = fab("blue-green-deploy", QUICK, KEEP_TWO)
        assert done.returncode == 0, done.stdout + done.stderr
        made += re.findall(r"New version: 1001stories:(\S+)", done.stdout)

    tags = on_server("docker images --format '{{.Tag}}' 1001stories").stdout.split()
    assert set(tags) == {"production", "latest", *made[-3:]}
    folders = on_server("ls 1001-stories-deploy/releases").stdout.split()
    assert folders == made[-3:]

    for release in (made[-2], made[-3]):
        back = fab("rollback")
        assert back.returncode == 0, back.stdout + back.stderr
        assert f"• Version: 1001stories:{release}" in back.stdout
