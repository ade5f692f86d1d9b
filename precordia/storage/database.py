"""Databases: SQLite in a file when embedded, PostgreSQL on a server, one schema history for both."""

from __future__ import annotations

import importlib.resources
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError

from precordia.errors import InvalidArgument, Overloaded, ServiceUnavailable, StorageFull

_BUSY_TIMEOUT_S = 30
_MORE_CONNECTIONS = 40  # beyond the pool, closed after use: every worker thread of a service finds one
_MIGRATION_LOCK = 0x707265636F72  # any fixed number: PostgreSQL's name for "someone migrates"
_POSTGRESQL_DISK_FULL = "53100"
_migrating = threading.Lock()  # Alembic's `op` is global to the process


def open_database(url: str, migrations: str) -> Engine:
    """An engine on the database at `url`, brought to the newest schema of `migrations`.

    Args:
        url: sqlite:////absolute/file.db or postgresql+psycopg://user@host/name.
        migrations: dotted package whose folder `versions` holds Alembic revisions.

    Raises:
        InvalidArgument: the URL names no database that is supported here.
        ServiceUnavailable: the database server cannot be reached.
    """
    parsed = _parse(url)
    engine = _open_sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _open_postgresql(parsed)
    event.listen(engine, "handle_error", _raise_typed)
    migrate(engine, migrations)
    return engine


def read_only(engine: Engine) -> Engine:
    """The same database for transactions that only read: they never wait for a writer.

    Transactions of the engine itself take SQLite's write lock at their start, so that reading and
    then writing in one transaction cannot fail half-way.
    """
    return engine.execution_options(precordia_read_only=True)


def migrate(engine: Engine, migrations: str) -> None:
    """Bring the tables of one package to their newest revision; each package counts its own."""
    with importlib.resources.as_file(importlib.resources.files(migrations)) as folder:
        script = ScriptDirectory(str(folder), version_locations=[str(folder / "versions")])
        with _migrating, engine.begin() as connection:
            _lock_schema(connection)
            _upgrade(connection, script, version_table=_version_table(migrations))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidArgument("The database URL cannot be read.", field="database_url") from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidArgument("Use a sqlite:/// or a postgresql+psycopg:// URL.", field="database_url")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InvalidArgument("A SQLite URL must name a file, as sqlite:////folder/name.db does.", field="database_url")
    return parsed


def _open_sqlite(url: URL) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S}, max_overflow=_MORE_CONNECTIONS)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_postgresql(url: URL) -> Engine:
    return create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, max_overflow=_MORE_CONNECTIONS)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Durable over power loss, readable while written; we begin transactions, not the driver."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}").close()


def _begin_sqlite(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get("precordia_read_only", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _lock_schema(connection: Connection) -> None:
    """One process migrates at a time; on SQLite the transaction itself sees to that."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})


def _version_table(migrations: str) -> str:
    return "version_" + migrations.removesuffix(".migrations").replace(".", "_")


def _upgrade(connection: Connection, script: ScriptDirectory, *, version_table: str) -> None:
    def to_newest(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), script, fn=to_newest) as environment:
        environment.configure(connection=connection, version_table=version_table)
        with environment.begin_transaction():
            environment.run_migrations()


def _raise_typed(context: ExceptionContext) -> None:
    """Storage's own troubles as our errors; everything else stays what it is."""
    error = context.original_exception
    if _disk_is_full(error):
        raise StorageFull("No space is left for the database; free some and try again.") from error
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        raise Overloaded("The database is busy; try again.", retry_after_s=1) from error
    if _server_is_gone(error) and (context.connection is None or context.is_disconnect):
        raise ServiceUnavailable("The database server cannot be reached.", service="database") from error


def _disk_is_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return "disk is full" in str(error)
    return getattr(error, "sqlstate", None) == _POSTGRESQL_DISK_FULL


def _server_is_gone(error: BaseException) -> bool:
    """Looked up, not imported: on SQLite the driver is never loaded, 9 MiB that no service needs."""
    driver = sys.modules.get("psycopg")
    return driver is not None and isinstance(error, driver.OperationalError)
