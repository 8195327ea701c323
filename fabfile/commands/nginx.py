"""What nginx is given: its configuration for one live colour. Pure: nothing is run here."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from ..errors import WrongSetting
from ..settings import COLOURS, Settings
from .nginx_sides import Canary, Sides, for_template
from .nginx_upstream import hands_on
from .templates import BadTemplate, render

KEEPALIVE_MIN_TIMEOUT_SINCE = (1, 27, 4)
HTTP2_DIRECTIVE_SINCE = (1, 25, 1)
_NEWEST, _STAMP = (99,), "20000101-000000"  # for a look at the template alone

_OF_THE_IMAGE = re.compile(r"^(?:user|pid|load_module)\s[^;{}\n]*;", re.MULTILINE)

Version = tuple[int, ...]


def parse_version(text: str) -> Version:
    """The version in what `nginx -v` prints; (0,) where there is none."""
    found = re.search(r"nginx/(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else (0,)


def parse_marker(config: str) -> tuple[str, str]:
    """Colour and release of a configuration that we rendered; empty for any other."""
    found = re.search(r"^# deploy: colour=(blue|green) release=(\S+)", config, re.MULTILINE)
    return (found[1], found[2]) if found else ("", "")


def carried_over(config: str) -> list[str]:
    """The directives of a configuration that belong to its image, not to the site.

    The next configuration repeats them: another `pid` would leave `nginx -s reload` without its
    master, another `user` without its temporary folders, and modules must be loaded first.
    """
    return [line.strip() for line in _OF_THE_IMAGE.findall(config)]


def names_of_the_app(settings: Settings) -> set[str]:
    """What a configuration may call the app: its service and its containers."""
    app = settings.app
    return {settings.compose.app, app.container, *(app.container_of(c) for c in COLOURS)}


def configuration(
    settings: Settings,
    *,
    colour: str,
    release: str,
    container: str,
    version: Version,
    former: str,
    known_as: Collection[str] = (),
    sides: Sides | None = None,
) -> str:
    """The whole configuration file that sends visitors to one container.

    :param container: name of the live colour's container, as Docker's DNS knows it.
    :param version: of the nginx that will read it; decides which directives it knows.
    :param former: the configuration that it replaces.
    :param known_as: further names of the app's containers.
    :param sides: the idle release beside it, for some visitors or for who has the key.
    :raises NoUpstream: the site's own configuration is to be kept, and nothing in it names the app.
    :raises BadSettings: the template is not there, or is none.
    """
    if settings.nginx.manage == "upstream":
        return hands_on(
            former,
            {*names_of_the_app(settings), *known_as},
            colour=colour,
            release=release,
            container=container,
            port=settings.app.port,
            marker_port=settings.nginx.marker_port,
        )
    template = settings.nginx.template
    live = {"colour": colour, "release": release, "container": container}
    values = _values(settings, version) | for_template(settings, sides, **live)
    try:
        text = render(template, values | live | {"carried_over": carried_over(former)})
    except BadTemplate as error:
        allowed = "a file of templates/, or a path with a / in it"
        raise WrongSetting("nginx.template", template, allowed, found=str(error)) from None
    if sides and not (values["sides"] in text and f"http://{values['side']['to']}" in text):
        allowed = "a template that has {{ sides }} and {{ side.to }}, as the shipped one"
        found = "it knows no canary and no preview"
        raise WrongSetting("nginx.template", template, allowed, found=found)
    return text


def refuse_bad_template(settings: Settings, share: int = 0) -> None:
    """Render it once, with every part of it.

    :param share: of a canary; 0: none.
    :raises BadSettings: the template is not there, or is none, or cannot do what is asked.
    """
    idle = settings.app.container_of("green")
    canary = Canary("green", _STAMP, share) if share else None
    wanted = canary or settings.nginx.preview.enabled
    configuration(
        settings,
        colour="blue",
        release=_STAMP,
        container=settings.app.container_of("blue"),
        version=_NEWEST,
        former="",
        sides=Sides("green", idle, "0" * 32, canary) if wanted else None,
    )


def _values(settings: Settings, version: Version) -> dict[str, Any]:
    """What the settings and this nginx give to the template."""
    nginx, health_path = settings.nginx, settings.app.health_path
    limits = [
        {
            "path": limit.path,
            # A zone's rate cannot be told apart by a reload unless its name says it.
            "zone": f"limit_{number}_{limit.requests_per_second}",
            "requests_per_second": limit.requests_per_second,
            "burst": limit.burst,
        }
        for number, limit in enumerate(nginx.rate_limits)
    ]
    return {
        "template": nginx.template,
        "container_prefix": settings.app.container,
        "port": settings.app.port,
        "domain": settings.public.domain,
        "health_path": health_path,
        "health_path_pattern": re.escape(health_path),
        "certificate": nginx.certificate,
        "certificate_key": nginx.certificate_key,
        "max_body": nginx.max_body,
        "worker_shutdown_timeout": nginx.worker_shutdown_timeout,
        "keepalive_min_timeout": (
            nginx.keepalive_min_timeout if version >= KEEPALIVE_MIN_TIMEOUT_SINCE else 0
        ),
        "http2_directive": version >= HTTP2_DIRECTIVE_SINCE,
        "limit_exempt": nginx.limit_exempt,
        "rate_limits": limits,
        "root_limit": next((limit for limit in limits if limit["path"] == "/"), None),
    }
