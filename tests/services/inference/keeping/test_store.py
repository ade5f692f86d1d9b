from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from precordia.errors import InvalidArgument
from precordia.manifest import Task
from precordia.prediction import Prediction, Score
from precordia.record import Remark
from precordia.storage.database import open_database
from services.inference.keeping.store import PlacedPrediction, PredictionStore, Truth

POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:5432/test"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PredictionStore]:
    if request.param == "sqlite":
        engine = open_database(f"sqlite:///{tmp_path / 'inference.db'}", "services.inference.migrations")
        yield PredictionStore(engine)
        engine.dispose()
        return
    server = sa.create_engine(POSTGRESQL, connect_args={"connect_timeout": 2})
    schema = f"inference_{uuid.uuid4().hex[:12]}"
    try:
        with server.begin() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
    except sa.exc.OperationalError:
        pytest.skip("no PostgreSQL at 127.0.0.1:5432")
    engine = open_database(f"{POSTGRESQL}?options=-csearch_path%3D{schema}", "services.inference.migrations")
    yield PredictionStore(engine)
    engine.dispose()
    with server.begin() as connection:
        connection.execute(sa.text(f"DROP SCHEMA {schema} CASCADE"))
    server.dispose()


def prediction(number: int) -> Prediction:
    return Prediction(
        "m",
        3,
        "d" * 64,
        Task.MULTILABEL,
        (Score("MI", number / 10, "22298006", "", 0.4), Score("CD", 0.25)),
        f"rec-{number}",
        f"tag {number}",
        (Remark("lead_derived", "Computed.", "aVL"),),
        "a" * 64,
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        2,
    )


def test_predictions_come_back_as_they_were(store: PredictionStore) -> None:
    truth = Truth(("MI",), {"qt_ms": 400.5}, "p1", True)
    refused = Prediction("m", 3, "d", None, error_reason="MISSING_LEAD", error_message="No V1.")
    kept = [PlacedPrediction(0, prediction(1), truth), PlacedPrediction(1, refused)]
    store.add("op", kept)
    assert list(store.all("op")) == kept


def test_places_that_are_taken_keep_what_they_have(store: PredictionStore) -> None:
    store.add("op", [PlacedPrediction(0, prediction(1))])
    store.add("op", [PlacedPrediction(0, prediction(7)), PlacedPrediction(1, prediction(2))])
    assert [one.prediction for one in store.all("op")] == [prediction(1), prediction(2)]
    assert store.next_position("op") == 2
    assert store.next_position("another") == 0


def test_pages_follow_each_other_without_gap_or_repetition(store: PredictionStore) -> None:
    store.add("op", [PlacedPrediction(number, prediction(number)) for number in range(25)])
    found, token, pages = [], "", 0
    while True:
        page, token = store.page("op", page_size=10, page_token=token)
        found += [one.prediction for one in page]
        pages += 1
        if not token:
            break
    assert pages == 3
    assert found == [prediction(number) for number in range(25)]


@pytest.mark.parametrize("token", ["x", "-1", "1; DROP TABLE", "²", "9" * 40])
def test_a_token_that_was_never_given_is_refused(store: PredictionStore, token: str) -> None:
    with pytest.raises(InvalidArgument):
        store.page("op", page_token=token)
