"""The site's own nginx configuration with its upstream in our hands, and nothing else of it.

The upstreams that name the app become one block between two marker lines; everything around it
stays byte for byte. Where the configuration lies in a mounted folder, the block is a file of its
own and only an include of it stands between the markers. Pure: text in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import DeployError
from .nginx_text import Directive, Word, directives
from .templates import render

BEGIN = "# >>> deploy: rendered at each switch; edit outside of these two lines"
END = "# <<< deploy"
_BLOCK = re.compile(rf"{re.escape(BEGIN)}\n(?P<content>.*?){re.escape(END)}\n", re.DOTALL)
_ADDRESS = re.compile(r"(?P<scheme>https?://)?(?P<host>[\w.-]+)(?P<port>:\d+)?(?P<rest>[/?].*)?")


@dataclass(frozen=True)
class Upstream:
    """One group of servers of the site's own.

    :param name: as `proxy_pass` names it.
    :param parameters: of the app's `server` line, such as `max_fails=3`.
    :param others: its other directives, as they stand.
    """

    name: str
    parameters: str = ""
    others: tuple[str, ...] = ()


class NoUpstream(DeployError):
    """Nothing in a configuration sends visitors to the app."""


def hands_on(
    text: str,
    hosts: Collection[str],
    *,
    colour: str,
    release: str,
    container: str,
    port: int,
    marker_port: int,
) -> str:
    """A site's configuration that sends visitors to one container.

    :param text: the configuration as it is, with our block or without.
    :param hosts: the names that the app is known by: its service, its containers.
    :param container: of the live colour, as Docker's DNS knows it.
    :param port: where the app listens inside its container.
    :param marker_port: where nginx says, inside its container, which configuration it runs.
    :raises NoUpstream: no upstream and no proxy_pass names the app.
    """
    before, upstreams, after = _taken_out(text, hosts)
    block = render(
        "nginx-upstream.conf.j2",
        {
            "colour": colour,
            "release": release,
            "container": container,
            "port": port,
            "marker_port": marker_port,
            "upstreams": upstreams,
        },
    )
    return f"{before}{BEGIN}\n{block}{END}\n{after}"


def hosts_in(text: str) -> set[str]:
    """The hosts that a configuration sends visitors to, itself or by an upstream of any name."""
    every = directives(text)
    groups = {d.arguments[0].text for d in every if d.name == "upstream" and d.arguments}
    servers = {
        _host(d.arguments[0].text)
        for d in every
        if d.name == "server" and d.arguments and d.inside[-1:] == ("upstream",)
    }
    passed = {_host(word.text) for d in every for word in _addresses(d)}
    return (servers | (passed - groups)) - {""}


def refuse_strange(text: str, hosts: Collection[str]) -> None:
    """See that the app's upstream can be taken out of a configuration.

    :raises NoUpstream: nothing in it names the app.
    :raises DeployError: its upstream has other servers too.
    """
    _taken_out(text, hosts)


def split(text: str, include: str) -> tuple[str, str]:
    """Our block as a file of its own, and the configuration that includes it.

    :param include: that file's path as nginx sees it.
    :returns: the configuration, and the file's content; empty where there is no block.
    """
    found = _BLOCK.search(text)
    if not found:
        return text, ""
    line = f"include {include};\n"
    return text[: found.start("content")] + line + text[found.end("content") :], found["content"]


def join(text: str, block: str, include: str) -> str:
    """The inverse of `split`."""
    found = _BLOCK.search(text)
    if not found or found["content"] != f"include {include};\n":
        return text
    return text[: found.start("content")] + block + text[found.end("content") :]


def _taken_out(text: str, hosts: Collection[str]) -> tuple[str, Sequence[Upstream], str]:
    """What stands before our block, the upstreams that it holds, and what stands after it."""
    block = _BLOCK.search(text)
    if block:
        inside = _upstreams(block["content"], hosts)
        if inside:
            upstreams = [upstream for _, upstream in inside]
            return text[: block.start()], upstreams, text[block.end() :]
        text = text[: block.start()] + text[block.end() :]  # somebody emptied it
    found = _upstreams(text, hosts)
    if not found:
        return _from_addresses(text, hosts)
    place = found[0][0].start
    for directive, _ in reversed(found):
        end = directive.end
        newline = text.startswith("\n", end)
        text = text[: directive.start] + text[end + newline :]
    return _at_line_start(text, place, [upstream for _, upstream in found])


def _at_line_start(
    text: str, place: int, upstreams: Sequence[Upstream]
) -> tuple[str, Sequence[Upstream], str]:
    """Split at a place whose line has nothing but spaces before it; they go with the rest."""
    before, after = text[:place], text[place:]
    line = before.rpartition("\n")[2]
    if line.strip():
        return before + "\n", upstreams, after
    return before[: len(before) - len(line)], upstreams, after


def _upstreams(text: str, hosts: Collection[str]) -> list[tuple[Directive, Upstream]]:
    """The upstream blocks of which a server is the app."""
    every = directives(text)
    found = []
    for block in every:
        if block.name != "upstream" or not block.body or not block.arguments:
            continue
        children = [d for d in every if block.body[0] <= d.start < block.body[1]]
        servers = [d for d in children if d.name == "server" and d.arguments]
        ours = [d for d in servers if _host(d.arguments[0].text) in hosts]
        if not ours:
            continue
        if len(ours) != len(servers):
            strangers = [d.arguments[0].text for d in servers if d not in ours]
            raise DeployError(
                f"upstream {block.arguments[0].text} has servers beside the app: "
                f"{', '.join(strangers)}",
                state="nothing was touched",
                next_command="give the app an upstream of its own",
            )
        parameters = " ".join(word.text for word in ours[0].arguments[1:])
        others = tuple(text[d.start : d.end] for d in children if d.name != "server")
        found.append((block, Upstream(block.arguments[0].text, parameters, others)))
    return found


def _from_addresses(text: str, hosts: Collection[str]) -> tuple[str, Sequence[Upstream], str]:
    """Where the app's address stands in the locations: the same name, as an upstream.

    `http://app:3000` becomes `http://app`; an upstream must not be named with a port.
    """
    every = directives(text)
    addresses = [word for d in every for word in _addresses(d) if _host(word.text) in hosts]
    if not addresses:
        raise NoUpstream("no upstream and no proxy_pass in it names the app")
    names = list(dict.fromkeys(_host(word.text) for word in addresses))
    for word in reversed(addresses):
        found = _ADDRESS.fullmatch(word.text)
        assert found
        plain = f"{found['scheme'] or ''}{found['host']}{found['rest'] or ''}"
        text = text[: word.start] + plain + text[word.end :]
    http = next((d for d in directives(text) if d.name == "http" and d.body), None)
    place = http.body[0] if http and http.body else 0
    if text.startswith("\n", place):
        place += 1
    return _at_line_start(text, place, [Upstream(name) for name in names])


def _addresses(directive: Directive) -> Sequence[Word]:
    """The words of a directive that may be an address."""
    if directive.name == "proxy_pass":
        return directive.arguments[:1]
    if directive.name == "set" and len(directive.arguments) == 2:
        value = directive.arguments[1]
        return [value] if ":" in value.text else []  # a bare word may be anything
    return []


def _host(address: str) -> str:
    """The host of `http://host:port/path` or `host:port`; empty for a variable or a quoted one."""
    found = _ADDRESS.fullmatch(address)
    return found["host"] if found else ""
