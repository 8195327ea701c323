"""What making and asking one colour's container does."""

from __future__ import annotations

from collections.abc import Sequence

from ..commands import docker
from ..commands.compose_secrets import without_secrets
from ..documents.plan import Deed
from ..phases.colours import ColourRun
from .deeds import deed, runs, writes
from .outlook import Outlook


def keeps(run: ColourRun, text: str) -> Deed:
    """The compose override; what an environment holds is hidden."""
    before = run.server.read(run.override)
    return writes(
        run.override,
        without_secrets(text),
        before=None if before is None else without_secrets(before),
        mode="0600",
    )


def ups(run: ColourRun) -> list[Deed]:
    """The container anew, from that file alone."""
    there = run.site.containers.named(run.name)
    leftover = runs(docker.remove(run.name)) if there else []
    return [*leftover, *runs(run.up_command())]


def waits(seen: Outlook, name: str) -> Sequence[Deed]:
    check = seen.live.container.check
    limit = check.deadline if check else seen.settings.app.health_timeout
    words = f"docker inspect {name}, until its own health check passes; at most {limit:.0f} s"
    return [deed("server", words)]


def asks(seen: Outlook, run: ColourRun) -> Sequence[Deed]:
    app = seen.settings.app
    critical = [path for path, page in seen.settings.public.pages.items() if page.critical]
    paths = ", ".join(dict.fromkeys(filter(None, (app.health_path, app.login_path, *critical))))
    return [deed("server", f"GET {paths} from {run.name} itself (127.0.0.1:{run.port} there)")]
