"""Every setting: its type, default, unit and meaning. Validated before anything is contacted.

The file is invoke.yaml, section `site:` (fabric.yaml is a link to it). Above it, in order:
a file named by `-f` or INVOKE_RUNTIME_CONFIG, the environment (`DEPLOY_MIGRATION__DATA=now`),
what `hosts` has for the server that was chosen, and `--set migration.data=now` on any task. All
work the same under `fab` and `invoke`.

Text is of one of the kinds in settings_types.py; what settings must be together, settings_rules.py.
What the checks expect, their test user and the monitor: settings_checks.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from .errors import BadSettings
from .nearest import nearest
from .settings_canary import Canary, Preview
from .settings_checks import CHECK_GROUPS as CHECK_GROUPS
from .settings_checks import Expect, Monitor, SignIn
from .settings_checks import Validation as Validation
from .settings_file import Origins, dotted, read_value
from .settings_hooks import VARIABLES, Hook
from .settings_look import Look
from .settings_model import Model as Model
from .settings_model import plain
from .settings_notify import Notify
from .settings_report import Report
from .settings_rules import refuse_contradictions
from .settings_types import (
    AbsoluteFolder,
    ConfigPath,
    ContainerName,
    Domain,
    HeaderName,
    HostName,
    HostOrNothing,
    HostPortOrNothing,
    HttpStatus,
    ImageOrNothing,
    InnerPath,
    InnerPathOrNothing,
    Name,
    Network,
    Port,
    Project,
    Repository,
    Revision,
    Seconds,
    Size,
    SqlName,
    Text,
    UrlPath,
    UrlPathOrNothing,
    VariableName,
    WholeSeconds,
    Word,
)
from .settings_words import explain, shown

Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, Colour] = ("blue", "green")
ENVIRONMENT_PREFIX = "DEPLOY_"
SHOWN = 200  # status of a page that shows something

# What a site may not have; `--set NAME=` empties it too.
NoneOrSqlName = Annotated[
    SqlName | None, BeforeValidator(lambda value: None if value == "" else value)
]


class Ssh(Model):
    """How the server is reached."""

    host: HostOrNothing = Field(
        "", description="user@host:port for `invoke`; `fab -H` overrides it"
    )
    key_file: Text = Field("", description="private key; empty: agent and ~/.ssh defaults")
    known_hosts: Text = Field("", description="a known_hosts file beside ~/.ssh/known_hosts")
    accept_new_host_key: bool = Field(
        False, description="add unknown host keys to known_hosts; changed ones stay refused"
    )
    connect_timeout: WholeSeconds = Field(10, description="seconds to connect and sign in")
    command_timeout: Seconds = Field(60, description="seconds for an ordinary remote command")
    build_timeout: Seconds = Field(1800, description="seconds for a build, pull or image upload")


class Folders(Model):
    """Where things lie on the server."""

    project: AbsoluteFolder = Field("/home/ubuntu/1001-stories", description="the compose file's")
    state: AbsoluteFolder = Field(
        "/home/ubuntu/1001-stories-deploy", description="ledger, lock, releases, rendered files"
    )
    backups: AbsoluteFolder = Field(
        "/home/ubuntu/1001-stories-backups", description="outlives a reboot; /tmp has links to it"
    )


class Compose(Model):
    """The site's compose project."""

    files: tuple[InnerPath, ...] = Field(
        ("docker-compose.yml",),
        min_length=1,
        description="in the project folder, in the order in which Compose takes them",
    )
    profiles: tuple[Name, ...] = Field(
        (), description="as with --profile; empty: COMPOSE_PROFILES in .env, if it is there"
    )
    project: Project = Field(
        "", description="project name; empty: read from the containers' labels"
    )
    app: Name = Field("app", description="service of the application")
    nginx: Name = Field("nginx", description="service of nginx")
    database: Name = Field("db", description="service of PostgreSQL")
    env_file: InnerPathOrNothing = Field(
        ".env.production", description="backed up at 0600; empty: none"
    )


