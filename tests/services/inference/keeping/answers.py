"""Answers about stored recordings, and the database that they are kept in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from precordia.manifest import Task
from precordia.prediction import KeptQuery, Prediction, Score
from precordia.record import Remark
from precordia.storage.database import open_database
from services.inference.keeping.kept import KeptPredictions

NOON = datetime(2026, 3, 4, 12, 0, 0, 250, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[sa.Engine]:
    engine = open_database(database_url, "services.inference.migrations")
    yield engine
    engine.dispose()


def said(number: int, *, model: str = "m", version: int = 1, recording: str = "", minute: int = 0) -> Prediction:
    return Prediction(
        model,
        version,
        f"{version}" * 64,
        Task.MULTILABEL,
        (Score("MI", number / 10, "22298006", "", 0.4), Score('CLBBB|"L', 1 - number / 10)),
        recording or f"rec-{number}",
        "",
        (Remark("lead_derived", "Computed.", "aVL"),),
        "a" * 64,
        NOON + timedelta(minutes=minute),
        2,
        operating_points_revision=3,
    )


def listed(kept: KeptPredictions, **query: object) -> list[str]:
    page, _ = kept.page(KeptQuery(**query))  # type: ignore[arg-type]  # the tests name its fields
    return [one.prediction.recording_id for one in page]
