"""From a bare Debian or Ubuntu server to one whose site runs: what is so already is left alone."""

from __future__ import annotations

from ...errors import DeployError
from ...report import plan_text
from ...server.root import Root
from ...site import Site
from . import planned
from .server import ServerSetup
from .site import SiteSetup
from .step import SetupStep

TITLE = "setup"
WIDTH = 27  # of a step's title


def setup(site: Site, *, plan: bool = False, source: str = "", as_document: bool = False) -> None:
    """Do what is missing, step by step; or say what that is.

    :param plan: only say it.
    :param as_document: say it as one JSON document.
    :param source: folder of this machine with the compose file and what belongs beside it.
    :raises BadSettings: no such folder, or no compose file in it; nothing was contacted.
    :raises DeployError: no way to be root, or a step failed; the next run goes on from there.
    """
    folder = SiteSetup.local_folder(site.settings, source)
    root = Root(site.server)
    server, own = ServerSetup(site, root), SiteSetup(site, folder)
    found = [(step, step.already()) for step in (*server.steps(), *own.steps())]
    missing = [step for step, words in found if not words]
    if plan and as_document:
        planned.document(site, found).show()
        return
    if plan or not missing:
        for step, words in found:
            _say(site, step, words)
        _say_count(site, root, len(missing), len(found))
    else:
        if any(step.root for step in missing):
            root.refuse_none()
        _do(site, server, own)
    _next(site, own, todo=plan and bool(missing))


def _say(site: Site, step: SetupStep, already: str) -> None:
    mark, words = ("✓", f"already so: {already}") if already else ("→", f"would {step.would()}")
    site.console.line(f"  {mark} {step.title:<{WIDTH}} {words}")
    if not already:
        plan_text.show_diff(site.console, step.diff())


def _say_count(site: Site, root: Root, todo: int, steps: int) -> None:
    way = f"; as root by: {root.way or 'no way, sudo asks for a password'}" if todo else ""
    line = f"{todo} of {steps} steps to do{way}; nothing was changed"
    site.console.line(line, style="bold")


def _do(site: Site, server: ServerSetup, own: SiteSetup) -> None:
    with site.console.phase(TITLE):
        for step in server.folder_steps():  # the lock is in one of them
            _ensure(site, step)
        # Not a run that can be cut off: whatever it left, the next setup goes on with.
        with site.locked(TITLE, changes=False):
            for step in server.engine_steps():
                _ensure(site, step)
        site.server.close()  # a group counts from the next sign-in on
        with site.locked(TITLE, changes=False):
            for step in own.steps():
                _ensure(site, step)


def _ensure(site: Site, step: SetupStep) -> None:
    if words := step.already():
        _say(site, step, words)
        return
    with site.console.step(step.title):
        site.lock.enter(TITLE, step.title)
        site.lock.refuse_lost()
        step.act()
    found = step.already()
    if not found:
        raise DeployError(
            f"{step.title}: done, and yet it is not so",
            state="what was done before it stays",
            next_command="fab doctor looks at everything",
        )
    site.console.detail(found)


def _next(site: Site, own: SiteSetup, *, todo: bool) -> None:
    say, files = site.console.line, ", ".join(site.settings.compose.files)
    if not own.has_files:
        say(f"no site yet: {site.settings.folders.project} has no {files} to start")
        say("next: fab setup --from FOLDER, with the compose file and what belongs beside it")
    elif todo:
        say("next: fab setup does it")
    else:
        say("next: fab doctor looks at everything; fab deploy")