class App(Model):
    """The application and its two colours."""

    image: Repository = Field("1001stories", description="repository of the releases' images")
    container: ContainerName = Field("1001-stories-app", description="name before -blue and -green")
    port: Port = Field(3000, description="where the app listens inside its container")
    blue_port: Port = Field(3000, description="blue's port on the server's loopback")
    green_port: Port = Field(3001, description="green's port on the server's loopback")
    health_path: ConfigPath = Field("/api/health", description="page that says how it is")
    health_status: tuple[Word, ...] = Field(
        ("ok", "healthy"),
        description="values of `status` that mean healthy; empty: any answer 200 is healthy",
    )
    health_database: Text = Field(
        "connected", description="value of `database` that means connected; empty: not checked"
    )
    login_path: UrlPathOrNothing = Field("/login", description="page to sign in at; empty: none")
    health_timeout: Seconds = Field(
        60, description="seconds to become healthy where the container has no health check"
    )
    stop_grace: Seconds = Field(
        30, description="seconds to finish after SIGTERM, where the compose file does not say"
    )

    def port_of(self, colour: Colour) -> int:
        """The colour's port on the server's loopback."""
        return self.blue_port if colour == "blue" else self.green_port

    def container_of(self, colour: Colour) -> str:
        """The colour's container name."""
        return f"{self.container}-{colour}"


class Source(Model):
    """Where a new release comes from."""

    kind: Literal["git", "server", "registry", "stream"] = Field(
        "git",
        description="git: archive of the working commit; server: what lies in the project folder; "
        "registry: pull `image`; stream: send the local engine's `image` over the connection",
    )
    folder: Word = Field(".", description="git: folder of the working copy, on this machine")
    revision: Revision = Field("HEAD", description="git: what to archive")
    image: ImageOrNothing = Field("", description="registry, stream: the image's name")
    dockerfile: InnerPath = Field("Dockerfile", description="in the archived folder")
    builder: Literal["auto", "buildkit", "legacy"] = Field(
        "auto", description="which of the engine's builders; auto: the engine's own choice"
    )
    build_args: dict[VariableName, Text] = Field(
        {"RELEASE": "{release}"},
        description="build arguments; {release} and {commit} are filled in",
    )


class Page(Model):
    """One page that is asked for, and what it must answer."""

    status: tuple[HttpStatus, ...] = Field((200,), min_length=1, description="allowed status codes")
    contains: Text = Field("", description="text the body must hold")
    critical: bool = Field(True, description="a failure takes the deploy back")


class Public(Model):
    """The site as visitors see it."""

    domain: Domain = Field(
        "1001stories.seedsofempowerment.org", description="its name, as the certificate has it"
    )
    scheme: Literal["https", "http"] = Field(
        "https", description="http: the site has no TLS; certificate and redirect are not checked"
    )
    connect: HostPortOrNothing = Field(
        "", description="host:port to connect to instead of the domain's :443"
    )
    connect_http: HostPortOrNothing = Field(
        "", description="host:port to connect to instead of the domain's :80"
    )
    ca_file: Text = Field("", description="certificates to trust; empty: the public ones")
    pages: dict[UrlPath, Page] = Field(
        default_factory=lambda: {
            "/": Page(),
            "/login": Page(),
            "/api/health": Page(),
            "/api/auth/signin": Page(status=(200, 302)),
            "/dashboard": Page(status=(200, 302, 303, 307)),
            "/admin": Page(status=(200, 302, 303, 307)),
            "/favicon.ico": Page(critical=False),
        },
        description="pages of a visitor who is not signed in",
    )
    static_paths: tuple[UrlPath, ...] = Field(("/favicon.ico",), description="static assets")
    security_headers: tuple[HeaderName, ...] = Field(
        (
            "X-Frame-Options",
            "X-Content-Type-Options",
            "Referrer-Policy",
            "Strict-Transport-Security",
        ),
        description="that an answer must have",
    )
    certificate_days: int = Field(14, ge=0, le=3650, description="fewer days left than this warns")

    @property
    def front(self) -> str:
        """The page that shows the site: `/`, else the first that is to answer 200; empty: none."""
        shown = [path for path, page in self.pages.items() if SHOWN in page.status]
        return "/" if "/" in shown else next(iter(shown), "")

    @property
    def url(self) -> str:
        """Scheme and domain, without a path."""
        return f"{self.scheme}://{self.domain}"

    @property
    def port(self) -> int:
        """The scheme's own."""
        return 443 if self.scheme == "https" else 80


class RateLimit(Model):
    """One of nginx's request limits, per address."""

    path: ConfigPath = Field(description="that it holds for, and all below it")
    requests_per_second: int = Field(ge=1, le=1_000_000, description="on the average")
    burst: int = Field(ge=0, le=1_000_000, description="requests above that before a 429")


