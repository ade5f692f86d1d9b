"""A whole ingest in a temporary folder, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from precordia.client import Addresses, Connection, connect
from precordia.rpc.server import serving
from services.ingest.__main__ import build
from services.ingest.ingest import Ingest
from services.ingest.settings import IngestSettings
from services.ingest.tables import metadata

POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:5432/test"


@pytest.fixture(scope="session")
def postgresql_schema() -> Iterator[str]:
    """The URL of a schema of our own on the local PostgreSQL, dropped at the end."""
    engine = create_engine(POSTGRESQL, connect_args={"connect_timeout": 2})
    schema = f"ingest_{uuid.uuid4().hex[:12]}"
    try:
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except OperationalError:
        pytest.skip("no PostgreSQL at 127.0.0.1:5432")
    yield f"{POSTGRESQL}?options=-csearch_path%3D{schema}"
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def postgresql_url(postgresql_schema: str) -> Iterator[str]:
    """The schema, emptied after each test; migrating it anew for each would take most of the time."""
    yield postgresql_schema
    engine = create_engine(postgresql_schema)
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}, operations, operation_events CASCADE"))
    engine.dispose()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema, for the same reason."""
    home = tmp_path_factory.mktemp("migrated")
    Ingest(IngestSettings(home=home)).close()
    return home / "ingest" / "ingest.db"


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> IngestSettings:
    """Everything in a temporary folder, any free port."""
    (tmp_path / "ingest").mkdir()
    shutil.copy(migrated, tmp_path / "ingest" / "ingest.db")
    return IngestSettings(home=tmp_path, listen="127.0.0.1:0", drain_s=2)


@pytest.fixture(params=["sqlite", "postgresql"])
def ingest(request: pytest.FixtureRequest, settings: IngestSettings) -> Iterator[Ingest]:
    """Ingest without its edge, on each database."""
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    made = Ingest(settings.model_copy(update={"database_url": url}))
    yield made
    made.close()


@pytest.fixture
async def connection(settings: IngestSettings) -> AsyncIterator[Connection]:
    """A client of a real server."""
    async with serving(build(settings)) as address, connect(Addresses(ingest=address)) as client:
        yield client
