"""The doctor's checks of the site as it runs: containers, nginx, certificate."""

from __future__ import annotations

from ...commands import compose, docker
from ...commands.nginx import names_of_the_app
from ...commands.nginx_upstream import hosts_in
from ...probes.tls import NoHandshake, chain_problem, covers
from ...server.compose import find_compose
from ...server.containers import COLOUR_LABEL, Container
from .check import Finding, Patient, failing, warning, well

# -- containers --------------------------------------------------------------------------------


def compose_file(patient: Patient) -> Finding:
    """Valid, and names the three services of the settings."""
    options, files = patient.settings.compose, ", ".join(patient.settings.compose_paths)
    command = compose.services(find_compose(patient.server).of(patient.settings))
    answer = patient.server.run(command, check=False)
    if not answer.ok:
        said = " ".join((answer.stderr or answer.stdout).split())
        return failing(f"Compose cannot read {files}: {said}", "mend that on the server")
    there = sorted(answer.stdout.split())
    wanted = {"app": options.app, "nginx": options.nginx, "database": options.database}
    absent = {setting: name for setting, name in wanted.items() if name not in there}
    if absent:
        return failing(
            f"no service {', '.join(absent.values())} in {files}; there are: {', '.join(there)}",
            f"set {', '.join(f'compose.{setting}' for setting in absent)} to one of these; or "
            "compose.profiles to its profile",
        )
    return well(f"services {', '.join(wanted.values())}")


def containers(patient: Patient) -> Finding:
    found = patient.site.containers.all()
    return well(f"project {patient.site.containers.project}, {len(found)} containers")


def made_from(patient: Patient) -> Finding:
    """The containers that run came from the settings' files: a release is made from these."""
    wanted = patient.settings.compose.files
    others: dict[tuple[str, ...], list[str]] = {}
    for container in patient.containers:
        files, labels = container.made_from, container.labels
        plain = COLOUR_LABEL not in labels and labels.get(docker.COMPOSE_ONE_OFF) != "True"
        if plain and container.running and files and files != wanted:
            others.setdefault(files, []).append(container.service)
    if not others:
        return well(", ".join(wanted))
    found = "; ".join(f"{', '.join(names)} from {', '.join(f)}" for f, names in others.items())
    return warning(
        f"made from other files than {', '.join(wanted)}: {found}",
        f"set compose.files to [{', '.join(next(iter(others)))}], if that is what the site is; "
        "or make them anew from the settings' files",
    )


def app_container(patient: Patient) -> Finding:
    live = patient.site.live.read()
    finding = _state(live.container)
    if finding.verdict == "pass":
        return well(f"{live.colour} {live.release}: {finding.found}")
    return finding


def nginx_container(patient: Patient) -> Finding:
    return _state(patient.site.nginx.container)


def database_container(patient: Patient) -> Finding:
    return _state(patient.site.containers.service(patient.settings.compose.database))


def _state(container: Container) -> Finding:
    found = f"{container.name} {container.status}"
    mend = f"on the server: docker logs --tail 30 {container.name}; then docker start it"
    if not container.running or container.health == "unhealthy":
        return failing(found, mend)
    if container.health == "starting":
        return warning(found, "wait until it is healthy, then fab doctor again")
    return well(found)


# -- nginx -------------------------------------------------------------------------------------


def nginx_configuration(patient: Patient) -> Finding:
    files = patient.nginx_dump.count("# configuration file ")
    version = ".".join(map(str, patient.site.nginx.version))
    return well(f"nginx {version} finds it valid ({files} files)")


def upstream(patient: Patient) -> Finding:
    """The configuration sends visitors to the app by a name that is the app's."""
    service = patient.settings.compose.app
    own = [c.name for c in patient.containers if c.service == service]
    names = {*names_of_the_app(patient.settings), *own}
    hosts = hosts_in(patient.nginx_dump)
    found = sorted(names & hosts)
    if found:
        return well(f"sends visitors to {', '.join(found)}")
    seen = ", ".join(sorted(hosts)) or "nobody"
    return failing(
        f"nginx's configuration names none of {', '.join(sorted(names))}; it names {seen}",
        "set compose.app and app.container to the app's service and container, or name it in "
        "nginx's upstream",
    )


def nginx_file(patient: Patient) -> Finding:
    path = patient.site.nginx.config_file().host_path
    if patient.server.run(["test", "-w", path], check=False).ok:
        return well(path)
    user = patient.server.connection.user
    return failing(f"{user} may not write {path}", f"on the server: sudo chown {user} {path}")


def certificate_files(patient: Patient) -> Finding:
    """What the next configuration will name, as nginx's container sees it."""
    nginx = patient.settings.nginx
    wanted = {"certificate": nginx.certificate, "certificate_key": nginx.certificate_key}
    name = patient.site.nginx.container.name
    absent = {
        setting: path
        for setting, path in wanted.items()
        if not patient.server.run(docker.execute(name, ["test", "-s", path]), check=False).ok
    }
    if absent:
        return failing(
            f"not in {name}: {', '.join(absent.values())}",
            f"set {', '.join(f'nginx.{setting}' for setting in absent)}: as nginx's container "
            "sees them",
        )
    return well(f"{nginx.certificate}, {nginx.certificate_key}")


# -- certificate -------------------------------------------------------------------------------


def certificate_days(patient: Patient) -> Finding:
    public = patient.settings.public
    try:
        seen = patient.certificate
    except NoHandshake as error:
        return failing(
            f"no certificate to read: {error.reason}",
            "check public.domain, public.connect, that nginx runs, and the firewall's port 443",
        )
    found = f"{seen.days_left} days left, until {seen.not_after:%Y-%m-%d}"
    mend = "renew it (for instance: sudo certbot renew), then reload nginx"
    if seen.days_left < 0:
        return failing(f"it has ended, on {seen.not_after:%Y-%m-%d}", mend)
    if seen.days_left < public.certificate_days:
        return warning(f"{found}; wanted: {public.certificate_days}", mend)
    return well(found)


def certificate_chain(patient: Patient) -> Finding:
    problem = chain_problem(patient.settings.public)
    if problem:
        return failing(
            f"issued by {patient.certificate.issuer}: {problem}",
            "give nginx the full chain (fullchain.pem); of an authority of your own: "
            "public.ca_file",
        )
    return well(f"issued by {patient.certificate.issuer}")


def certificate_name(patient: Patient) -> Finding:
    domain, names = patient.settings.public.domain, patient.certificate.names
    if covers(names, domain):
        return well(f"for {domain}")
    return failing(
        f"for {', '.join(names)}, not for {domain}",
        "set public.domain, or issue the certificate for it",
    )
