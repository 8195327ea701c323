"""The monitor on the server: its script, its timer, and what it remembers."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from ..commands import systemd
from ..errors import DeployError
from ..server.root import Root
from ..site import Site
from . import script

# sd_booted(3): systemctl may be there and nothing for it to talk to, as in a container.
_BOOTED = "command -v systemctl >/dev/null && [ -d /run/systemd/system ]"
_BEGIN = 'umask 077; date +%s > "$1"'
# $1 path; the file on standard input.
_PUT = 'cat > "$1.new" && chmod 0644 "$1.new" && mv -- "$1.new" "$1"'
# $1 folder, $2 whatever else is ours in it. The ledger keeps what was found.
_REMOVE = 'cd -- "$1" 2>/dev/null || exit 0; rm -rf -- round.*; shift; rm -f -- "$@"'
_OURS = ("monitor.sh", "ca.pem", "begun", "last", "last-round", "open", "started", "lock")


@dataclass(frozen=True)
class Line:
    """One line of a table that the script has written."""

    fields: tuple[str, ...]

    def __getitem__(self, place: int) -> str:
        return self.fields[place] if place < len(self.fields) else ""


class Timer:
    """The monitor of one site on its server."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.server = site.server
        self.settings = site.settings
        self.root = Root(site.server)
        self.folder = script.folder_of(site.settings)
        self.script = f"{self.folder}/monitor.sh"

    @property
    def unit(self) -> str:
        """Name of its units, without their kind."""
        return script.unit_of(self.site.containers.project)

    @property
    def has_systemd(self) -> bool:
        """Whether systemd runs there."""
        return self.server.shell(_BOOTED, check=False).ok

    @property
    def installed(self) -> bool:
        """Whether the script is there."""
        return self.server.run(["test", "-f", self.script], check=False).ok

    @property
    def certificates(self) -> str:
        """Where those that it trusts lie on the server; empty: the server's own."""
        return f"{self.folder}/ca.pem" if self.settings.public.ca_file else ""

    @property
    def text(self) -> str:
        """The script."""
        return script.script(self.settings, self.site.containers.project, self.certificates)

    def put_script(self) -> None:
        """Write the script and what it needs; what it remembers of an earlier time stays."""
        text, there = self.text, self.certificates
        self.server.make_folders(self.settings.folders.state, self.folder, mode="0700")
        if there:
            ours = Path(self.settings.public.ca_file).expanduser()
            self.server.write(there, ours.read_bytes(), 0o600)
        self.server.shell(_BEGIN, f"{self.folder}/begun")
        self.server.write(self.script, text, 0o700)

    def first_round(self) -> list[str]:
        """Make a round now.

        :returns: the findings that are open after it, one line each.
        :raises DeployError: no round could be made.
        """
        done = self.server.run(["sh", self.script, "--now"], timeout=180, check=False)
        if done.exit_code not in (0, 1):
            raise DeployError(
                f"the monitor's first round broke off (exit code {done.exit_code})",
                evidence=done.stdout + done.stderr,
                state="the script is there, and nothing starts it",
                next_command="mend what the evidence names, then fab monitor --install again",
            )
        return [f"{name}: {found} (expected {expected})" for name, expected, found in self._open()]

    def start(self) -> None:
        """Write the units and start the timer.

        :raises DeployError: no way to be root, or systemd refused.
        """
        user = self.server.connection.user
        for name, text in script.units(self.settings, self.unit, user).items():
            path = f"{systemd.FOLDER}/{name}"
            self.root.feed(["sh", "-c", _PUT, "sh", path], io.BytesIO(text.encode()))
        self.root.run(systemd.reload())
        self.root.run(systemd.enable(f"{self.unit}.timer"))

    def remove(self) -> None:
        """Take everything away that `put_script` and `start` have made."""
        if self.has_systemd:
            names = [f"{self.unit}.timer", f"{self.unit}.service"]
            self.root.run(systemd.disable(names[0]), check=False)  # it may never have begun
            self.root.run(["rm", "-f", "--", *(f"{systemd.FOLDER}/{name}" for name in names)])
            self.root.run(systemd.reload())
        self.server.shell(_REMOVE, self.folder, *_OURS)
        self.server.run(["rmdir", "--", self.folder], check=False)  # not empty: somebody's own

    def state(self) -> str | None:
        """systemd's word for the timer; None where there is no systemd."""
        if not self.has_systemd:
            return None
        unit = f"{self.unit}.timer"
        return self.server.run(systemd.is_active(unit), check=False).text or "unknown"

    def last(self) -> tuple[Line, list[Line]]:
        """The last round: time, period, seconds between two, release; and its checks, each with
        name, `yes` or `no`, expected, found."""
        head, *checks = self._table("last") or [Line(())]
        return head, checks

    def findings(self) -> list[Line]:
        """What is open: name, since, good rounds in a row, expected, found."""
        return self._table("open")

    def _open(self) -> list[tuple[str, str, str]]:
        return [(line[0], line[3], line[4]) for line in self.findings()]

    def _table(self, name: str) -> list[Line]:
        text = self.server.read(f"{self.folder}/{name}") or ""
        return [Line(tuple(line.split("\t"))) for line in text.splitlines()]
