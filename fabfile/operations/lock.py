"""The site's lock: who has it and whether that run lives; and taking it away by hand."""

from __future__ import annotations

from ..documents.lock import LockStatus
from ..errors import BadSettings, DeployError
from ..report.words import age
from ..server.lock import Held
from ..site import Site
from .status_reading import lock_of

_SHOWN = 500  # characters of a file that is no lock


def status(site: Site, *, as_document: bool = False) -> None:
    """Print who holds the lock, what that run is doing, and whether it lives."""
    say = site.console.line
    held = site.lock.look()
    if as_document:
        _document(site, held).show()
        return
    if held is None:
        say("lock:      free", style="bold")
        return
    for name, value in _described(site, held):
        say(f"{name + ':':<11}{value}", style="bold" if name == "lock" else None)


def release(site: Site, reason: str, force: bool = False) -> None:
    """Take the lock away from a run that is dead, and write down why.

    :param reason: goes to the ledger, with the former owner.
    :param force: also from a run that is at work: it stops where it is.
    :raises BadSettings: no reason was given; nothing was contacted.
    :raises DeployError: the owner is at work, and not `force`; or somebody else has it by now.
    """
    refuse_no_reason(reason)
    held = site.lock.look()
    if held is None or not _cleared(site, held, force):
        site.console.line("the lock is free already")
        return
    site.task = "lock"
    site.log("lock-released", reason=reason.strip(), owner=_owner(held), force=force)
    site.console.line(f"released: the lock of {held}", style="bold")
    site.console.detail("written in the ledger as lock-released")
    site.console.line("next: fab status shows what that run left behind")


def refuse_no_reason(reason: str) -> None:
    """:raises BadSettings: no reason was given."""
    if not reason.strip():
        raise BadSettings(
            "a reason is needed: it is written in the ledger",
            next_command='fab lock.release --reason "ann\'s laptop was lost"',
        )


def refuse_beating(held: Held, force: bool) -> None:
    """:raises DeployError: the owner is at work, and not `force`."""
    if held.beating and not force:
        raise DeployError(
            f"the lock's owner is at work: {held}; last heartbeat {age(held.quiet)} ago",
            evidence=held.text[:_SHOWN] if held.owner is None else "",
            state="nothing was touched",
            next_command="wait for it; or add --force: that run then stops where it is, takes "
            "nothing back, and ends with LockLost (exit code 4)",
        )


def _cleared(site: Site, held: Held, force: bool) -> bool:
    refuse_beating(held, force)
    return site.lock.clear(held, force=force)


def _document(site: Site, held: Held | None) -> LockStatus:
    return LockStatus(
        path=site.lock.path,
        lock=lock_of(held),
        age=held.age if held else None,
        content=held.text[:_SHOWN] if held and held.owner is None else None,
        next=_next(site, held) if held else None,
    )


def _described(site: Site, held: Held) -> list[tuple[str, str]]:
    quiet = age(held.quiet)
    heart = f"beating ({quiet} ago)" if held.beating else f"dead (no heartbeat for {quiet})"
    end = [("heartbeat", heart), ("next", _next(site, held))]
    owner = held.owner
    if owner is None:
        shown = " ".join(held.text[:_SHOWN].split()) or "it is empty"
        return [("lock", f"{site.lock.path} cannot be read"), ("in it", shown), *end]
    old = "" if held.age is None else f", {age(held.age)} ago"
    return [
        ("lock", f"held by {owner.who}@{owner.host} (pid {owner.pid})"),
        ("task", f"{owner.task} of release {owner.release}"),
        ("at", owner.phase),
        ("since", owner.since + old),
        *end,
    ]


def _next(site: Site, held: Held) -> str:
    if not held.beating:
        return "any command takes it over; or: fab lock.release --reason …"
    if held.owner is None:
        seconds = f"{site.settings.deploy.lock_dead_after:.0f} s"
        return f"fab lock.release --reason …, once it has been quiet for {seconds}"
    return "wait for it; fab lock shows how far it is"


def _owner(held: Held) -> str:
    return str(held) if held.owner else f"{held}: {held.text[:_SHOWN]}"