class Nginx(Model):
    """The configuration that we render, and how a switch is made."""

    manage: Literal["upstream", "whole"] = Field(
        "upstream",
        description="upstream: only the app's upstream is ours, everything else in the site's own "
        "configuration stays byte for byte; whole: all of it, from our template",
    )
    config: ConfigPath = Field(
        "/etc/nginx/nginx.conf",
        description="inside the nginx container; for `upstream`, the file that names the app",
    )
    marker_port: Port = Field(
        8999,
        description="upstream: where nginx says, inside its container, which release is live",
    )
    template: Word = Field("nginx-blue-green.conf.j2", description="in templates/, or a path")
    certificate: ConfigPath = Field(
        "/etc/nginx/ssl/fullchain.pem", description="as nginx's container sees it"
    )
    certificate_key: ConfigPath = Field(
        "/etc/nginx/ssl/privkey.pem", description="as nginx's container sees it"
    )
    rate_limits: tuple[RateLimit, ...] = Field(
        (
            RateLimit(path="/api/auth/", requests_per_second=20, burst=40),
            RateLimit(path="/", requests_per_second=50, burst=200),
        ),
        description="longest path first wins, as nginx's locations do",
    )
    limit_exempt: tuple[Network, ...] = Field(
        ("127.0.0.1",), description="addresses or networks that no limit applies to"
    )
    max_body: Size = Field("10m", description="largest request body")
    keepalive_min_timeout: WholeSeconds = Field(
        2, description="seconds a leaving worker keeps idle connections (nginx >= 1.27.4)"
    )
    worker_shutdown_timeout: WholeSeconds = Field(
        30, description="seconds after which a leaving worker cuts what is left"
    )
    proof_answers: int = Field(
        5, ge=1, le=1000, description="answers in a row, on new connections, that prove a switch"
    )
    proof_timeout: Seconds = Field(15, description="seconds for that proof")
    preview: Preview = Preview()


# The site's word for it; pydantic's own `schema` is deprecated, and nobody here calls it.
warnings.filterwarnings("ignore", message='Field name "schema" in "Database"')


class Database(Model):
    """Tables and types; each is quoted as an identifier wherever it is used."""

    schema: NoneOrSqlName = Field(  # type: ignore[assignment]
        None, description="where these tables and types are; empty: on the search path"
    )
    user_table: NoneOrSqlName = Field("User", description="empty: no users kept here")
    user_id: SqlName = Field("id", description="the user table's key")
    role_column: NoneOrSqlName = Field("role", description="empty: users have no role")
    updated_column: NoneOrSqlName = Field("updatedAt", description="empty: none")
    created_column: NoneOrSqlName = Field(
        "createdAt", description="when a row was created; without time zone: UTC; empty: none"
    )
    session_table: NoneOrSqlName = Field("Session", description="empty: no sessions kept here")
    session_user: SqlName = Field("userId", description="whose session it is")
    role_type: NoneOrSqlName = Field("Role", description="an enum; empty: there is none")
    lock_timeout: Seconds = Field(3, description="seconds a statement waits for a lock")
    statement_timeout: Seconds = Field(120, description="seconds a statement may run")


class Migration(Model):
    """The database's migrations."""

    folder: Text = Field(
        "sql/migrations", description="a folder in it for each, in order; empty: none"
    )
    data: Literal["auto", "now", "after-switch"] = Field(
        "auto", description="when rows move; auto: once no release serves that cannot read them"
    )
    batch_above: int = Field(
        50_000, ge=1, le=1_000_000_000, description="rows above which it goes in batches"
    )
    batch_size: int = Field(1_000, ge=1, le=1_000_000, description="rows in a batch")


class Limits(Model):
    """What is still acceptable."""

    response_seconds: Seconds = Field(2, description="p95 of a page's answer")
    slower_than_baseline: float = Field(2, gt=1, le=1000, description="times the baseline's p95")
    error_percent: float = Field(
        1, ge=0, le=100, description="of all visitors' requests answered 5xx while it is watched"
    )
    free_disk_gb: float = Field(2, ge=0, le=1_000_000, description="GB free that a deploy needs")
    disk_full_percent: int = Field(80, ge=1, le=100, description="percent full that warns")
    memory_percent: int = Field(90, ge=1, le=100, description="of the container's memory limit")
    minimum_samples: int = Field(
        20, ge=1, le=1_000_000, description="samples below which no time is judged"
    )


