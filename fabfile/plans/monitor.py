"""What setting up the server's own monitor would do, and taking it away."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..commands import systemd
from ..documents.plan import Deed
from ..errors import DeployError
from ..monitoring import script
from ..monitoring.timer import Timer
from .deeds import deed, runs, writes
from .outlook import Outlook


def looks(timer: Timer) -> Sequence[Deed]:
    """:raises DeployError: systemd is there, and there is no way to be root."""
    if timer.has_systemd:
        timer.root.refuse_none()
        return [deed("server", f"systemd is there, and root by {timer.root.way}")]
    return [deed("server", "reads whether systemd runs: it does not")]


def puts_script(timer: Timer) -> Sequence[Deed]:
    there, text = timer.certificates, timer.text
    before = timer.server.read(timer.script)
    copied = f"copies {timer.settings.public.ca_file} to {there} (0600)"
    return [
        *runs(["mkdir", "-p", "-m", "0700", timer.folder]),
        *([deed("server", copied)] if there else []),
        deed("server", f"the time of now into {timer.folder}/begun"),
        writes(timer.script, text, before=before, mode="0700"),
        *runs(["sh", timer.script, "--now"]),
    ]


def starts(seen: Outlook, timer: Timer) -> Sequence[Deed]:
    """:raises DeployError: there is no systemd: it stops here."""
    if not timer.has_systemd:
        raise DeployError(
            f"{timer.server} has no systemd: the script is put in place, and nothing starts it",
            next_command=f"on the server, crontab -e: {script.cron_line(timer.settings)}",
        )
    user = timer.server.connection.user
    files = script.units(timer.settings, timer.unit, user)
    paths = {f"{systemd.FOLDER}/{name}": text for name, text in files.items()}
    return [
        *(
            writes(path, text, before=timer.server.read(path), what="as root, writes", mode="0644")
            for path, text in paths.items()
        ),
        *_as_root(systemd.reload(), systemd.enable(f"{timer.unit}.timer")),
        _noted(seen, "monitor-installed"),
    ]


def removes(seen: Outlook, timer: Timer) -> Sequence[Deed]:
    if not timer.installed:
        return [deed("server", f"nothing: {timer.script} is not there")]
    deeds: list[Deed] = []
    if timer.has_systemd:
        names = [f"{timer.unit}.timer", f"{timer.unit}.service"]
        files = ["rm", "-f", "--", *(f"{systemd.FOLDER}/{name}" for name in names)]
        deeds += _as_root(systemd.disable(names[0]), files, systemd.reload())
    ours = deed("server", f"removes the script and what it remembers, and then {timer.folder}")
    return [*deeds, ours, _noted(seen, "monitor-removed")]


def _as_root(*commands: Sequence[str]) -> list[Deed]:
    return [deed("server", f"as root: {shlex.join(command)}") for command in commands]


def _noted(seen: Outlook, event: str) -> Deed:
    return deed("server", f"{event} into {seen.site.ledger.path}")
