"""What moving the visitors does: the files of nginx's configuration, and the proof."""

from __future__ import annotations

from collections.abc import Sequence

from ..commands import docker
from ..documents.plan import Deed
from ..phases.traffic import Traffic
from ..server.containers import Container
from ..settings import Colour
from .deeds import deed, runs, writes
from .outlook import Outlook


def settles(seen: Outlook) -> list[Deed]:
    """Where a run ended between the file and the reload: the file for what nginx runs."""
    if seen.settled:
        return []
    text = Traffic(seen.site, seen.live).config_for_former()
    words = "nginx's configuration in place is not the one that it runs; put back:"
    return [deed("server", words), *_places(seen, text)]


def moves(seen: Outlook, colour: Colour, release: str, container: str) -> list[Deed]:
    """Render, test, keep the old one, put in place, reload, and prove.

    :param container: which gets the visitors.
    :raises DeployError: the configuration cannot be rendered.
    """
    nginx, settings = seen.site.nginx, seen.settings
    traffic = Traffic(seen.site, seen.live)
    before = seen.nginx_text if seen.settled else traffic.config_for_former()
    text = traffic.rendered((colour, release), container, before)
    file, name = nginx.config_file(), nginx.container.name
    candidate, main = f"{settings.folders.state}/nginx/candidate.conf", nginx.main_file
    inside = f"{main}.candidate"
    alone = file.inside == main
    backup = f"{file.host_path}.backup-{seen.site.release}"
    test = ["nginx", "-t", "-c", inside]
    in_a_copy = deed("server", f"nginx -t on it, in a copy of its folder inside {name}")
    return [
        deed("server", f"writes the new configuration to {candidate}, to be tested"),
        *runs(docker.copy_into(candidate, name, inside)),
        *(runs(docker.execute(name, test)) if alone else [in_a_copy]),
        deed("server", f"copies the one in place to {backup}; an older backup-* beside it goes"),
        *_places(seen, text),
        deed("server", f"compares its sha256 as {name} sees it"),
        *runs(
            docker.execute(name, ["nginx", "-t"]), docker.execute(name, ["nginx", "-s", "reload"])
        ),
        deed(
            "public address",
            f"{settings.nginx.proof_answers} answers in a row by {colour} {release}, on new "
            f"connections, within {settings.nginx.proof_timeout:g} s",
        ),
    ]


def drains(seen: Outlook) -> Sequence[Deed]:
    limit = f"{seen.settings.deploy.drain_seconds:g} s"
    name = seen.site.nginx.container.name
    return [deed("server", f"docker top {name}, until its old workers have left; at most {limit}")]


def stops(seen: Outlook, name: str, container: Container | None) -> list[Deed]:
    """A colour's container is stopped, and stays."""
    grace = (container and container.stop_timeout) or seen.settings.app.stop_grace
    return runs(docker.stop(name, grace))


def _places(seen: Outlook, text: str) -> list[Deed]:
    nginx = seen.site.nginx
    file = nginx.config_file()
    how = "writes in place" if file.single_file else "writes"
    return [
        writes(piece.host_path, content, before=seen.site.server.read(piece.host_path), what=how)
        for piece, content in nginx.pieces(file, text)
    ]
