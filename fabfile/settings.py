"""Every setting: its type, default, unit and meaning. Validated before anything is contacted.

The file is invoke.yaml, section `site:` (fabric.yaml is a link to it). Above it, in order:
a file named by `-f` or INVOKE_RUNTIME_CONFIG, the environment (`DEPLOY_MIGRATION__DATA=now`),
what `hosts` has for the server that was chosen, and `--set migration.data=now` on any task. All
work the same under `fab` and `invoke`.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from .errors import BadSettings

Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, Colour] = ("blue", "green")
ENVIRONMENT_PREFIX = "DEPLOY_"

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=1, le=65_535)]
# A host's or a group's; no dot, colon or @, so that nobody takes an address for one.
HostName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=64)]
# Docker's own rule for container and service names; keeps every name one plain word.
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$", max_length=128)]
UrlPath = Annotated[str, Field(pattern=r"^/[^\s]*$")]
# What stands in nginx's configuration must not end a directive.
ConfigPath = Annotated[str, Field(pattern=r"^/[\w./@%+-]*$")]
Network = Annotated[str, Field(pattern=r"^[0-9a-fA-F:.]+(/\d{1,3})?$")]
AbsoluteFolder = Annotated[str, Field(pattern=r"^/[^\x00\n]*$")]
SqlName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")]
# What a site may not have; `--set NAME=` empties it too.
NoneOrSqlName = Annotated[SqlName | None, BeforeValidator(lambda value: value or None)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Ssh(Model):
    """How the server is reached."""

    host: str = Field("", description="user@host:port for `invoke`; `fab -H` overrides it")
    key_file: str = Field("", description="private key; empty: agent and ~/.ssh defaults")
    known_hosts: str = Field("", description="a known_hosts file beside ~/.ssh/known_hosts")
    accept_new_host_key: bool = Field(
        False, description="add unknown host keys to known_hosts; changed ones stay refused"
    )
    connect_timeout: Seconds = Field(10, description="seconds to connect and sign in")
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

    @field_validator("project", "state", "backups")
    @classmethod
    def stays_inside(cls, value: str) -> str:
        if ".." in PurePosixPath(value).parts or value.rstrip("/") == "":
            raise ValueError("an absolute folder without '..', not '/' itself")
        return value.rstrip("/")


class Compose(Model):
    """The site's compose project."""

    file: str = Field("docker-compose.yml", description="in the project folder")
    project: str = Field("", description="project name; empty: read from the containers' labels")
    app: Name = Field("app", description="service of the application")
    nginx: Name = Field("nginx", description="service of nginx")
    database: Name = Field("db", description="service of PostgreSQL")
    env_file: str = Field(".env.production", description="backed up at 0600; empty: none")


class App(Model):
    """The application and its two colours."""

    image: Name = Field("1001stories", description="repository of the releases' images")
    container: Name = Field("1001-stories-app", description="name before -blue and -green")
    port: Port = Field(3000, description="where the app listens inside its container")
    blue_port: Port = Field(3000, description="blue's port on the server's loopback")
    green_port: Port = Field(3001, description="green's port on the server's loopback")
    health_path: ConfigPath = "/api/health"
    health_status: tuple[str, ...] = Field(
        ("ok", "healthy"),
        description="values of `status` that mean healthy; empty: any answer 200 is healthy",
    )
    health_database: str = Field(
        "connected", description="value of `database` that means connected; empty: not checked"
    )
    login_path: UrlPath | Literal[""] = Field(
        "/login", description="page to sign in at; empty: none"
    )
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
    folder: str = Field(".", description="git: folder of the working copy, on this machine")
    revision: str = Field("HEAD", description="git: what to archive")
    image: str = Field("", description="registry, stream: the image's name")
    dockerfile: str = Field("Dockerfile", description="in the archived folder")
    builder: Literal["auto", "buildkit", "legacy"] = Field(
        "auto", description="which of the engine's builders; auto: the engine's own choice"
    )
    build_args: dict[str, str] = Field(
        {"RELEASE": "{release}"},
        description="build arguments; {release} and {commit} are filled in",
    )

    @model_validator(mode="after")
    def has_its_image(self) -> Source:
        if self.kind in ("registry", "stream") and not self.image:
            raise ValueError(f"with kind {self.kind}, source.image must name an image")
        return self