class Deploy(Model):
    """Pace and retention."""

    watch_seconds: float = Field(
        30, ge=0, le=86_400, description="seconds the new release is watched"
    )
    drain_seconds: Seconds = Field(40, description="seconds for old nginx workers to leave")
    keep_releases: int = Field(
        3, ge=2, le=1000, description="images kept, never without the rollback's"
    )
    keep_backups: int = Field(5, ge=1, le=1000, description="backups kept")
    keep_backup_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="days a backup is kept; the newest of each kind stays whatever its age",
    )
    lock_dead_after: Seconds = Field(45, description="seconds without a heartbeat")


class Meter(Model):
    """The visitor that measures downtime."""

    requests_per_second: float = Field(10, ge=0.1, le=200, description="in all")
    connections: int = Field(4, ge=2, le=64, description="half kept alive, half new each time")
    timeout: Seconds = Field(10, description="seconds until an answer counts as failed")
    paths: tuple[UrlPath, ...] = Field(
        ("/", "/login", "/api/health"), min_length=1, description="asked for in turn"
    )


class Log(Model):
    """The full log of a run, on the operator's machine; tasks that only look write none."""

    folder: Word = Field(".deploy/logs", description="from the folder where the command is given")
    keep: int = Field(50, ge=1, le=100_000, description="logs that stay there, the newest")


class Settings(Model):
    """One site: its settings, whole."""

    name: Word = Field("1001 Stories", description="as people call it")
    complete: bool = Field(
        False,
        description="in a file given with -f: nothing of invoke.yaml's `site:` is mixed in, and "
        "whatever is the guide's own there must be set here",
    )
    ssh: Ssh = Ssh()
    folders: Folders = Folders()
    compose: Compose = Compose()
    app: App = App()
    source: Source = Source()
    public: Public = Public()
    nginx: Nginx = Nginx()
    database: Database = Database()
    migration: Migration = Migration()
    validation: Validation = Validation()
    expect: Expect = Expect()
    sign_in: SignIn = SignIn()
    monitor: Monitor = Monitor()
    limits: Limits = Limits()
    deploy: Deploy = Deploy()
    canary: Canary = Canary()
    meter: Meter = Meter()
    notify: Notify = Notify()
    hooks: tuple[Hook, ...] = Field(
        (), description="programs of your own before and after phases; see docs/hooks.md"
    )
    report: Report = Report()
    look: Look = Look()
    log: Log = Log()
    hosts: dict[HostName, dict[str, Any]] = Field(
        default_factory=dict, description="servers by name, each with what it has of its own"
    )
    groups: dict[HostName, tuple[HostName, ...]] = Field(
        default_factory=dict, description="names for several hosts"
    )

    @property
    def timed_paths(self) -> list[str]:
        """The pages whose times are compared with those before a deploy."""
        front = [self.public.front] if self.public.front else []
        return list(dict.fromkeys([self.app.health_path, *front]))

    @property
    def compose_paths(self) -> tuple[str, ...]:
        """The compose files on the server, in the order in which Compose takes them."""
        return tuple(f"{self.folders.project}/{file}" for file in self.compose.files)

    @model_validator(mode="after")
    def groups_name_hosts(self) -> Settings:
        for group, members in self.groups.items():
            if group in self.hosts:
                raise ValueError(f"{group} is a host and a group; allowed: one of them")
            if not members:
                raise ValueError(f"groups.{group} is empty; allowed: names of hosts")
            for name in members:
                if name not in self.hosts:
                    end = nearest(name, self.hosts)
                    raise ValueError(f"groups.{group} names {name}: no such host{end}")
        return self

    @model_validator(mode="after")
    def agrees_with_itself(self) -> Settings:
        refuse_contradictions(self)
        return self

    @model_validator(mode="after")
    def says_whose_site_it_is(self) -> Settings:
        """A complete file that forgets one of these would reach for the guide's site."""
        for name in OF_THE_SITE if self.complete else ():
            group, _, field = name.partition(".")
            if field not in getattr(self, group).model_fields_set:
                raise ValueError(f"complete, but {name} is not set")
        return self


# What no default can be right for; `init` writes each of them.
OF_THE_SITE = (
    *("folders.project", "folders.state", "folders.backups"),
    *("compose.app", "compose.nginx", "compose.database", "compose.env_file"),
    *("app.image", "app.container", "app.port", "app.health_path", "app.login_path"),
    *("public.domain", "public.pages", "nginx.manage", "nginx.config"),
    *("database.user_table", "database.session_table", "database.role_type", "migration.folder"),
)


