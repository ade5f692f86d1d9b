"""Keeping as callers see it: a database that somebody else has locked, and predictions that were removed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.dataset import LabelScheme, SplitRef
from precordia.errors import PredictionsRemoved
from precordia.operation import OperationState
from precordia.prediction import PredictInput, Priority
from precordia.storage.database import open_database
from services.inference.keeping.store import PredictionStore
from tests.services.inference import ecg_study

WAY = ModelRef("way")


async def study(precordia: Connection) -> list[str]:
    """A model, and a labelled dataset of four; ids of its recordings."""
    graph, manifest = ecg_study.way_model()
    await precordia.registry.publish("way", manifest, {"model.onnx": graph}, Lineage("imported"))
    answer = await precordia.ingest.import_source(ecg_study.study(4), ecg_study.HINTS, "study")
    await precordia.ingest.import_labels("study", "labels.csv", ecg_study.labels(4), LabelScheme.TABLE)
    return [recording.recording_id for recording in answer.recordings]


async def test_a_locked_database_costs_a_warning_and_no_answer(precordia: Connection, tmp_path: Path) -> None:
    first, second, *_ = await study(precordia)
    await precordia.inference.predict(WAY, [PredictInput(second)])
    with closing(sqlite3.connect(tmp_path / "inference" / "inference.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        (unkept,) = await precordia.inference.predict(WAY, [PredictInput(first)], Priority.STAT, timeout_s=60)
        other.execute("ROLLBACK")
    (kept,) = await precordia.inference.predict(WAY, [PredictInput(first)], timeout_s=60)
    assert [remark.code for remark in unkept.remarks if "kept" in remark.code] == ["not_kept"]
    assert [remark.code for remark in kept.remarks if "kept" in remark.code] == []
    listed = [one.prediction async for one in precordia.inference.kept()]
    assert [one.recording_id for one in listed] == [first, second]
    assert listed[0].predicted_at == kept.predicted_at


async def test_removed_predictions_of_an_operation_are_told_as_removed(precordia: Connection, tmp_path: Path) -> None:
    await study(precordia)
    started = await precordia.inference.predict_dataset(WAY, SplitRef("study"))
    async with asyncio.timeout(240):
        ended = await precordia.inference.operations.wait(started.operation_id)
    assert ended.state is OperationState.SUCCEEDED, ended.error_message
    database = open_database(f"sqlite:///{tmp_path}/inference/inference.db", "services.inference.migrations")
    assert PredictionStore(database).forget(datetime.now(UTC) + timedelta(days=1), 1000, days=90) == 4
    database.dispose()
    with pytest.raises(PredictionsRemoved, match="kept for 90 days") as removed:
        _ = [one async for one in precordia.inference.predictions(started.operation_id)]
    assert removed.value.details["days"] == "90"
    again = await precordia.inference.operations.get(started.operation_id)
    assert again.result["predicted"] == 4
