"""What visitors of two releases at once have met: nginx's log, of those who are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..server.connection import Server
from .timing import Timing

# $1 container, $2 since. Lines that name a visitor: release, status and the app's seconds (`-`
# where it was not asked, several where it was more than once). A visitor cannot forge one: nginx
# escapes the quotes of what comes from outside.
_COUNT = r"""
docker inspect --type container "$1" >/dev/null || exit 1
release='"release":"([^"]*)","status":([0-9]+)'
visitor='"upstream_seconds":"([^"]*)","visitor":"[^"]+"'
docker logs --since "$2" "$1" 2>/dev/null \
  | sed -nE "s/^.*$release,.*$visitor.*$/\1 \2 \3/p" | sort | uniq -c
"""
# $3 the release: its visitors, each once.
_VISITORS = r"""
docker inspect --type container "$1" >/dev/null || exit 1
docker logs --since "$2" "$1" 2>/dev/null | grep -F "\"release\":\"$3\"" \
  | sed -nE 's/^.*"visitor":"([^"]+)".*$/\1/p' | sort -u | wc -l
"""


@dataclass
class Met:
    """What visitors met of one release.

    :param seconds: what the app took for each request that was answered below 500.
    """

    requests: int = 0
    failed: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Of the requests that were answered 5xx."""
        return 100 * self.failed / self.requests if self.requests else 0.0

    @property
    def timing(self) -> Timing:
        return Timing.of(self.seconds)


def met(server: Server, container_name: str, since: str) -> Mapping[str, Met]:
    """Count nginx's log by release; only the counts travel.

    :param container_name: the nginx container's name or id.
    :param since: a time stamp, as `docker logs --since` takes it.
    :raises CommandFailed: there is no such container.
    """
    return parse(server.shell(_COUNT, container_name, since).stdout)


def visitors(server: Server, container_name: str, since: str, release: str) -> int:
    """How many visitors met a release: distinct cookies, or addresses.

    :raises CommandFailed: there is no such container.
    """
    return int(server.shell(_VISITORS, container_name, since, release).text or 0)


def parse(text: str) -> Mapping[str, Met]:
    """Read the lines of `uniq -c`; a release without any has zeros."""
    found: defaultdict[str, Met] = defaultdict(Met)
    for line in text.splitlines():
        number, release, status, *times = line.replace(",", " ").replace(":", " ").split()
        one, count = found[release], int(number)
        one.requests += count
        if int(status) >= 500:
            one.failed += count
        elif known := [float(time) for time in times if time != "-"]:
            one.seconds += [sum(known)] * count
    return found