def load(
    section: object,
    *,
    environment: Mapping[str, str] | None = None,
    assignments: Iterable[str] = (),
    server: str = "",
    origins: Origins | None = None,
) -> Settings:
    """Read the settings once, typed and frozen.

    :param section: what the settings files hold under `site:`, merged.
    :param environment: the process's environment; `DEPLOY_…` entries override the file.
    :param assignments: `name=value` from `--set`; they override the environment.
    :param server: the server that was chosen: a name in `hosts`, whose own settings override the
        environment, or an address.
    :param origins: the files that the section was read from, for the line of a wrong value; it
        learns of the overrides here.
    :raises BadSettings: one line that names place, setting, value and what is allowed; further
        ones are its evidence.
    """
    origins = origins or Origins()
    if section is None:
        raise BadSettings(
            f"{origins.name}: no `site:` section",
            next_command="start from the shipped invoke.yaml, in the folder of the project",
        )
    if not isinstance(section, Mapping):
        raise BadSettings(
            f"{origins.of(())}: `site:` is {shown(section)}; allowed: a mapping of settings"
        )
    values = overrides(environment or {}, (), plain(section), origins)
    given = [_parsed(assignment) for assignment in assignments]
    for path, text in given:
        if path[0] == "hosts":
            _assign(values, path, text, f"--set {'.'.join(path)}", origins)
    _refuse_unknown_own(values, origins)
    values = _laid_over(values, _own(values, server, origins))
    for path, text in given:
        _assign(values, path, text, f"--set {'.'.join(path)}", origins)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first, *others = explain(error, Settings, origins)
        raise BadSettings(first, evidence="\n".join(others)) from None


def overrides(
    environment: Mapping[str, str],
    assignments: Iterable[str],
    values: dict[str, Any] | None = None,
    origins: Origins | None = None,
) -> dict[str, Any]:
    """What the environment and `--set` say, put over values of a file.

    :raises BadSettings: they name something that has no settings below it.
    """
    values = {} if values is None else values
    origins = origins or Origins()
    for name, text in sorted(environment.items()):
        # What a hook has in its environment is no setting, so that it may call `fab` itself.
        if name.startswith(ENVIRONMENT_PREFIX) and not name.startswith(VARIABLES):
            path = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
            _assign(values, path, text, name, origins)
    for assignment in assignments:
        path, text = _parsed(assignment)
        _assign(values, path, text, f"--set {'.'.join(path)}", origins)
    return values


def _parsed(assignment: str) -> tuple[list[str], str]:
    name, sign, text = assignment.partition("=")
    if not sign or not name:
        raise BadSettings(
            f"--set {shown(assignment)}: allowed: NAME=VALUE, for instance app.port=80"
        )
    return name.split("."), text


def _refuse_unknown_own(values: Mapping[str, Any], origins: Origins) -> None:
    """A host's own settings are laid over the site's, where a wrong name would be nobody's."""
    hosts = values.get("hosts")
    known = Settings.model_fields.keys() - {"hosts", "groups"}
    for name, own in hosts.items() if isinstance(hosts, dict) else ():
        for setting in own if isinstance(own, dict) else ():
            if setting not in known:
                keys = ("hosts", name, setting)
                raise BadSettings(
                    f"{origins.of(keys)}: {dotted(('site', *keys))}: no such setting"
                    f"{nearest(str(setting), known)}"
                )


def _own(values: Mapping[str, Any], server: str, origins: Origins) -> dict[str, Any]:
    """What this server has of its own; an address that is no host's has only that."""
    hosts = values.get("hosts")
    if isinstance(hosts, Mapping) and server in hosts:
        own = hosts[server]
        own = own if isinstance(own, dict) else {}  # what it is instead is refused by the model
        origins.lay_over(("hosts", server), own)
        return own
    if not server:
        return {}
    origins.assigned[("ssh", "host")] = "-H"
    return {"ssh": {"host": server}}


def _laid_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        if isinstance(under, dict) and isinstance(value, Mapping):
            value = _laid_over(under, value)
        merged[name] = value
    return merged


def _assign(
    values: dict[str, Any], path: Sequence[str], text: str, origin: str, origins: Origins
) -> None:
    """Put one override into the values, below mappings that are there or not yet.

    :param origin: what a person typed, for messages.
    """
    target = values
    for depth, part in enumerate(path[:-1]):
        below = target.setdefault(part, {})
        if not isinstance(below, dict):
            raise BadSettings(f"{origin}: {'.'.join(path[: depth + 1])} has no settings below it")
        target = below
    target[path[-1]] = read_value(text, origin)
    origins.assigned[tuple(path)] = origin
