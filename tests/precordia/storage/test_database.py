"""Databases open at the newest schema, wait for each other, and tell their troubles typed."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from precordia.errors import InvalidArgument, Overloaded, ServiceUnavailable, StorageFull
from precordia.storage.database import migrate, open_database, read_only
from tests.precordia.databases import sqlite_url

MIGRATIONS = "precordia.operations.migrations"


def test_opening_creates_the_newest_schema_and_opening_again_changes_nothing(database_url: str) -> None:
    for _ in range(2):
        engine = open_database(database_url, MIGRATIONS)
        tables = set(inspect(engine).get_table_names())
        with engine.begin() as connection:
            versions = connection.execute(text("SELECT version_num FROM version_precordia_operations")).scalars().all()
        engine.dispose()
        assert tables == {"operations", "operation_events", "version_precordia_operations"}
        assert versions == ["0001"]


def test_processes_that_start_at_once_migrate_one_after_the_other(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(lambda _: open_database(database_url, MIGRATIONS), range(4)))
    assert "operations" in inspect(engines[0]).get_table_names()
    for engine in engines:
        engine.dispose()


def test_packages_share_a_database_with_a_schema_history_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "heart_tables" / "migrations"
    (package / "versions").mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "heart_tables" / "__init__.py").touch()
    (package / "versions" / "beats_0001.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = '0001'\ndown_revision = None\n"
        "def upgrade():\n    op.create_table('beats', sa.Column('number', sa.Integer(), primary_key=True))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    engine = open_database(sqlite_url(tmp_path), "heart_tables.migrations")
    migrate(engine, MIGRATIONS)
    tables = inspect(engine).get_table_names()
    engine.dispose()
    assert {"beats", "operations", "version_heart_tables", "version_precordia_operations"} <= set(tables)


def test_sqlite_is_durable_and_checks_foreign_keys(tmp_path: Path) -> None:
    engine = open_database(sqlite_url(tmp_path), MIGRATIONS)
    with engine.begin() as connection:
        facts = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert facts == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_reading_then_writing_never_fails_half_way(tmp_path: Path) -> None:
    """Two transactions that read and then count up: with deferred locks, one would fail as locked."""
    engine = open_database(sqlite_url(tmp_path), MIGRATIONS)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE counter (value INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))

    def count(_: int) -> None:
        with engine.begin() as connection:
            value = connection.execute(text("SELECT value FROM counter")).scalar_one()
            connection.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(40)))
    with read_only(engine).begin() as connection:
        assert connection.execute(text("SELECT value FROM counter")).scalar_one() == 40
    engine.dispose()


def test_reading_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    engine = open_database(sqlite_url(tmp_path), MIGRATIONS)
    seen: list[int] = []

    def read() -> None:
        with read_only(engine).begin() as connection:
            seen.append(connection.execute(text("SELECT count(*) FROM operations")).scalar_one())

    with engine.begin():
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(60)
    engine.dispose()
    assert seen == [0]


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///:memory:", "mysql://host/name", "not a url"])
def test_urls_without_a_usable_database_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        open_database(url, MIGRATIONS)
    assert refused.value.field == "database_url"


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(ServiceUnavailable):
        open_database("postgresql+psycopg://nobody@127.0.0.1:1/none", MIGRATIONS)


def test_a_full_disk_is_told_as_full_storage(tmp_path: Path) -> None:
    engine = open_database(sqlite_url(tmp_path), MIGRATIONS)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE large (content BLOB)"))
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # the least that SQLite allows: what it has
        with pytest.raises(StorageFull):
            connection.execute(text("INSERT INTO large VALUES (zeroblob(1000000))"))
    engine.dispose()


def test_a_lock_that_is_never_given_up_is_told_as_overload(tmp_path: Path) -> None:
    engine = open_database(sqlite_url(tmp_path), MIGRATIONS)
    other = sqlite3.connect(tmp_path / "data" / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with engine.connect().execution_options(precordia_read_only=True) as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")
        with pytest.raises(Overloaded):
            connection.execute(text("DELETE FROM operations"))
    other.close()
    engine.dispose()
