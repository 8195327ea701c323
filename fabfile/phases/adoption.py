"""The plain app container as the first blue: named and tagged, never restarted."""

from __future__ import annotations

from ..commands import docker
from ..server.live import Live
from ..server.releases import Releases
from ..site import Site
from .colours import ColourRun


def adopt(site: Site, live: Live) -> None:
    """Name and tag what runs, so that it is a release like any other."""
    if live.marked:
        return
    settings = site.settings.app
    image, name = f"{settings.image}:{live.release}", settings.container_of("blue")
    site.server.run(docker.tag(live.container.image_id, image))
    adopted = ColourRun(site, "blue", live.release)
    adopted.render(image, commit="", former="", ran_with=live.container)
    if live.container.name != name:
        site.log("adopting", container=live.container.name, image=image)
        site.server.run(docker.rename(live.container.name, name))
        site.console.fact(f"{live.container.name} is now {name}, release {live.release}")


def disown(site: Site, live: Live) -> None:
    """The plain container gets its own name back, and is no release of ours."""
    own, blue = live.container.name, site.settings.app.container_of("blue")
    if live.marked or own == blue:
        return
    if not site.containers.named(own):
        site.server.run(docker.rename(blue, own))
    Releases(site.server, site.settings).remove(live.release)
