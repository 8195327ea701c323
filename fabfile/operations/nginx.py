"""nginx's configuration: where it lies, what of it is ours, and what a switch would change."""

from __future__ import annotations

import difflib

from ..commands.nginx import configuration
from ..commands.nginx_sides import Sides
from ..documents.nginx import Nginx, NginxDiff
from ..errors import DeployError, Interrupted, ServerUnreachable
from ..server.live import Live
from ..server.side_key import HIDDEN, known_side_key, without_key
from ..site import Site

_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_MANAGED = {
    "upstream": "only the app's upstream is ours; the rest of the site's own file stays as it is",
    "whole": "all of it is rendered from templates/",
}


def show(site: Site, *, as_document: bool = False) -> None:
    """Print where the configuration lies, how it is mounted and what of it is ours.

    :raises DeployError: the configuration is not one that can be switched.
    """
    refusal = _refusal(site)
    found = _read(site, refusal)
    if as_document:
        found.show()
    else:
        _print(site, found)
    if refusal:
        raise refusal


def _refusal(site: Site) -> DeployError | None:
    """Why the configuration cannot be switched; None where it can."""
    try:
        site.nginx.refuse_unswitchable()
    except (Interrupted, ServerUnreachable):
        raise
    except DeployError as error:
        return error
    return None


def _read(site: Site, refusal: DeployError | None) -> Nginx:
    nginx, live = site.nginx, site.live.read()
    file = nginx.config_file()
    return Nginx(
        version=".".join(map(str, nginx.version)),
        container=nginx.container.name,
        file=file.inside,
        host_path=file.host_path,
        single_file=file.single_file,
        manage=site.settings.nginx.manage,
        sends_to=live.container.name,
        colour=live.colour,
        release=live.release,
        problem=refusal.reason if refusal else None,
    )


def _print(site: Site, found: Nginx) -> None:
    mounted = "a single file" if found.single_file else "in a mounted folder"
    for name, value in (
        ("nginx", f"{found.version}, {found.container}"),
        ("file", f"{found.file}, mounted as {mounted}: {found.host_path}"),
        ("managed", f"{found.manage}: {_MANAGED[found.manage]}"),
        ("sends to", f"{found.sends_to}, {found.colour} {found.release}"),
    ):
        site.console.line(f"{name + ':':<10}{value}")


def diff(site: Site, *, as_document: bool = False) -> None:
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
        sides=_idle(site, live) if site.settings.nginx.preview.enabled else None,
    )
    state = site.settings.folders.state
    old, new = (without_key(site.server, state, text) for text in (old, new))
    path = site.nginx.config_file().host_path
    lines = list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), path, "as a switch would write it", lineterm=""
        )
    )
    if as_document:
        NginxDiff(host_path=path, diff=lines).show()
        return
    for line in lines:
        site.console.line(line, style=_STYLES.get(line[:1]))
    if not lines:
        site.console.line(f"{path}: nothing would change")


def preview(site: Site) -> None:
    """Print how the idle release is seen before anybody else sees it, with the key.

    :raises DeployError: it is off, or no switch has put it into nginx's configuration yet.
    """
    options, url = site.settings.nginx.preview, site.settings.public.url
    if not options.enabled:
        raise DeployError(
            "there is no preview: nginx.preview.enabled is false",
            state="nothing was touched",
            next_command="set nginx.preview.enabled and hold_seconds; then deploy",
        )
    key = known_side_key(site.server, site.settings.folders.state)
    if not key or key not in site.nginx.read():
        raise DeployError(
            "nginx's configuration has no preview yet: the next switch puts it there",
            state="nothing was touched",
            next_command="fab deploy",
        )
    idle = site.live.read().idle
    container = site.containers.named(site.settings.app.container_of(idle))
    cookie = f"{options.cookie}={key}; path=/; secure"
    for name, value in (
        ("idle", f"{idle}, {container.status if container else 'not there'}"),
        ("header", f'curl -H "{options.header}: {key}" {url}/'),
        ("cookie", f"in the browser's console, on {url}: document.cookie = '{cookie}'"),
        ("paths", "/blue/ and /green/ with either; links that begin with / leave them"),
    ):
        site.console.line(f"{name + ':':<10}{value}")


def _idle(site: Site, live: Live) -> Sides:
    return Sides(live.idle, site.settings.app.container_of(live.idle), HIDDEN)