class Page(Model):
    """One page that is asked for, and what it must answer."""

    status: tuple[int, ...] = Field((200,), description="allowed status codes")
    contains: str = Field("", description="text the body must hold")
    critical: bool = Field(True, description="a failure takes the deploy back")


class Public(Model):
    """The site as visitors see it."""

    domain: Name = "1001stories.seedsofempowerment.org"
    scheme: Literal["https", "http"] = Field(
        "https", description="http: the site has no TLS; certificate and redirect are not checked"
    )
    connect: str = Field("", description="host:port to connect to instead of the domain's :443")
    connect_http: str = Field("", description="host:port to connect to instead of the domain's :80")
    ca_file: str = Field("", description="certificates to trust; empty: the public ones")
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
    security_headers: tuple[str, ...] = (
        "X-Frame-Options",
        "X-Content-Type-Options",
        "Referrer-Policy",
        "Strict-Transport-Security",
    )
    certificate_days: int = Field(14, ge=0, description="fewer days left than this warns")

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

    path: ConfigPath
    requests_per_second: int = Field(ge=1)
    burst: int = Field(ge=0)


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
    template: str = Field("nginx-blue-green.conf.j2", description="in templates/, or a path")
    certificate: ConfigPath = "/etc/nginx/ssl/fullchain.pem"
    certificate_key: ConfigPath = "/etc/nginx/ssl/privkey.pem"
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
    max_body: str = Field("10m", pattern=r"^\d+[kmg]?$", description="largest request body")
    keepalive_min_timeout: Seconds = Field(
        2, description="seconds a leaving worker keeps idle connections (nginx >= 1.27.4)"
    )
    worker_shutdown_timeout: Seconds = Field(
        30, description="seconds after which a leaving worker cuts what is left"
    )
    proof_answers: int = Field(
        5, ge=1, description="answers in a row, on new connections, that prove a switch"
    )
    proof_timeout: Seconds = Field(15, description="seconds for that proof")


# The site's word for it; pydantic's own `schema` is deprecated, and nobody here calls it.
warnings.filterwarnings("ignore", message='Field name "schema" in "Database"')


class Database(Model):
    """Tables and types; each is quoted as an identifier wherever it is used."""

    schema: NoneOrSqlName = Field(  # type: ignore[assignment]
        None, description="where these tables and types are; empty: on the search path"
    )
    user_table: NoneOrSqlName = Field("User", description="empty: no users kept here")
    user_id: SqlName = "id"
    role_column: NoneOrSqlName = Field("role", description="empty: users have no role")
    updated_column: NoneOrSqlName = Field("updatedAt", description="empty: none")
    created_column: NoneOrSqlName = Field(
        "createdAt", description="when a row was created; without time zone: UTC; empty: none"
    )
    session_table: NoneOrSqlName = Field("Session", description="empty: no sessions kept here")
    session_user: SqlName = "userId"
    role_type: NoneOrSqlName = Field("Role", description="an enum; empty: there is none")
    lock_timeout: Seconds = Field(3, description="seconds a statement waits for a lock")
    statement_timeout: Seconds = Field(120, description="seconds a statement may run")


class Migration(Model):
    """The database's migrations."""

    folder: str = Field(
        "sql/migrations", description="a folder in it for each, in order; empty: none"
    )
    data: Literal["auto", "now", "after-switch"] = Field(
        "auto", description="when rows move; auto: once no release serves that cannot read them"
    )
    batch_above: int = Field(50_000, ge=1, description="rows above which it goes in batches")
    batch_size: int = Field(2_000, ge=1, description="rows in a batch")


