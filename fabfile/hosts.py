"""Which servers a command is for: hosts, groups and addresses, as the settings know them.

Pure: nothing is contacted here, so whatever is wrong is said before anything is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .errors import BadSettings
from .nearest import nearest
from .settings import Settings

_ADDRESS = re.compile(r"[@.:]")  # what no name of a host or a group has


def choose(words: Iterable[str], settings: Settings) -> list[str]:
    """The servers that words stand for, in their order, each once.

    :param words: names of hosts, names of groups, addresses; none: `ssh.host`.
    :returns: names of hosts, and addresses that are no host's.
    :raises BadSettings: an unknown name, or nothing is chosen.
    """
    wanted = [word.strip() for word in words if word.strip()] or [settings.ssh.host]
    if wanted == [""]:
        raise _nothing_chosen(settings)
    return list(dict.fromkeys(server for word in wanted for server in _meant(word, settings)))


def refuse_shared(servers: Mapping[str, Settings]) -> None:
    """See that each server is asked at a public address of its own, and is reached by its own.

    What is live is read there: of two servers behind one address, nobody could say which answered.

    :param servers: the merged settings, by the server's name.
    :raises BadSettings: two of them would be taken for one another.
    """
    seen: dict[tuple[str, str], str] = {}
    for name, settings in servers.items():
        public, ssh = settings.public, settings.ssh
        for setting, value in (
            ("public.connect", f"https://{public.domain} at {public.connect or 'its own address'}"),
            ("ssh.host", f"{settings.folders.project} on {ssh.host}"),
        ):
            other = seen.setdefault((setting, value), name)
            if other != name:
                raise BadSettings(
                    f"{other} and {name} are both {value}: each server needs its own",
                    next_command=f"set site.hosts.NAME.{setting} for each of them",
                )


def _meant(word: str, settings: Settings) -> tuple[str, ...]:
    if word in settings.groups:
        return settings.groups[word]
    if word in settings.hosts:
        return (word,)
    named = [name for name, own in settings.hosts.items() if _host_of(own) == word]
    if len(named) > 1:
        raise BadSettings(f"{word} is the address of {' and '.join(named)}; allowed: a name")
    if not named and settings.hosts and not _ADDRESS.search(word):
        known = sorted([*settings.hosts, *settings.groups])
        end = nearest(word, known) or f"; allowed: {', '.join(known)}"
        raise BadSettings(
            f"{word}: no such host or group{end}",
            next_command=f"{_known(settings)}; an address is written user@host",
        )
    return tuple(named) or (word,)


def _host_of(own: Mapping[str, object]) -> object:
    ssh = own.get("ssh")
    return ssh.get("host") if isinstance(ssh, Mapping) else None


def _nothing_chosen(settings: Settings) -> BadSettings:
    if not settings.hosts:
        return BadSettings(
            "no server is named: ssh.host is empty",
            next_command="fab -H user@host …, or set ssh.host: user@host:port",
        )
    return BadSettings(
        f"no server is chosen: {_known(settings)}",
        next_command="name them: fab -H NAME,… or --on NAME,… on any task",
    )


def _known(settings: Settings) -> str:
    groups = f"; groups: {', '.join(settings.groups)}" if settings.groups else ""
    return f"hosts: {', '.join(settings.hosts)}{groups}"
