"""What an answer rests on tells answers apart that may differ, over the wire and in the list of kept ones."""

from __future__ import annotations

import asyncio
import json

import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.prediction import PredictInput, Prediction
from tests.services.inference import ecg_study
from tests.services.inference.graphs import bias_graph, contract

MODEL = ModelRef("m")


async def under(precordia: Connection, recording_id: str, revision: int) -> Prediction:
    """An answer given when the service knows of a revision of the operating points."""
    async with asyncio.timeout(120):
        while True:
            (one,) = await precordia.inference.predict(MODEL, [PredictInput(recording_id)])
            if one.operating_points_revision == revision:
                return one
            await asyncio.sleep(0.02)


async def test_another_calibration_is_another_revision_beside_the_same_input_and_model(precordia: Connection) -> None:
    await precordia.registry.publish(
        "m", contract("a"), {"model.onnx": bias_graph(0.8)}, Lineage("imported"), operating_points_json=""
    )
    imported = await precordia.ingest.import_source(ecg_study.study(1), ecg_study.HINTS)
    recording_id = imported.recordings[0].recording_id
    given = [await under(precordia, recording_id, 0)]
    for revision, points in enumerate(({"temperature": 2.0}, {"temperature": 4.0}), 1):
        await precordia.registry.set_operating_points("m", 1, json.dumps(points))
        given.append(await under(precordia, recording_id, revision))
    assert len({one.input_sha256 for one in given}) == len({one.model_digest for one in given}) == 1
    assert [one.score("a") for one in given] == pytest.approx([0.8, 0.4, 0.2])
    kept = [one.prediction async for one in precordia.inference.kept()]
    assert (kept[0].operating_points_revision, kept[-1].operating_points_revision) == (2, 0)
    assert {(one.operating_points_revision, one.score("a")) for one in kept} == {
        (one.operating_points_revision, one.score("a")) for one in given
    }
