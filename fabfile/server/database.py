"""The site's database: a session with time limits, and what is asked of it again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from ..commands import postgres
from ..report.masking import mask
from ..settings import Settings
from .connection import Server
from .containers import Container, Containers
from .forwarding import ForwardingRefused
from .people import People, people
from .psql_dialogue import PsqlWire
from .resting import About, Rest
from .sql_session import DatabaseError, ForwardedWire, Session, Wire
from .sql_text import identifier, literal, qualified

PORT = 5432
IDLE_LIMIT = 60  # seconds a frozen client may keep a transaction open


class Database:
    """PostgreSQL in the site's database container, as that container's own user.

    :param name: of the database; empty: the site's own, as the container's environment has it.
    :param writable: its sessions may write though the database itself is set read-only.
    :param reads: its sessions cannot write at all.
    """

    def __init__(
        self,
        server: Server,
        settings: Settings,
        containers: Containers,
        name: str = "",
        *,
        writable: bool = False,
        reads: bool = False,
    ) -> None:
        self.server = server
        self.settings = settings
        self.containers = containers
        self._name = name
        self._writable = writable
        self._reads = reads
        self._rest = Rest()

    def other(self, name: str, *, writable: bool = False) -> Database:
        """Another database of the same PostgreSQL server, for instance `postgres`."""
        return Database(
            self.server,
            self.settings,
            self.containers,
            name,
            writable=writable and not self._reads,
            reads=self._reads,
        )

    @property
    def name(self) -> str:
        """The database's name."""
        return self._name or account(self.container.environment)[1]

    @property
    def maintenance(self) -> Database:
        """A database beside this one, from which this one may be renamed or dropped."""
        return self.other("template1" if self.name == "postgres" else "postgres")

    @property
    def container(self) -> Container:
        """The running container.

        :raises DeployError: there is none, or it does not run.
        """
        container = self.containers.service(self.settings.compose.database)
        if not container.running:
            error = DatabaseError(
                f"the database container {container.name} is {container.status}",
                evidence=self.containers.last_logs(container.name),
            )
            error.next_command = f"find out why, then: docker start {container.name}"
            raise error
        return container

    @contextlib.contextmanager
    def session(
        self,
        release: str = "reading",
        *,
        idle_limit: float = IDLE_LIMIT,
        statement_limit: float | None = None,
    ) -> Iterator[Session]:
        """A session that names its release to the database, with the settings' time limits.

        :param idle_limit: seconds that a transaction may wait for its next statement.
        :param statement_limit: seconds that one statement may run; by default the settings'.
        :raises DatabaseError: the database cannot be reached or refuses.
        """
        limits = self.settings.database
        statement_limit = statement_limit or limits.statement_timeout
        begin = (
            f"SET lock_timeout = '{limits.lock_timeout * 1000:.0f}ms';"
            f"SET statement_timeout = '{statement_limit * 1000:.0f}ms';"
            f"SET idle_in_transaction_session_timeout = '{idle_limit:.0f}s';"
            f"SET application_name = {literal('deploy:' + release)};"
            "SET client_min_messages = 'warning';"
            + self._may_write
            # From version 14: a statement notices within a second that its client has died.
            + "SELECT set_config(name, '1s', false) FROM pg_settings"
            " WHERE name = 'client_connection_check_interval'"
        )
        container = self.container
        with contextlib.ExitStack() as end:

            def begun() -> Wire:
                end.close()
                wire = self._open(container, statement_limit + 30, end)
                Session(wire, self.server.console).execute(begin)
                return wire

            if rested := self._rest.take(self._about(container, begin)):
                end.push(rested.end.pop_all())
                session = Session(rested.wire, self.server.console, begun)
            else:
                session = Session(begun(), self.server.console)
            yield session
            if session.only_asked and isinstance(session.wire, ForwardedWire) and not self._name:
                self._rest.put(self._about(container, begin), session.wire, end.pop_all())

    def _about(self, container: Container, begin: str) -> About:
        return About(self.server.connection.transport, container.id, begin)

    @property
    def _may_write(self) -> str:
        if self._reads:
            return "SET default_transaction_read_only = on;"
        return "SET default_transaction_read_only = off;" if self._writable else ""

    def _open(self, container: Container, answer_limit: float, end: contextlib.ExitStack) -> Wire:
        """A new way to the database, which goes when `end` is closed."""
        user, name = account(container.environment)
        name = self._name or name
        with contextlib.ExitStack() as way:
            try:
                port = way.enter_context(self.server.forward(container.address, PORT))
                wire = ForwardedWire(
                    port, user=user, password=self._password(container), database=name
                )
            except (ForwardingRefused, DatabaseError):
                # No forwarding, or a password changed since: the container's own psql knows a way,
                # or says what is wrong.
                pass
            else:
                way.callback(wire.close)
                end.push(way.pop_all())
                return wire
        channel = self.server.channel(postgres.psql(container.id, user=user, database=name))
        dialogue = PsqlWire(channel, answer_limit)
        end.callback(dialogue.close)
        return dialogue

    def _password(self, container: Container) -> str:
        environment = container.environment
        password = environment.get("POSTGRES_PASSWORD", "")
        if environment.get("POSTGRES_PASSWORD_FILE"):
            password = self.server.run(postgres.read_password_file(container.id)).text
        mask.learn(password)
        return password

    # -- questions -----------------------------------------------------------------------------

    def people(self) -> People:
        """Users, users per role, and sessions."""
        with self.session() as session:
            return people(session, self.settings)

    def sessions_per_user(self) -> dict[str, int]:
        """How many sessions each user has, by id; empty where the site keeps none here."""
        database = self.settings.database
        if database.session_table is None:
            return {}
        with self.session() as session:
            rows = session.query(
                f"SELECT {identifier(database.session_user)}::text AS whose, count(*) AS number"
                f" FROM {qualified(self.settings, database.session_table)} GROUP BY 1"
            )
        return {row["whose"]: row["number"] for row in rows}

    def size(self) -> int:
        """The database's size in bytes."""
        with self.session() as session:
            rows = session.query("SELECT pg_database_size(current_database()) AS bytes")
            return int(rows[0]["bytes"])

    def version(self) -> str:
        """The server's version, for instance `15.18`."""
        with self.session() as session:
            text = session.query("SELECT current_setting('server_version') AS version")
            return str(text[0]["version"]).split()[0]


def account(environment: Mapping[str, str]) -> tuple[str, str]:
    """User and database, as the PostgreSQL image reads them from its container's environment."""
    user = environment.get("POSTGRES_USER") or "postgres"
    return user, environment.get("POSTGRES_DB") or user