# The headings of the validation, as in its report.
CHECK_GROUPS = (
    "Containers",
    "Database",
    "Application endpoints",
    "Performance",
    "Security",
    "Authentication",
    "Static assets",
    "Logs",
    "Server",
)


class Validation(Model):
    """Which checks of the validation take a deploy back; pages have `critical` of their own.

    An entry is a group (`Static assets`) or one check of it (`Security: days left`).
    """

    critical: tuple[str, ...] = Field((), description="these too, beside those that do already")
    only_warn: tuple[str, ...] = Field((), description="these never; they only warn")

    @field_validator("critical", "only_warn")
    @classmethod
    def names_a_group(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            if entry.partition(":")[0] not in CHECK_GROUPS:
                raise ValueError(f"a group or `group: check`; groups: {', '.join(CHECK_GROUPS)}")
        return entries


class Limits(Model):
    """What is still acceptable."""

    response_seconds: Seconds = Field(2, description="p95 of a page's answer")
    slower_than_baseline: float = Field(2, gt=1, description="times the baseline's p95")
    error_percent: float = Field(
        1, ge=0, le=100, description="of all visitors' requests answered 5xx while it is watched"
    )
    free_disk_gb: float = Field(2, ge=0, description="GB free that a deploy needs")
    disk_full_percent: int = Field(80, ge=1, le=100, description="percent full that warns")
    memory_percent: int = Field(90, ge=1, le=100, description="of the container's memory limit")
    minimum_samples: int = Field(20, ge=1, description="samples below which no time is judged")


class Deploy(Model):
    """Pace and retention."""

    watch_seconds: float = Field(30, ge=0, description="seconds the new release is watched")
    drain_seconds: Seconds = Field(40, description="seconds for old nginx workers to leave")
    keep_releases: int = Field(3, ge=2, description="images kept, never without the rollback's")
    keep_backups: int = Field(5, ge=1, description="backups kept")
    keep_backup_days: int = Field(
        90,
        ge=1,
        description="days a backup is kept; the newest of each kind stays whatever its age",
    )
    lock_dead_after: Seconds = Field(45, description="seconds without a heartbeat")


class Meter(Model):
    """The visitor that measures downtime."""

    requests_per_second: float = Field(10, gt=0, le=200, description="in all")
    connections: int = Field(4, ge=2, le=64, description="half kept alive, half new each time")
    timeout: Seconds = Field(10, description="seconds until an answer counts as failed")
    paths: tuple[UrlPath, ...] = ("/", "/login", "/api/health")


class Settings(Model):
    """One site: its settings, whole."""

    name: str = Field("1001 Stories", min_length=1, description="as people call it")
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
    limits: Limits = Limits()
    deploy: Deploy = Deploy()
    meter: Meter = Meter()
    hosts: dict[HostName, dict[str, Any]] = Field(
        default_factory=dict, description="servers by name, each with what it has of its own"
    )
    groups: dict[HostName, tuple[HostName, ...]] = Field(
        default_factory=dict, description="names for several hosts"
    )

    @field_validator("hosts")
    @classmethod
    def has_settings_of_its_own(cls, hosts: dict[str, Any]) -> dict[str, Any]:
        known = cls.model_fields.keys() - {"hosts", "groups"}
        for name, own in hosts.items():
            for setting in own.keys() - known:
                raise ValueError(f"in {name}, {setting}: no such setting{nearest(setting, known)}")
        return hosts

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
    source: str = "invoke.yaml",
    server: str = "",
) -> Settings:
    """Read the settings once, typed and frozen.

    :param section: what the settings file holds under `site:`.
    :param environment: the process's environment; `DEPLOY_…` entries override the file.
    :param assignments: `name=value` from `--set`; they override the environment.
    :param source: the file's name, for messages.
    :param server: the server that was chosen: a name in `hosts`, whose own settings override the
        environment, or an address.
    :raises BadSettings: one line that names setting, value and what is allowed.
    """
    if section is None:
        raise BadSettings(
            f"{source}: no `site:` section",
            next_command="start from the shipped invoke.yaml, in the folder of the project",
        )
    if not isinstance(section, Mapping):
        raise BadSettings(f"{source}: `site:` is {section!r}; allowed: a mapping of settings")
    values = overrides(environment or {}, (), _plain(section))
    given = [_parsed(assignment) for assignment in assignments]
    for path, text in given:
        if path[0] == "hosts":
            _assign(values, path, text, origin=f"--set {'.'.join(path)}")
    own = _own(values, server)
    values = _laid_over(values, own)
    for path, text in given:
        _assign(values, path, text, origin=f"--set {'.'.join(path)}")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise BadSettings(_one_line(error, source, server, own)) from None


