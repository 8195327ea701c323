"""What nginx is given: its configuration for one live colour. Pure: nothing is run here."""

from __future__ import annotations

import re

from ..settings import Settings
from .templates import render

KEEPALIVE_MIN_TIMEOUT_SINCE = (1, 27, 4)
HTTP2_DIRECTIVE_SINCE = (1, 25, 1)

_OF_THE_IMAGE = re.compile(r"^(?:user|pid|load_module)\s[^;{}\n]*;", re.MULTILINE)

# `upstream NAME {`, `server HOST:PORT …;` and `proxy_pass SCHEME://TARGET;`, not commented out.
_GROUP = re.compile(r"^[^#\n]*\bupstream\s+(\S+)\s*\{", re.MULTILINE)
_SERVER = re.compile(r"^[^#\n]*\bserver\s+([^\s;{]+)[^;{\n]*;", re.MULTILINE)
_PASS = re.compile(r"^[^#\n]*\bproxy_pass\s+([^\s;]+)\s*;", re.MULTILINE)

Version = tuple[int, ...]


def parse_version(text: str) -> Version:
    """The version in what `nginx -v` prints; (0,) where there is none."""
    found = re.search(r"nginx/(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else (0,)


def parse_marker(config: str) -> tuple[str, str]:
    """Colour and release of a configuration that we rendered; empty for any other."""
    found = re.match(r"# deploy: colour=(blue|green) release=(\S+)", config)
    return (found[1], found[2]) if found else ("", "")


def carried_over(config: str) -> list[str]:
    """The directives of a configuration that belong to its image, not to the site.

    The next configuration repeats them: another `pid` would leave `nginx -s reload` without its
    master, another `user` without its temporary folders, and modules must be loaded first.
    """
    return [line.strip() for line in _OF_THE_IMAGE.findall(config)]


def upstream_hosts(config: str) -> set[str]:
    """The hosts that a configuration sends visitors to, itself or by an upstream of any name."""
    groups = set(_GROUP.findall(config))
    servers = {_host(server) for server in _SERVER.findall(config)}
    passes = {_host(target) for target in _PASS.findall(config)}
    return servers | {host for host in passes - groups if "$" not in host}


def _host(target: str) -> str:
    return re.split(r"[:/]", re.sub(r"^\w+://", "", target), maxsplit=1)[0]


def configuration(
    settings: Settings, *, colour: str, release: str, container: str, version: Version, former: str
) -> str:
    """The whole nginx.conf that sends visitors to one container.

    :param container: name of the live colour's container, as Docker's DNS knows it.
    :param version: of the nginx that will read it; decides which directives it knows.
    :param former: the configuration that it replaces.
    """
    nginx, health_path = settings.nginx, settings.app.health_path
    return render(
        nginx.template,
        {
            "template": nginx.template,
            "carried_over": carried_over(former),
            "colour": colour,
            "release": release,
            "container": container,
            "container_prefix": settings.app.container,
            "port": settings.app.port,
            "domain": settings.public.domain,
            "health_path": health_path,
            "health_path_pattern": re.escape(health_path),
            "certificate": nginx.certificate,
            "certificate_key": nginx.certificate_key,
            "max_body": nginx.max_body,
            "worker_shutdown_timeout": f"{nginx.worker_shutdown_timeout:g}",
            "keepalive_min_timeout": (
                f"{nginx.keepalive_min_timeout:g}" if version >= KEEPALIVE_MIN_TIMEOUT_SINCE else ""
            ),
            "http2_directive": version >= HTTP2_DIRECTIVE_SINCE,
            "limit_exempt": nginx.limit_exempt,
            # A zone's rate cannot be told apart by a reload unless its name says it.
            "rate_limits": [
                {
                    "path": limit.path,
                    "zone": f"limit_{number}_{limit.requests_per_second}",
                    "requests_per_second": limit.requests_per_second,
                    "burst": limit.burst,
                }
                for number, limit in enumerate(nginx.rate_limits)
            ],
            "limits_root": any(limit.path == "/" for limit in nginx.rate_limits),
        },
    )
