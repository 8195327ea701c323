"""The doctor's checks of the connection, of Docker and of the server itself."""

from __future__ import annotations

import re

from ...commands import docker
from ...errors import HostKeyRefused, SignInRefused
from ...server.compose import find_compose
from ...server.folders import read_folder
from ...server.forwarding import ForwardingRefused
from ...server.ports import listening
from ...server.root import Root
from ...settings import Colour
from .check import Finding, Patient, failing, warning, well

GIGABYTE = 1024**3
LEAST_DOCKER, LEAST_COMPOSE = (20, 10), (1, 29)  # what the lab's older server has
MEMORY_LEFT = 10  # percent
SKEW_WARNS, SKEW_FAILS = 5.0, 60.0  # seconds
DISCARD = 9  # a port of the server where nobody listens: to see who refuses


# -- access ------------------------------------------------------------------------------------


def connection(patient: Patient) -> Finding:
    error = patient.refusal
    if error is None or isinstance(error, (HostKeyRefused, SignInRefused)):
        return well(f"{patient.server} answers")
    mend = error.next_command or "check ssh.host (or -H), the server's firewall and that it runs"
    return failing(error.reason, mend)


def host_key(patient: Patient) -> Finding:
    error = patient.refusal
    if isinstance(error, HostKeyRefused):
        return failing(error.reason, error.next_command)
    return well("the one in known_hosts")


def sign_in(patient: Patient) -> Finding:
    error = patient.refusal
    if error:
        return failing(error.reason, error.next_command)
    return well(f"signed in as {patient.server.run(['id', '-un']).text}")


def forwarding(patient: Patient) -> Finding:
    try:
        with patient.server.forward("127.0.0.1", DISCARD):
            pass
    except ForwardingRefused as error:
        if "prohibited" in error.reason.lower():
            return warning(
                error.reason,
                "on the server, in /etc/ssh/sshd_config: AllowTcpForwarding yes; then: "
                "sudo systemctl reload ssh",
            )
    return well("allowed")


# -- Docker ------------------------------------------------------------------------------------


def docker_version(patient: Patient) -> Finding:
    answer = patient.server.run(["docker", "--version"], check=False)
    if not answer.ok:
        return failing(f"no docker on {patient.server}", "fab setup installs it")
    return _new_enough(answer.text, LEAST_DOCKER)


def docker_rights(patient: Patient) -> Finding:
    server = patient.server
    user, way = server.connection.user, Root(server).way
    sudo = f"; root by {way}" if way else ""
    answer = server.run(docker.engine_version(), check=False)
    if answer.ok:
        return well(f"engine {answer.text} answers to {user}{sudo}")
    if "permission denied" in answer.stderr:
        return failing(
            f"{user} may not use the engine: not in the docker group{sudo}",
            f"fab setup; or, on the server: sudo usermod -aG docker {user}",
        )
    said = " ".join(answer.stderr.split())
    return failing(
        f"the engine does not answer: {said}", "on the server: sudo systemctl start docker"
    )


def compose_version(patient: Patient) -> Finding:
    found = find_compose(patient.server)
    return _new_enough(f"{' '.join(found.command)} {found.version}", LEAST_COMPOSE)


def _new_enough(text: str, least: tuple[int, ...]) -> Finding:
    version = re.search(r"(\d+)\.(\d+)", text)
    if version and tuple(map(int, version.groups())) >= least:
        return well(text)
    wanted = ".".join(map(str, least))
    return warning(f"{text}; tried with {wanted} and newer", "install a newer one")


# -- the machine -------------------------------------------------------------------------------


