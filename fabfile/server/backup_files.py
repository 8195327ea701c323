"""What a backup holds beside the database: configuration, certificates, the list of images."""

from __future__ import annotations

import posixpath

from ..settings import Settings
from .connection import Server
from .containers import Container, Containers

# $1 source, $2 target. What the user may not read is left out: the caller looks at what came.
_COPY = 'umask 077; mkdir -p -- "$(dirname -- "$2")"; cp -rL -- "$1" "$2"'
# The engine reads as root, so this also works for keys that only root may read.
_COPY_OUT = 'umask 077; mkdir -p -- "$(dirname -- "$3")"; docker cp -L "$1:$2" "$3"'
_IMAGES = 'umask 077; docker images --digests --no-trunc > "$1"'
# Folders only: beside them the dump's files come and go, 0600 as they are made.
_CLOSE = 'cd -- "$1" && chmod -R go-rwx -- */ && find ./*/ -type f -exec chmod 600 -- {} +'


def copy(server: Server, settings: Settings, containers: Containers, folder: str) -> list[str]:
    """Copy the site's files into a backup's folder, each at 0600.

    :returns: what is not there, or may not be read.
    :raises CommandFailed: the list of images could not be written.
    """
    project, compose = settings.folders.project, settings.compose
    nginx = containers.service(compose.nginx)
    wanted = [(f"{project}/{file}", f"compose/{file}") for file in compose.files]
    if compose.env_file:
        name = posixpath.basename(compose.env_file)
        wanted.append((f"{project}/{compose.env_file}", f"environment/{name}"))
    source = _source_of(nginx, settings.nginx.config)
    if source:
        around, name = posixpath.split(source)
        wanted += [(source, f"nginx/{name}"), (around, "nginx-folder")]
    missing = []
    for path, place in wanted:
        if not server.shell(_COPY, path, f"{folder}/{place}", check=False).ok:
            missing.append(path)
    for path in (settings.nginx.certificate, settings.nginx.certificate_key):
        target = f"{folder}/certificates/{posixpath.basename(path)}"
        if not server.shell(_COPY_OUT, nginx.id, path, target, check=False).ok:
            missing.append(f"{nginx.name}:{path}")
    server.shell(_IMAGES, f"{folder}/images.txt")
    server.shell(_CLOSE, folder)
    return missing


def _source_of(container: Container, path: str) -> str | None:
    """The server's file that the container sees at this path; the nearest mount decides."""
    mounts = [m for m in container.mounts if path == m.target or path.startswith(m.target + "/")]
    if not mounts:
        return None
    nearest = max(mounts, key=lambda mount: len(mount.target))
    return nearest.source + path[len(nearest.target) :]
