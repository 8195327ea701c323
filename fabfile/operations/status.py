"""What is live now, and what happened last."""

from __future__ import annotations

from ..server.containers import FORMER_LABEL
from ..site import Site


def status(site: Site) -> None:
    """Print live colour and release, the containers, the lock and the last ledger entries."""
    say = site.console.line
    live = site.live.read()
    former = live.container.labels.get(FORMER_LABEL, "") or "none yet"
    say(f"live:    {live.colour}, release {live.release} ({live.container.status})", style="bold")
    say(f"former:  {former}")
    say(f"lock:    {site.lock.look() or 'free'}")
    say("containers:")
    for container in sorted(site.containers.all(), key=lambda c: c.name):
        say(f"  {container.name:<28} {container.status:<22} {container.image}")
    say("last in the ledger:")
    for entry in site.ledger.entries()[-8:]:
        say(f"  {entry.time}  {entry.task:<22} {entry.event:<14} {entry.release}  by {entry.who}")
