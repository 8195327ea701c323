"""What several servers get alike is packed once, before the first of them is begun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import interrupts
from ..errors import DeployError
from ..report.console import Console
from ..server.archive import Archive, pack, whole
from .summary import Outcome

Packed = Mapping[tuple[str, str], Archive]  # by folder and commit


def pack_once(outcomes: Sequence[Outcome], folder: Path, console: Console) -> Packed:
    """Pack each commit that two or more of the servers get; what one alone gets, its part packs.

    :param folder: of the run, for the archives; whoever made it removes it.
    :raises DeployError: git refuses; nothing was begun.
    :raises Interrupted: a signal came meanwhile.
    """
    wanted = Counter(what for one in outcomes if (what := contents(one)))
    return {
        what: _packed(*what, servers, folder / f"source-{number}.tar.gz", console)
        for number, (what, servers) in enumerate(wanted.items())
        if servers > 1
    }


def contents(one: Outcome) -> tuple[str, str] | None:
    """The folder and the commit that a server gets; None where none is sent."""
    return (whole(one.site.settings.source.folder), one.revision) if one.revision else None


def _packed(folder: str, commit: str, servers: int, path: Path, console: Console) -> Archive:
    with console.step(f"pack commit {commit[:10]} once for {servers} servers"):
        try:
            archive = pack(folder, commit, path)
        except DeployError as error:
            interrupts.check()  # Ctrl-C reaches git too
            error.state = "nothing was begun on any server"
            raise
    interrupts.check()
    return archive
