"""Which containers somebody means: by colour, by what is live, by service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import BadSettings, DeployError
from ..server.containers import Container
from ..settings import COLOURS, Settings
from ..site import Site

ALL = "all"
LIVE, IDLE = "live", "idle"
WORDS = "blue, green, live, idle, nginx, db, another service of the compose file"


def words_of(text: str) -> list[str]:
    """The words of `--colour blue,nginx`.

    :raises BadSettings: there is none, or an empty one.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise BadSettings(f"--colour is {text!r}; allowed: {WORDS}")
    return words


def sources(found: Iterable[Container], settings: Settings) -> dict[str, Container]:
    """Containers by the short name that a person calls them: their colour, or their service.

    A plain app that is not adopted yet is blue, as it will be. Of several containers of one
    service the first that runs is meant; the others go by their own names.
    """
    colours = [settings.app.container_of(colour) for colour in COLOURS]
    named: dict[str, Container] = {}
    for container in sorted(
        found, key=lambda one: (one.name not in colours, not one.running, one.name)
    ):
        name = _short(container, settings)
        named[container.name if name in named else name] = container
    return named


def chosen(site: Site, words: Sequence[str], *, later: bool = False) -> dict[str, Container]:
    """The containers that words mean, by their short names.

    :param words: as `--colour` takes them; none: both colours.
    :param later: a colour without a container is left out, and not refused.
    :raises DeployError: there is none of that name.
    """
    named = sources(site.containers.all(), site.settings)
    if ALL in words:
        return named
    picked = {}
    for name in resolved(site, words):
        if name in named:
            picked[name] = named[name]
        elif not (name in COLOURS and (later or not words)):
            raise _nothing(name, named)
    if not picked and not later:
        raise _nothing("either colour", named)
    return picked


def resolved(site: Site, words: Sequence[str]) -> list[str]:
    """Short names for words: `live` and `idle` are colours, `nginx` and `db` are services."""
    compose = site.settings.compose
    live = site.live.read() if {LIVE, IDLE} & set(words) else None
    meant = {"nginx": compose.nginx, "db": compose.database}
    if live:
        meant |= {LIVE: live.colour, IDLE: live.idle}
    return list(dict.fromkeys(meant.get(word, word) for word in words or COLOURS))


def one_running(site: Site, word: str) -> Container:
    """The one container that a word means; by default the live colour's.

    :raises DeployError: there is none, or it does not run.
    """
    [(name, container)] = chosen(site, [word or LIVE]).items()
    if not container.running:
        raise DeployError(
            f"{container.name} is {container.status}",
            state="nothing was run",
            next_command=f"fab logs --colour {name} shows why; fab ps what runs",
        )
    return container


def one_word(text: str) -> str:
    """`--colour` where one container is needed.

    :raises BadSettings: it is several.
    """
    if text and (len(words_of(text)) > 1 or text == ALL):
        raise BadSettings(f"--colour is {text!r}; allowed here: one of {WORDS}")
    return text


def colour_of(container: Container, settings: Settings) -> str | None:
    """Blue or green; None for a container that is no colour's."""
    name = _short(container, settings)
    return name if name in COLOURS else None


def _short(container: Container, settings: Settings) -> str:
    for colour in COLOURS:
        if container.name == settings.app.container_of(colour):
            return colour
    if container.service == settings.compose.app:
        return COLOURS[0]
    return container.service or container.name


def _nothing(name: str, named: Iterable[str]) -> DeployError:
    return DeployError(
        f"no container of {name}",
        evidence=f"there are: {', '.join(sorted(named)) or 'none'}",
        state="nothing was changed",
        next_command="fab ps",
    )
