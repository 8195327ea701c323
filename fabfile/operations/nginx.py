"""nginx's configuration: where it lies, what of it is ours, and what a switch would change."""

from __future__ import annotations

import difflib

from ..commands.nginx import configuration
from ..site import Site

_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_MANAGED = {
    "upstream": "only the app's upstream is ours; the rest of the site's own file stays as it is",
    "whole": "all of it is rendered from templates/",
}


def show(site: Site) -> None:
    """Print where the configuration lies, how it is mounted and what of it is ours."""
    nginx, manage = site.nginx, site.settings.nginx.manage
    file = nginx.config_file()
    mounted = "a single file" if file.single_file else "in a mounted folder"
    live = site.live.read()
    for name, value in (
        ("nginx", f"{'.'.join(map(str, nginx.version))}, {nginx.container.name}"),
        ("file", f"{file.inside}, mounted as {mounted}: {file.host_path}"),
        ("managed", f"{manage}: {_MANAGED[manage]}"),
        ("sends to", f"{live.container.name}, {live.colour} {live.release}"),
    ):
        site.console.line(f"{name + ':':<10}{value}")
    nginx.refuse_unswitchable()


def diff(site: Site) -> None:
    """Print what a switch to the release that is live would change in the configuration.

    :raises DeployError: the configuration is not one that can be switched.
    """
    site.nginx.refuse_unswitchable()
    live, old = site.live.read(), site.nginx.read()
    new = configuration(
        site.settings,
        colour=live.colour,
        release=live.release,
        container=site.settings.app.container_of(live.colour),
        version=site.nginx.version,
        former=old,
        known_as=[live.container.name],
    )
    path = site.nginx.config_file().host_path
    lines = list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), path, "as a switch would write it", lineterm=""
        )
    )
    for line in lines:
        site.console.line(line, style=_STYLES.get(line[:1]))
    if not lines:
        site.console.line(f"{path}: nothing would change")
