"""What the settings name on this machine is looked at before the server is contacted."""

from __future__ import annotations

from .commands import nginx
from .probes.tls import trust
from .server.migration_folder import read_folders
from .settings import Settings
from .telling import check as telling_check


def check(settings: Settings, *, migrations: bool = True, telling: bool = True) -> None:
    """See that certificates, template and migration are there, and are what they should be.

    Keys are looked at with the connection, and `source` by the tasks that build.

    :param migrations: whether they are to be applied. A rollback goes its way though a new one
        lies there half written.
    :param telling: hooks and webhooks too; no need of them where a task only looks.
    :raises BadSettings: the first that is not.
    """
    trust(settings.public)
    if settings.nginx.manage == "whole":
        nginx.refuse_bad_template(settings)
    if migrations:
        read_folders(settings)
    if telling:
        telling_check.check(settings)
