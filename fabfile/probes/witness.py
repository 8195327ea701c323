"""The second witness: nginx's own log of what it answered, counted on the server."""

from __future__ import annotations

from dataclasses import dataclass

from ..server.connection import Server

# $1 container, $2 since. Lines in our format, else in nginx's own (combined) and its likes, which
# name no release. A visitor cannot forge one: nginx escapes the quotes of what comes from outside.
_COUNT = r"""
docker inspect --type container "$1" >/dev/null || exit 1
docker logs --since "$2" "$1" 2>/dev/null | sed -nE \
  -e 's/^.*("colour":"[^"]*","release":"[^"]*","status":[0-9]+).*$/\1/p; t' \
  -e 's/^[^"{]*"[^"]*" ([0-9]{3}) [0-9]+.*$/"colour":"","release":"","status":\1/p' \
  | sort | uniq -c
"""


@dataclass(frozen=True)
class LogCount:
    """How many requests nginx logged for a colour, a release and a status.

    Colour and release are empty where the log's format is the site's own.
    """

    colour: str
    release: str
    status: int
    count: int


def access_log(server: Server, container_name: str, since: str) -> list[LogCount]:
    """Count nginx's access log; only the counts travel.

    :param container_name: the nginx container's name or id.
    :param since: a time stamp or an age such as `90s`, as `docker logs --since` takes it.
    :raises CommandFailed: there is no such container.
    """
    return parse(server.shell(_COUNT, container_name, since).stdout)


def parse(text: str) -> list[LogCount]:
    """Read the lines of `uniq -c`."""
    counts = []
    for line in text.splitlines():
        number, _, entry = line.strip().partition(" ")
        colour, release, status = (part.partition(":")[2] for part in entry.split(","))
        counts.append(
            LogCount(colour.strip('"'), release.strip('"'), int(status or 0), int(number))
        )
    return counts
