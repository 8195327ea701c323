"""What a site's nginx configuration says: where visitors go, under which name, with which TLS.

Pure. The files come from `nginx -T` or from the disk; includes are followed within them.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..commands.nginx_text import directives

MAIN = "/etc/nginx/nginx.conf"
# Of the official image: what stands around the files of conf.d.
OF_THE_IMAGE = "http { include /etc/nginx/conf.d/*.conf; }"

_ADDRESS = re.compile(r"(?:https?://)?(?P<host>[\w.-]+)(?::(?P<port>\d+))?(?:[/?].*)?")
_DEEPEST = 8  # includes in includes


@dataclass(frozen=True)
class Node:
    """One directive with what stands in its block; includes are replaced by what they name.

    :param file: path of its file, as nginx's container sees it.
    """

    name: str
    arguments: tuple[str, ...]
    file: str
    children: list[Node] = field(default_factory=list)

    def walk(self, *names: str) -> Iterator[Node]:
        """Every directive below of these names, at any depth."""
        for child in self.children:
            if child.name in names:
                yield child
            yield from child.walk(*names)


@dataclass(frozen=True)
class Target:
    """One place that visitors are sent to.

    :param file: the file in which the host stands: an upstream's, or the location's own.
    :param server: the server block that sends them.
    """

    host: str
    port: int
    file: str
    server: Node
    location: str


def split_dump(text: str) -> dict[str, str]:
    """The files by path in what `nginx -T` prints, the main one first."""
    parts = re.split(r"^# configuration file (\S+):$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def tree(files: Mapping[str, str]) -> Node:
    """All of a configuration as one tree.

    :param files: by path inside the container, the main one first.
    """
    main = next(iter(files), MAIN)
    return Node("", (), main, _nodes(files, main, posixpath.dirname(main), 0))


def _nodes(files: Mapping[str, str], path: str, base: str, depth: int) -> list[Node]:
    top: list[Node] = []
    open_blocks: list[tuple[int, Node]] = []  # where each ends
    for directive in directives(files.get(path, "")):
        while open_blocks and open_blocks[-1][0] <= directive.start:
            open_blocks.pop()
        siblings = open_blocks[-1][1].children if open_blocks else top
        arguments = tuple(word.text.strip("\"'") for word in directive.arguments)
        if directive.name == "include" and arguments and depth < _DEEPEST:
            pattern = posixpath.join(base, arguments[0])
            for found in fnmatch.filter(files, pattern):
                siblings += _nodes(files, found, base, depth + 1)
            continue
        node = Node(directive.name, arguments, path)
        siblings.append(node)
        if directive.body:
            open_blocks.append((directive.end, node))
    return top


def targets(root: Node) -> list[Target]:
    """Where visitors are sent, what `location /` of a server with TLS does first."""
    upstreams = {
        node.arguments[0]: node
        for node in root.walk("upstream")
        if node.arguments and node.children
    }
    found = []
    for server in root.walk("server"):
        variables = {
            node.arguments[0]: node.arguments[1]
            for node in server.walk("set")
            if len(node.arguments) == 2
        }
        for location, node in _proxied(server, ""):
            found += list(_resolved(node, server, location, upstreams, variables))
    return sorted(found, key=lambda t: (not has_tls(t.server), t.location != "/"))


def _proxied(node: Node, location: str) -> Iterator[tuple[str, Node]]:
    for child in node.children:
        if child.name == "proxy_pass" and child.arguments:
            yield location, child
        inner = child.arguments[-1] if child.name == "location" and child.arguments else location
        yield from _proxied(child, inner)


def _resolved(
    node: Node,
    server: Node,
    location: str,
    upstreams: Mapping[str, Node],
    variables: Mapping[str, str],
) -> Iterator[Target]:
    address = re.sub(r"\$\w+", lambda name: variables.get(name[0], name[0]), node.arguments[0])
    match = _ADDRESS.fullmatch(address)
    if not match:
        return
    upstream = upstreams.get(match["host"])
    if upstream is None:
        yield Target(match["host"], int(match["port"] or 80), node.file, server, location)
        return
    for entry in upstream.walk("server"):
        inner = _ADDRESS.fullmatch(entry.arguments[0]) if entry.arguments else None
        if inner:
            port = int(inner["port"] or 80)
            yield Target(inner["host"], port, entry.file, server, location)


def has_tls(server: Node) -> bool:
    """Whether a server block listens with TLS."""
    return any("ssl" in node.arguments for node in server.walk("listen"))


def domain(server: Node) -> str:
    """A server's first name that is a real one; empty where it has none."""
    for node in server.walk("server_name"):
        for name in node.arguments:
            if re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9-]*(\.[a-zA-Z0-9-]+)+", name):
                return name
    return ""


def first(server: Node, name: str) -> str:
    """The first argument of a directive in a server block; empty where it has none."""
    return next((node.arguments[0] for node in server.walk(name) if node.arguments), "")


def headers(root: Node) -> set[str]:
    """The names of all headers that the configuration adds."""
    return {node.arguments[0] for node in root.walk("add_header") if node.arguments}
