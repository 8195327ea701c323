"""The lab's own images, built on this machine's engine."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.bases import ensure_base, write_host_apt
from lab.engine import docker
from lab.flavours import Flavour
from lab.places import LAB, STATE

CONTEXT_LABEL = "lab.context"


@dataclass(frozen=True)
class Image:
    """An image: its tag, the folder under lab/docker, and the base and arguments it starts from.

    ``alias`` is what it is called on the server, where only one flavour of it lives.
    """

    tag: str
    folder: str
    base: str
    arguments: tuple[tuple[str, str], ...] = ()
    alias: str = ""

    @property
    def context(self) -> Path:
        """The folder that holds the Dockerfile."""
        return LAB / "docker" / self.folder

    @property
    def fingerprint(self) -> str:
        """Changes whenever something that goes into the image does."""
        digest = hashlib.sha256(repr((self.base, self.arguments)).encode())
        for path in sorted(self.context.iterdir()):
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]


def server_image(flavour: Flavour) -> Image:
    """The server: sshd, a Docker engine and Compose; a bare one without these two."""
    packages = (("PACKAGES", " ".join(flavour.packages)),)
    return Image(flavour.server_image, "server", flavour.base, packages)


def site_images(flavour: Flavour) -> tuple[Image, ...]:
    """What the site runs on; PostgreSQL 15 is bookworm's, whatever the server is."""
    return (
        Image(
            tag=f"lab-nginx:{flavour.nginx}",
            folder="nginx",
            base=flavour.base,
            arguments=(("NGINX_FROM", flavour.nginx),),
            alias="lab-nginx:latest",
        ),
        Image(
            tag="lab-postgres:15",
            folder="postgres",
            base="1001stories-lab-base:bookworm",
            alias="lab-postgres:15",
        ),
        Image(
            tag=f"lab-python:{flavour.release}",
            folder="python",
            base=flavour.base,
            alias="lab-python:latest",
        ),
    )


def ensure_images(flavour: Flavour) -> Iterator[str]:
    """Make every image exist, one after another, and yield a line for each that was made."""
    images = (server_image(flavour), *site_images(flavour))
    for release in dict.fromkeys(image.base.partition(":")[2] for image in images):
        if ensure_base(release):
            yield f"made the base image for {release}"
    for image in images:
        if _built_from(image.tag) != image.fingerprint:
            build(image)
            yield f"built {image.tag}"


def _built_from(tag: str) -> str:
    template = f'{{{{index .Config.Labels "{CONTEXT_LABEL}"}}}}'
    return docker("image", "inspect", "--format", template, tag, check=False).stdout.strip()


def build(image: Image) -> None:
    """Build one image; apt inside reaches the archive the way this machine does."""
    STATE.mkdir(exist_ok=True)
    arguments = [("BASE", image.base), *image.arguments]
    with tempfile.TemporaryDirectory(prefix="build-", dir=STATE) as folder:
        context = Path(folder, "context")
        shutil.copytree(image.context, context)
        write_host_apt(context)
        docker(
            "build",
            "--network=host",
            "--quiet",
            f"--tag={image.tag}",
            f"--label={CONTEXT_LABEL}={image.fingerprint}",
            *(f"--build-arg={name}={value}" for name, value in arguments),
            str(context),
            timeout=900,
        )
    _remove_replaced()


def _remove_replaced() -> None:
    """Remove images of ours that a newer build has taken the tag from."""
    docker("image", "prune", "--force", f"--filter=label={CONTEXT_LABEL}", timeout=120)


def remove_images() -> None:
    """Remove every image of the lab from this machine's engine."""
    listing = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    ours = [name for name in listing if name.startswith(("lab-", "1001stories-lab-"))]
    if ours:
        docker("image", "rm", "--force", *ours, timeout=120)
    _remove_replaced()
