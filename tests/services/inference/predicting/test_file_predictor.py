"""One call from a file's bytes to scores, beside a real ingest; and what is kept of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.errors import InvalidArgument, MissingField, ModelNotFound, UnknownFormat
from precordia.leads import STANDARD_LEADS
from precordia.prediction import KeptPrediction, KeptQuery, PredictInput
from precordia.record import Hints
from precordia.source import Source
from precordia.v1 import inference_pb2 as pb
from tests.services.inference import ecg_study
from tests.services.inference.graphs import contract, linear_graph
from tests.services.ingest.ecg_files import counts, wfdb

LEVEL = ModelRef("level")
SAMPLES = 1000


async def publish(precordia: Connection) -> None:
    """A model that gives the mean of lead II in mV, of 2 s at 100 Hz."""
    weights = np.zeros((12, 1))
    weights[STANDARD_LEADS.index("II")] = 1.0
    graph = linear_graph(weights, np.zeros(1))
    await precordia.registry.publish("level", contract("II"), {"model.onnx": graph}, Lineage("imported"))


def ecg(seed: int = 0) -> Source:
    return wfdb(seed=seed, rate_hz=100, samples=200)


def level_ii(seed: int = 0) -> float:
    return float(counts(seed).astype(np.float64)[:, STANDARD_LEADS.index("II")].mean() / 200)


async def kept(precordia: Connection, query: KeptQuery | None = None) -> list[KeptPrediction]:
    return [one async for one in precordia.inference.kept(query or KeptQuery())]


async def test_a_file_with_its_companion_is_imported_scored_and_kept(precordia: Connection) -> None:
    await publish(precordia)
    predicted = await precordia.inference.predict_file(LEVEL, ecg(), dataset="inbox")
    (recording,), (prediction,) = predicted.recordings, predicted.predictions
    assert predicted.created
    assert (recording.format, recording.sample_rate_hz, recording.samples) == ("wfdb", 100, 200)
    assert prediction.score("II") == pytest.approx(level_ii(), abs=1e-4)
    assert prediction.recording_id == recording.recording_id
    stored = await precordia.ingest.get_recording(recording.recording_id)
    assert stored.source_sha256 == ecg().sha256()
    assert [one.recording_id async for one in precordia.ingest.recordings("inbox")] == [recording.recording_id]
    (by_id,) = await precordia.inference.predict(LEVEL, [PredictInput(recording.recording_id)])
    assert (by_id.input_sha256, by_id.scores) == (prediction.input_sha256, prediction.scores)
    later, first = await kept(precordia)
    assert first.prediction == replace(prediction, tag="")
    assert later.prediction.predicted_at == by_id.predicted_at


async def test_the_same_file_again_is_the_same_recording_and_another_answer(precordia: Connection) -> None:
    await publish(precordia)
    first = await precordia.inference.predict_file(LEVEL, ecg())
    again = await precordia.inference.predict_file(LEVEL, ecg())
    assert not again.created
    assert again.recordings[0].recording_id == first.recordings[0].recording_id
    assert len(await kept(precordia, KeptQuery(recording_id=first.recordings[0].recording_id))) == 2


async def test_without_keeping_a_file_leaves_nothing_behind(precordia: Connection) -> None:
    await publish(precordia)
    predicted = await precordia.inference.predict_file(LEVEL, ecg(3), keep=False)
    (recording,), (prediction,) = predicted.recordings, predicted.predictions
    assert prediction.score("II") == pytest.approx(level_ii(3), abs=1e-4)
    assert (recording.recording_id, prediction.recording_id, predicted.created) == ("", "", False)
    assert [one async for one in precordia.ingest.recordings()] == []
    assert await kept(precordia) == []


async def test_every_recording_of_a_file_has_its_scores(precordia: Connection) -> None:
    await publish(precordia)
    predicted = await precordia.inference.predict_file(LEVEL, ecg_study.study(9), ecg_study.HINTS)
    assert [one.source_record for one in predicted.recordings] == [one.tag for one in predicted.predictions]
    found = [one.score("II") for one in predicted.predictions]
    assert found == pytest.approx(ecg_study.level_ii(9).tolist(), abs=0.01)
    highest = await kept(precordia, KeptQuery(model="level", label="II", at_least=0.7))
    assert sorted(one.prediction.score("II") for one in highest) == sorted(x for x in found if x >= 0.7)


async def test_what_ingest_refuses_is_refused_in_its_words(precordia: Connection) -> None:
    await publish(precordia)
    with pytest.raises(UnknownFormat):
        await precordia.inference.predict_file(LEVEL, Source("x.bin", b"no ECG at all \x00\x01"))
    rows = "\n".join(",".join(map(str, row)) for row in counts().tolist())
    csv = Source("ecg.csv", (",".join(STANDARD_LEADS) + "\n" + rows).encode())
    with pytest.raises(MissingField) as refused:
        await precordia.inference.predict_file(LEVEL, csv)
    assert refused.value.field == "sample_rate_hz"
    hints = Hints(sample_rate_hz=100.0, gain_adu_per_mv=200.0)
    await precordia.ingest.save_profile("cart", hints)
    by_profile = await precordia.inference.predict_file(LEVEL, csv, profile="cart")
    assert by_profile.predictions[0].score("II") == pytest.approx(level_ii(), abs=1e-4)
    with pytest.raises(ModelNotFound):
        await precordia.inference.predict_file(ModelRef("nobody"), ecg())


async def _stream(*parts: Any) -> AsyncIterator[Any]:
    for part in parts:
        yield part


@pytest.mark.parametrize("parts", [(), ("file",), ("header", "header"), ("header",), ("header", "chunk")])
async def test_a_stream_out_of_order_is_refused(precordia: Connection, parts: tuple[str, ...]) -> None:
    await publish(precordia)
    messages = {
        "header": pb.PredictFileRequest(header=pb.PredictFileHeader(model={"name": "level"})),
        "file": pb.PredictFileRequest(file={"file_name": "a", "size_bytes": 3, "sha256": "0" * 64}),
        "chunk": pb.PredictFileRequest(chunk=b"abc"),
    }
    inference = precordia.inference
    with pytest.raises(InvalidArgument):
        await inference._peer.call(inference._stub.PredictFile, _stream(*(messages[part] for part in parts)))


async def test_the_calls_of_the_integration_guide_work_without_our_stubs(precordia: Connection) -> None:
    """As grpcurl makes them: names and types by reflection, values as JSON."""
    await publish(precordia)
    address, source = precordia.inference._peer.address, ecg(5)
    files = [(source.name, source.content), *source.companions.items()]
    said = [{"header": {"model": {"name": "level"}, "priority": "PRIORITY_STAT"}}]
    for name, content in files:
        sha256 = hashlib.sha256(content).hexdigest()
        said += [{"file": {"fileName": name, "sizeBytes": str(len(content)), "sha256": sha256}}]
        said += [{"chunk": _base64(content)}]
    (answer,) = await _as_grpcurl(address, "PredictFile", *said)
    (prediction,) = answer["predictions"]
    assert prediction["scores"][0]["value"] == pytest.approx(level_ii(5), abs=1e-4)
    (listed,) = await _as_grpcurl(address, "ListKeptPredictions", {"label": "II", "atLeast": -9.0, "pageSize": 10})
    assert listed["predictions"][0]["prediction"]["recordingId"] == answer["recordings"][0]["recordingId"]


def _base64(content: bytes) -> str:
    encoded: str = json_format.MessageToDict(pb.PredictFileRequest(chunk=content))["chunk"]
    return encoded


async def _as_grpcurl(address: str, method: str, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    import asyncio

    def call() -> list[dict[str, Any]]:
        with grpc.insecure_channel(address) as channel:
            pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
            described = pool.FindServiceByName("precordia.v1.InferenceService").FindMethodByName(method)
            asked, answered = GetMessageClass(described.input_type), GetMessageClass(described.output_type)
            invoke = channel.stream_stream(
                f"/precordia.v1.InferenceService/{method}", asked.SerializeToString, answered.FromString
            )
            messages = [json_format.ParseDict(request, asked()) for request in requests]
            return [json_format.MessageToDict(message) for message in invoke(iter(messages), timeout=60)]

    return await asyncio.to_thread(call)
