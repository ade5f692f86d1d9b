from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from precordia.storage.database import open_database
from tests.precordia.databases import database_url as database_url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_database(database_url, "precordia.operations.migrations")
    yield opened
    opened.dispose()