def overrides(
    environment: Mapping[str, str], assignments: Iterable[str], values: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the environment and `--set` say, put over values of a file.

    :raises BadSettings: they name something that is no setting.
    """
    values = {} if values is None else values
    for name, text in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            path = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
            _assign(values, path, text, origin=name)
    for assignment in assignments:
        path, text = _parsed(assignment)
        _assign(values, path, text, origin=f"--set {'.'.join(path)}")
    return values


def _parsed(assignment: str) -> tuple[list[str], str]:
    name, sign, text = assignment.partition("=")
    if not sign or not name:
        raise BadSettings(f"--set {assignment}: allowed: NAME=VALUE, for instance app.port=80")
    return name.split("."), text


def _own(values: Mapping[str, Any], server: str) -> dict[str, Any]:
    """What this server has of its own; an address that is no host's has only that."""
    hosts = values.get("hosts")
    if isinstance(hosts, Mapping) and server in hosts:
        own = hosts[server]
        return own if isinstance(own, dict) else {}  # what it is instead is refused by the model
    return {"ssh": {"host": server}} if server else {}


def _laid_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        if isinstance(under, dict) and isinstance(value, Mapping):
            value = _laid_over(under, value)
        merged[name] = value
    return merged


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value


def _assign(values: dict[str, Any], path: list[str], text: str, origin: str) -> None:
    model: Any = Settings
    for part in path:
        fields = getattr(model, "model_fields", None)
        if fields is not None and part not in fields:
            raise BadSettings(f"{origin}: no such setting{nearest(part, fields)}")
        model = fields[part].annotation if fields is not None else None
    target = values
    for part in path[:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise BadSettings(f"{origin}: {part} has no settings below it")
    try:
        target[path[-1]] = yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        target[path[-1]] = text


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a line that refuses a name: the one that was meant, or all that there are."""
    names = sorted(known)
    if not names:
        return ""
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; allowed: {', '.join(names)}"


def _one_line(error: ValidationError, source: str, server: str, own: Mapping[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    path = [part for part in first["loc"] if part != "[key]"]
    above = ["hosts", server] if _holds(own, path) else []
    name = ".".join(str(part) for part in ["site", *above, *path])
    if first["type"] == "extra_forbidden":
        return f"{source}: {name}: no such setting{nearest(str(path[-1]), _siblings(path))}"
    message = re.sub(r"^(Value error|Input should be) ?,? ?", "", first["msg"])
    more = "" if error.error_count() == 1 else f" (and {error.error_count() - 1} more)"
    if first["type"] == "value_error" and isinstance(first["input"], Mapping):
        return f"{source}: {name}: {message}{more}"
    return f"{source}: {name} is {first['input']!r}; allowed: {message}{more}"


def _holds(own: object, path: list[Any]) -> bool:
    """Whether a setting's value is the server's own, and not the site's."""
    for part in path:
        if not isinstance(own, Mapping):
            return True  # a part of a list, which is the server's as a whole
        if part not in own:
            return False
        own = own[part]
    return bool(path)


def _siblings(path: list[Any]) -> Iterable[str]:
    model: Any = Settings
    for part in path[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field else None
    return getattr(model, "model_fields", {}) or ()
