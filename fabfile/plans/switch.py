"""What moving the visitors does: the files of nginx's configuration, and the proof."""

from __future__ import annotations

from collections.abc import Sequence

from ..commands import docker
from ..commands.nginx_sides import Canary
from ..documents.plan import Deed
from ..errors import DeployError, Interrupted
from ..phases.traffic import Traffic
from ..server.containers import Container
from ..server.side_key import known_side_key, without_key
from ..settings import Colour
from .deeds import deed, runs, writes
from .outlook import Outlook


def settles(seen: Outlook) -> list[Deed]:
    """Where a run ended between the file and the reload, or in its canary."""
    if seen.settled or seen.files:
        return []
    places, live, canary = _places(seen, _settled(seen)), seen.live, seen.canary
    if not canary:
        words = "nginx's configuration in place is not the one that it runs; put back:"
        return [deed("server", words), *places]
    words = f"a run ended in its canary, with {canary.share} % of the visitors on {canary.colour} "
    words += f"{canary.release}; all of them go back to {live.colour} {live.release}:"
    return [deed("server", words), *places, *_reloads(seen), *drains(seen)]


def shares(seen: Outlook, canary: Canary) -> list[Deed]:
    """A part of the visitors to the idle release; with 0 only the operator."""
    live, settings = seen.live, seen.settings
    container = settings.app.container_of(live.colour)
    traffic = Traffic(seen.site, live)
    text = traffic.rendered((live.colour, live.release), container, _settled(seen), canary)
    path, mode = f"{settings.folders.state}/side-key", "0600"
    key = deed("server", f"writes {path} ({mode}): a new key, with which a request chooses a side")
    known = seen.once("key", lambda: known_side_key(seen.site.server, settings.folders.state))
    new = [] if known or seen.files else [key]
    who = "no visitor yet, only who has the key, meets the new release"
    if canary.share:
        who = f"{canary.share} % of the visitors, told apart by {settings.canary.by}, meet the new "
        who += "release, and stay with it"
    proof = f"{settings.nginx.proof_answers} answers in a row by each release, chosen by the key"
    return [
        *new,
        *_changes(seen, text),
        deed("public address", proof),
        deed("public address", who),
    ]


def tests_ahead(seen: Outlook, colour: Colour, release: str, container: str) -> list[Deed]:
    """The test of what `moves` puts in place, while the container starts; what cannot be
    rendered is for `moves` to say."""
    try:
        seen.tested = _text(seen, colour, release, container)
    except Interrupted:
        raise
    except DeployError:
        return []
    return _tests(seen)


def moves(seen: Outlook, colour: Colour, release: str, container: str) -> list[Deed]:
    """Render, test, keep the old one, put in place, reload, and prove.

    :param container: which gets the visitors.
    :raises DeployError: the configuration cannot be rendered.
    """
    settings = seen.settings
    return [
        *_changes(seen, _text(seen, colour, release, container)),
        deed(
            "public address",
            f"{settings.nginx.proof_answers} answers in a row by {colour} {release}, on new "
            f"connections, within {settings.nginx.proof_timeout:g} s",
        ),
    ]


def _text(seen: Outlook, colour: Colour, release: str, container: str) -> str:
    """The configuration that sends all visitors to a container."""
    traffic = Traffic(seen.site, seen.live)
    return traffic.rendered((colour, release), container, _settled(seen))


def _settled(seen: Outlook) -> str:
    """The configuration before the first change: the one that nginx runs, for all visitors."""

    def text() -> str:
        traffic = Traffic(seen.site, seen.live)
        if seen.canary:
            return traffic.config_before(seen.canary)
        return seen.nginx_text if seen.settled else traffic.config_for_former()

    return seen.once("settled configuration", text)


def _tests(seen: Outlook) -> list[Deed]:
    """As a candidate, beside the one in use."""
    nginx = seen.site.nginx
    name, main = nginx.container.name, nginx.main_file
    candidate, inside = f"{seen.settings.folders.state}/nginx/candidate.conf", f"{main}.candidate"
    alone = nginx.config_file().inside == main
    test = ["nginx", "-t", "-c", inside]
    in_a_copy = deed("server", f"nginx -t on it, in a copy of its folder inside {name}")
    return [
        deed("server", f"writes the new configuration to {candidate}, to be tested"),
        *runs(docker.copy_into(candidate, name, inside)),
        *(runs(docker.execute(name, test)) if alone else [in_a_copy]),
    ]


def _changes(seen: Outlook, text: str) -> list[Deed]:
    """Tested, the old one kept, in place, and run."""
    nginx = seen.site.nginx
    file, name = nginx.config_file(), nginx.container.name
    backup = f"{file.host_path}.backup-{seen.site.release}"
    keeps, seen.keeps_config = seen.keeps_config, False
    ahead, seen.tested = seen.tested == text, ""
    copies = f"copies the one in place to {backup}; an older backup-* beside it goes"
    return [
        *([] if ahead else _tests(seen)),
        *([deed("server", copies)] if keeps else []),
        *_places(seen, text),
        deed("server", f"compares its sha256 as {name} sees it"),
        *_reloads(seen),
    ]


def _reloads(seen: Outlook) -> list[Deed]:
    name = seen.site.nginx.container.name
    test, reload = ["nginx", "-t"], ["nginx", "-s", "reload"]
    return runs(docker.execute(name, test), docker.execute(name, reload))


def drains(seen: Outlook) -> Sequence[Deed]:
    limit = f"{seen.settings.deploy.drain_seconds:g} s"
    name = seen.site.nginx.container.name
    return [deed("server", f"docker top {name}, until its old workers have left; at most {limit}")]


def critical(seen: Outlook) -> list[str]:
    """The pages whose failure takes a release back."""
    return [path for path, page in seen.settings.public.pages.items() if page.critical]


def stops(seen: Outlook, name: str, container: Container | None) -> list[Deed]:
    """A colour's container is stopped, and stays."""
    grace = (container and container.stop_timeout) or seen.settings.app.stop_grace
    return runs(docker.stop(name, grace))


def _places(seen: Outlook, text: str) -> list[Deed]:
    nginx, server, state = seen.site.nginx, seen.site.server, seen.settings.folders.state
    file = nginx.config_file()
    how = "writes in place" if file.single_file else "writes"
    deeds = []
    for piece, content in nginx.pieces(file, text):
        path, new = piece.host_path, without_key(server, state, content)
        there = seen.files.get(path, server.read(path))
        before = None if there is None else without_key(server, state, there)
        deeds.append(writes(path, new, before=before, what=how))
        seen.files[path] = new
    return deeds
