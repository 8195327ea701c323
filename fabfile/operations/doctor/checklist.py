"""The doctor's checklist, in the guide's order: name, why it matters, who looks, what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ...settings import COLOURS, Settings
from . import backup, code, migrations, server, site
from .check import Finding, Patient, Question

Row = tuple[str, str, Callable[[Patient], Finding], Sequence[str]]

SIGNED_IN = ("sign-in",)
ENGINE = ("docker rights",)

ACCESS: Sequence[Row] = (
    ("connection", "every task works over one SSH session", server.connection, ()),
    (
        "host key",
        "an unknown or changed key may be another machine's",
        server.host_key,
        ("connection",),
    ),
    ("sign-in", "tasks sign in by key, never by password", server.sign_in, ("host key",)),
    (
        "forwarding",
        "the database, an idle colour and the site's own side are asked through the session; "
        "without it by slower ways",
        server.forwarding,
        SIGNED_IN,
    ),
)
DOCKER: Sequence[Row] = (
    ("Docker", "the site and its releases are containers", server.docker_version, SIGNED_IN),
    (
        "docker rights",
        "tasks speak to the engine as the user who signs in: by the docker group, or as root",
        server.docker_rights,
        ("Docker",),
    ),
    ("Compose", "a release's container is made by it", server.compose_version, SIGNED_IN),
)
MACHINE: Sequence[Row] = (
    (
        "disk",
        "a build and a backup on a full disk fail half way, and the database stops",
        server.disk,
        SIGNED_IN,
    ),
    ("memory", "both colours run at once during a deploy", server.memory, SIGNED_IN),
    (
        "clock",
        "releases are named and ordered by this machine's clock, logs are read by the server's",
        server.clock,
        SIGNED_IN,
    ),
    *(
        (
            f"port of {colour}",
            "the new colour listens there; taken, its container does not start",
            partial(server.port, colour=colour),
            SIGNED_IN,
        )
        for colour in COLOURS
    ),
    ("project folder", "the compose files lie there", server.project_folder, SIGNED_IN),
    (
        "state folder",
        "lock, ledger and releases lie there; environments with secrets among them",
        server.state_folder,
        SIGNED_IN,
    ),
)
SITE: Sequence[Row] = (
    (
        "compose file",
        "a release is made from the app's service in it",
        site.compose_file,
        ("Compose", "project folder"),
    ),
    ("containers", "the site is found by its containers' labels", site.containers, ENGINE),
    (
        "made from",
        "a release has nothing of a compose file that the settings do not name",
        site.made_from,
        ("containers",),
    ),
    (
        "app container",
        "it goes on serving visitors until the new release is proved",
        site.app_container,
        ("containers",),
    ),
    (
        "nginx container",
        "it moves visitors from one colour to the other",
        site.nginx_container,
        ("containers",),
    ),
    (
        "nginx configuration",
        "nginx reloads nothing while its configuration is not valid",
        site.nginx_configuration,
        ("nginx container",),
    ),
    (
        "upstream",
        "a switch is a change of the name that nginx sends visitors to",
        site.upstream,
        ("nginx configuration",),
    ),
    (
        "nginx file",
        "the switch writes the configuration on the server, where the container sees it",
        site.nginx_file,
        ("nginx container",),
    ),
    (
        "certificate files",
        "the configuration for blue and green names them",
        site.certificate_files,
        ("nginx container",),
    ),
    ("certificate: days left", "visitors' browsers refuse an old one", site.certificate_days, ()),
    (
        "certificate: chain",
        "browsers and our own probes trust only a whole chain",
        site.certificate_chain,
        ("certificate: days left",),
    ),
    (
        "certificate: name",
        "it must be the domain's own",
        site.certificate_name,
        ("certificate: days left",),
    ),
)
CODE_HERE: Sequence[Row] = (("source", "what is to be deployed must be there", code.source, ()),)
CODE_IN_GIT: Sequence[Row] = (
    *CODE_HERE,
    (
        "uncommitted changes",
        "the commit is sent, not what lies in the folder",
        code.uncommitted,
        ("source",),
    ),
)
CODE_ON_SERVER: Sequence[Row] = (
    (
        "source",
        "what is to be deployed must be there",
        code.source_on_server,
        ("project folder",),
    ),
)
BACKUP: Sequence[Row] = (
    (
        "database container",
        "the migration and every backup ask it",
        site.database_container,
        ("containers",),
    ),
    (
        "database",
        "it is backed up before anything changes",
        backup.database,
        ("database container",),
    ),
    (
        "database rights",
        "a restore goes into a new database beside the live one",
        backup.database_rights,
        ("database",),
    ),
    (
        "table owner",
        "only an owner may alter a table or a type",
        backup.table_owner,
        ("database",),
    ),
    (
        "backup folder",
        "no irreversible step is made without a verified backup",
        server.backup_folder,
        SIGNED_IN,
    ),
    (
        "room for a backup",
        "a dump that fills the disk stops the database",
        backup.backup_room,
        ("backup folder", "database"),
    ),
)
MIGRATIONS: Sequence[Row] = (
    (
        "migration files",
        "one that is half written stops the next deploy, not a rollback",
        migrations.files,
        (),
    ),
    (
        "migrations applied",
        "a file that was changed is refused, and a stage that did not end waits for the next run",
        migrations.applied,
        ("database",),
    ),
)


def questions(settings: Settings) -> list[Question]:
    """Every check of a site, grouped as the guide's checklist is."""
    kinds = {"git": CODE_IN_GIT, "server": CODE_ON_SERVER}
    groups = {
        "Infrastructure: access": ACCESS,
        "Infrastructure: Docker": DOCKER,
        "Infrastructure: server": MACHINE,
        "Infrastructure: site": SITE,
        "Code": kinds.get(settings.source.kind, CODE_HERE),
        "Backup": BACKUP,
        "Migrations": MIGRATIONS,
    }
    return [Question(group, *row) for group, rows in groups.items() for row in rows]
