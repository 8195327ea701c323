"""What the settings name on this machine is looked at before the server is contacted."""

from __future__ import annotations

from .commands import nginx
from .probes.tls import trust
from .server.migration_folder import read_folders
from .settings import Settings

NEWEST_NGINX = (99,)  # so that every part of the template is looked at


def check(settings: Settings, *, migrations: bool = True) -> None:
    """See that certificates, template and migration are there, and are what they should be.

    Keys are looked at with the connection, and `source` by the tasks that build.

    :param migrations: whether they are to be applied. A rollback goes its way though a new one
        lies there half written.
    :raises BadSettings: the first that is not.
    """
    trust(settings.public)
    if settings.nginx.manage == "whole":
        nginx.configuration(
            settings,
            colour="blue",
            release="20000101-000000",
            container=settings.app.container_of("blue"),
            version=NEWEST_NGINX,
            former="",
        )
    if migrations:
        read_folders(settings)
