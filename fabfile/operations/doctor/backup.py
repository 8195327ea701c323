"""The doctor's checks of the way back: the database, its user's rights, room for a backup."""

from __future__ import annotations

from ...server.database_rights import read_rights
from ...server.machine import read_machine
from .check import Finding, Patient, failing, warning, well

LEAST_POSTGRES = 12  # ADD VALUE inside a transaction


def database(patient: Patient) -> Finding:
    version = patient.site.database.version()
    found = f"PostgreSQL {version}, database {patient.site.database.name}"
    if int(version.partition(".")[0]) < LEAST_POSTGRES:
        return warning(f"{found}; tried with 15", f"PostgreSQL {LEAST_POSTGRES} or newer")
    return well(found)


def database_rights(patient: Patient) -> Finding:
    rights = read_rights(patient.site.database)
    container = patient.site.database.container.name
    if not rights.creates:
        return failing(
            f"{rights.user} may not create databases",
            f'as a superuser in {container}: ALTER ROLE "{rights.user}" CREATEDB',
        )
    how = "superuser" if rights.superuser else "CREATEDB"
    return well(f"{rights.user} may create databases ({how})")


def table_owner(patient: Patient) -> Finding:
    rights = read_rights(patient.site.database)
    if rights.not_owned:
        names = ", ".join(rights.not_owned[:5])
        more = f" and {len(rights.not_owned) - 5} more" if len(rights.not_owned) > 5 else ""
        return failing(
            f"{rights.user} does not own {names}{more}",
            f'as a superuser: ALTER TABLE … OWNER TO "{rights.user}" (ALTER TYPE for a type)',
        )
    return well(f"{rights.user} owns every table and type")


def backup_room(patient: Patient) -> Finding:
    folder = patient.settings.folders.backups
    [disk] = read_machine(patient.server, folder).disks
    needed, why = patient.site.backups.room()
    found = (
        f"{disk.free / 10**9:.1f} GB free on {disk.mount}; a backup needs {needed / 10**9:.1f} GB"
    )
    if disk.free < needed:
        return failing(
            f"{found}: {why}", f"on the server: du -sh {folder}/*; or move folders.backups"
        )
    return well(found)