def disk(patient: Patient) -> Finding:
    limits, tightest = patient.settings.limits, patient.machine.tightest
    free, size = tightest.free / GIGABYTE, tightest.size / GIGABYTE
    found = f"{free:.1f} GB free on {tightest.mount}, full to {tightest.percent} %"
    mend = "on the server: docker system df; du -xsh /var/lib/docker " + (
        patient.settings.folders.backups
    )
    if free < limits.free_disk_gb:
        if size <= limits.free_disk_gb:  # nothing that is cleared away will ever be enough
            mend = f"it has {size:.1f} GB in all: a larger disk, or a lower limits.free_disk_gb"
        return failing(f"{found}; needed: {limits.free_disk_gb:g} GB (limits.free_disk_gb)", mend)
    if tightest.percent >= limits.disk_full_percent:
        wanted = f"under {limits.disk_full_percent} % (limits.disk_full_percent)"
        return warning(f"{found}; wanted: {wanted}", mend)
    return well(found)


def memory(patient: Patient) -> Finding:
    machine = patient.machine
    left = 100 * machine.memory_available / machine.memory
    found = f"{left:.0f} % of {machine.memory / GIGABYTE:.1f} GB available"
    if left < MEMORY_LEFT:
        return warning(found, "on the server: docker stats --no-stream; free -h")
    return well(found)


def clock(patient: Patient) -> Finding:
    ahead = patient.server.clock_ahead()
    skew = abs(ahead)
    found = f"the server's clock is {skew:.1f} s {'ahead of' if ahead > 0 else 'behind'} this one"
    mend = "timedatectl on both machines; on the wrong one: sudo timedatectl set-ntp true"
    if skew > SKEW_FAILS:
        return failing(found, mend)
    return warning(found, mend) if skew > SKEW_WARNS else well(found)


def port(patient: Patient, colour: Colour) -> Finding:
    """Free, or the colour's own container has it."""
    app, number = patient.settings.app, patient.settings.app.port_of(colour)
    if number not in listening(patient.server):
        return well(f"127.0.0.1:{number} is free")
    shown = patient.server.run(docker.publishers(number), check=False)
    names = shown.lines if shown.ok else []
    if app.container_of(colour) in names:
        return well(f"127.0.0.1:{number} is {app.container_of(colour)}'s own")
    who = f"container {', '.join(names)}" if names else "somebody"
    return failing(
        f"127.0.0.1:{number} is taken by {who}",
        f"stop it (on the server: sudo ss -ltnp 'sport = :{number}'), or set app.{colour}_port "
        "to a free one",
    )


# -- folders -----------------------------------------------------------------------------------


def project_folder(patient: Patient) -> Finding:
    folder = patient.settings.folders.project
    found = read_folder(patient.server, folder)
    if not found.exists:
        return failing(
            f"no folder {folder} on {patient.server}",
            "set folders.project; or, on a new server: fab setup --from FOLDER",
        )
    for file in patient.settings.compose_paths:
        if not patient.server.run(["test", "-r", file], check=False).ok:
            return failing(
                f"no {file} that can be read",
                "set compose.files; or, on a new server: fab setup --from FOLDER",
            )
    return well(", ".join(patient.settings.compose_paths))


def state_folder(patient: Patient) -> Finding:
    return _folder(patient, patient.settings.folders.state, "folders.state")


def backup_folder(patient: Patient) -> Finding:
    return _folder(patient, patient.settings.folders.backups, "folders.backups")


def _folder(patient: Patient, path: str, setting: str) -> Finding:
    found = read_folder(patient.server, path)
    user = patient.server.connection.user
    mend = f"on the server: sudo install -d -m 0700 -o {user} {path}; or set {setting}"
    if not found.usable:
        verb = "written to" if found.exists else f"made in {found.nearest}"
        about = f"{found.kind}, {found.mode}, of {found.owner}"
        return failing(f"{path} cannot be {verb} ({about})", mend)
    if not found.exists:
        return well(f"{path} can be made")
    if int(found.mode, 8) & 0o077:
        return warning(f"{path} is open to others ({found.mode})", f"chmod 700 {path}")
    return well(f"{path}, {found.mode}, of {found.owner}")
