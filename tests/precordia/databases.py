"""Databases for tests: SQLite in a temporary folder, and PostgreSQL where one answers."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

POSTGRES = os.environ.get("PRECORDIA_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")


def sqlite_url(folder: Path) -> str:
    """A database file in a folder that does not exist yet."""
    return f"sqlite:///{folder}/data/test.db"


def postgres_url() -> Iterator[str]:
    """A schema of its own, dropped afterwards; skips where no server answers."""
    schema = f"precordia_test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(POSTGRES, connect_args={"connect_timeout": 2})
    try:
        with admin.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except OperationalError:
        admin.dispose()
        pytest.skip("no PostgreSQL answers at PRECORDIA_TEST_POSTGRES")
    try:
        yield f"{POSTGRES}?options=-csearch_path%3D{schema}"
    finally:
        with admin.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """One test body for every database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
    else:
        yield from postgres_url()
