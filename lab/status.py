"""The lab at a glance."""

from __future__ import annotations

from rich.table import Table

from lab import engine, talk
from lab.places import Server

CONTAINERS = "docker ps -a --filter name=1001-stories --format '{{.Names}}: {{.Status}}'"


def table(server: Server) -> Table:
    """What there is, and in what state."""
    rows = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _facts(server):
        rows.add_row(name, value)
    return rows


def _facts(server: Server) -> list[tuple[str, str]]:
    if not engine.answers():
        return [("engine", "does not answer; `invoke lab.up` starts it")]
    state = engine.container_state(server.name)
    facts = [("engine", engine.version()), ("server", f"{server.name}, {state or 'absent'}")]
    if state != "running":
        return [*facts, ("next", "invoke lab.up")]
    facts.append(("flavour", server.flavour.name))
    for name, command in (
        ("docker there", "docker version --format '{{.Server.Version}}'"),
        ("compose there", "docker-compose version --short"),
        ("containers", CONTAINERS),
        ("free disk", "df -h --output=avail /var/lib/docker | tail -n 1 | tr -d ' '"),
    ):
        result = talk.run(command, server=server, check=False)
        facts.append((name, (result.stdout or result.stderr).strip() or "none"))
    names = {22: "ssh", 80: "http", 443: "https"}
    ports = ", ".join(f"{names[inner]} {port}" for port, inner in server.ports.items())
    return [*facts, ("on 127.0.0.1", ports)]
