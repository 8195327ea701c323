"""What is live now, and what happened last."""

from __future__ import annotations

from ..errors import DeployError, ServerUnreachable
from ..server.containers import FORMER_LABEL
from ..site import Site


def status(site: Site) -> None:
    """Print live colour and release, the containers, the lock and the last ledger entries."""
    say = site.console.line
    try:
        live = site.live.read()
    except ServerUnreachable:
        raise
    except DeployError as error:  # the rest is worth the more
        say(f"live:    not known: {error.reason}", style="bold red")
    else:
        former = live.container.labels.get(FORMER_LABEL, "") or "none yet"
        status = live.container.status
        say(f"live:    {live.colour}, release {live.release} ({status})", style="bold")
        say(f"former:  {former}")
        if live.canary:
            share, where = live.canary.share, f"{live.canary.colour} {live.canary.release}"
            say(f"canary:  {share} % of visitors are with {where}", style="yellow")
    held = site.lock.look()
    say(f"lock:    {held or 'free'}{'' if not held or held.beating else ' (DEAD)'}")
    dead = site.ledger.cut_off() if not (held and held.beating) else None
    if dead:
        say(f"cut off: {dead}", style="yellow")
        say("         fab rollback takes it back; fab deploy starts anew, --resume goes on")
    say("containers:")
    for container in sorted(site.containers.all(), key=lambda c: c.name):
        say(f"  {container.name:<28} {container.status:<22} {container.image}")
    say("last in the ledger:")
    for entry in site.ledger.entries()[-8:]:
        say(f"  {entry.time}  {entry.task:<22} {entry.event:<14} {entry.release}  by {entry.who}")
