"""The embedded PostgreSQL: first set-up, role and database, and the command that starts it."""

import shutil
import signal
from pathlib import Path

import psycopg
from psycopg import sql

from hikiproject.credentials import DATABASE, ROLE, Credentials
from hikiproject.servers import Server, own, private

# Wherever the study's database runs.
OF_EVERY_DATABASE = (
    # A failed statement holds values of participants: none of it goes to the log.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    # The log of a large table goes to the disk while its rows come, not all at the commit.
    "wal_writer_delay=10ms",
)
# Safe against a killed server, not against a power cut: for data that only a test run needs.
FORGETFUL = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


class Postgres(Server):
    """PostgreSQL on a loopback port, passwords by SCRAM, no socket file."""

    name = "postgresql"
    # Fast: SIGTERM would wait for the clients.
    ending = signal.SIGINT

    def __init__(self, state: Path, credentials: Credentials, *, durable: bool = True) -> None:
        super().__init__(state, credentials)
        self.durable = durable
        self.data = state / "postgres" / "data"

    def prepare(self) -> None:
        """Make the cluster in a draft folder, so that a broken attempt leaves nothing behind."""
        home = own(self.state / "postgres")
        if self.data.exists():
            return
        draft = home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password = private(home / "password", self.credentials.superuser_password)
        self._check(
            [
                self.programs.postgres / "initdb",
                "-D",
                draft,
                "-U",
                "postgres",
                "-A",
                "scram-sha-256",
                "--pwfile",
                password,
                "-E",
                "UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
                *([] if self.durable else ["--no-sync"]),
            ]
        )
        password.unlink()
        draft.rename(self.data)

    def command(self) -> list[str]:
        """See `Server.command`."""
        options = [
            "unix_socket_directories=",
            "timezone=UTC",
            "log_timezone=UTC",
            "max_connections=100",
            *OF_EVERY_DATABASE,
            *(FORGETFUL if not self.durable else ()),
        ]
        return [
            str(self.programs.postgres / "postgres"),
            "-D",
            str(self.data),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.credentials.database_port),
            *(word for option in options for word in ("-c", option)),
        ]

    def answers(self) -> bool:
        """See `Server.answers`; makes the application's role and database where they lack."""
        try:
            with self._connect() as connection:
                self._make_role(connection)
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self.credentials.database_port,
            user="postgres",
            password=self.credentials.superuser_password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _make_role(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        """A role that owns its database and is not a superuser; CREATEDB is for test databases."""
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
            # Hashed here: a statement with a password in it could end up in a log.
            hashed = connection.pgconn.encrypt_password(
                self.credentials.database_password.encode(), ROLE.encode(), b"scram-sha-256"
            )
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEDB NOSUPERUSER PASSWORD {}").format(
                    sql.Identifier(ROLE), sql.Literal(hashed.decode())
                )
            )
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        if not connection.execute(known, [DATABASE]).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(ROLE)
                )
            )
