"""Calls that our client would never make: raw messages over a real channel, and tables of nonsense to send."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from precordia.client import Addresses
from precordia.client.peer import Peer
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Manifest
from precordia.v1 import (
    inference_pb2,
    inference_pb2_grpc,
    ingest_pb2,
    ingest_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
    trainer_pb2,
    trainer_pb2_grpc,
    types_pb2,
)
from tests.e2e.hostile_files import NAME

MODEL = "precordia-superclasses"
BIG = 2**64 - 1
IDS = [
    "%s%n%x%d",
    "../../etc/passwd",
    "' OR 1=1 --",
    "a\0b",
    "\u202e\n\r",
    "x" * 50_000,
    "{0.__class__}",
    "\U0001fac0",
    NAME,
]
TOKENS = [
    "x",
    "9" * 25,
    "9" * 5000,
    "\u0663",
    "-1",
    "1e5",
    "\U0001fac0",
    "a\0",
    "===",
    "../../etc/passwd",
    *(base64.urlsafe_b64encode(inner).decode() for inner in (b"[" * 100_000, b"[" + b"9" * 5000 + b",1]", b"{}", b"7")),
]

_STUBS = {
    "ingest": ingest_pb2_grpc.IngestServiceStub,
    "registry": registry_pb2_grpc.RegistryServiceStub,
    "inference": inference_pb2_grpc.InferenceServiceStub,
    "trainer": trainer_pb2_grpc.TrainerServiceStub,
}
_WORKERS = ("ingest", "inference", "trainer")

Named = Iterator[tuple[str, Awaitable[Any]]]


class Wire:
    """The four services by their raw stubs; what they answer comes back as our errors."""

    def __init__(self, addresses: Addresses) -> None:
        self._peers = {service: Peer(service, addresses.of(service)) for service in _STUBS}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in self._peers.values():
            await peer.close()

    async def ask(self, service: str, method: str, request: Any) -> Any:
        """A call with one message."""
        return await self._peers[service].call(self._method(service, method), request)

    async def send(self, service: str, method: str, messages: Sequence[Any]) -> Any:
        """A call with a stream of messages."""
        return await self._peers[service].call(self._method(service, method), _stream(messages))

    async def first(self, service: str, method: str, request: Any) -> Any:
        """The first message that a stream answers; None where it ends without any."""
        async for answer in self._peers[service].stream(self._method(service, method), request):
            return answer
        return None

    async def raw(self, service: str, method: str, content: bytes) -> Any:
        """A call with bytes that need not be a message."""
        peer = self._peers[service]
        return await peer.call(peer.channel.unary_unary(_path(service, method)), content)

    async def raw_stream(self, service: str, method: str, contents: Sequence[bytes]) -> Any:
        """As `raw`, in a stream."""
        peer = self._peers[service]
        return await peer.call(peer.channel.stream_unary(_path(service, method)), _stream(contents))

    def calls_with(self, name: str) -> Named:
        """Every call that takes an identifier, with this one; none of them may find anything."""
        ref, alias = types_pb2.ModelRef(name=name), types_pb2.ModelRef(name=MODEL, alias=name)
        split = types_pb2.SplitRef(dataset="real", split=name)
        one = inference_pb2.PredictInput(recording_id="rec-1")
        asked: list[tuple[str, str, Any]] = [
            ("ingest", "GetRecording", ingest_pb2.GetRecordingRequest(recording_id=name)),
            ("ingest", "DeleteRecording", ingest_pb2.DeleteRecordingRequest(recording_id=name)),
            ("ingest", "GetSignal", ingest_pb2.GetSignalRequest(recording_id=name)),
            ("ingest", "GetDataset", ingest_pb2.GetDatasetRequest(name=name)),
            ("ingest", "CreateDataset", ingest_pb2.CreateDatasetRequest(name=name)),
            ("ingest", "DeleteDataset", ingest_pb2.DeleteDatasetRequest(name=name)),
            ("ingest", "AddRecordings", ingest_pb2.AddRecordingsRequest(dataset="real", recording_ids=[name])),
            ("ingest", "ListRecordings", ingest_pb2.ListRecordingsRequest(dataset=name)),
            ("ingest", "CreateSnapshot", ingest_pb2.CreateSnapshotRequest(dataset=name)),
            ("ingest", "ListSnapshots", ingest_pb2.ListSnapshotsRequest(dataset=name)),
            ("ingest", "OpenSnapshot", ingest_pb2.OpenSnapshotRequest(split=split)),
            ("registry", "GetModelVersion", registry_pb2.GetModelVersionRequest(model=ref)),
            ("registry", "GetModelVersion", registry_pb2.GetModelVersionRequest(model=alias)),
            ("registry", "ListModelVersions", registry_pb2.ListModelVersionsRequest(name=name)),
            ("registry", "DeleteModelVersion", registry_pb2.DeleteModelVersionRequest(name=name, version=1)),
            ("registry", "SetAlias", registry_pb2.SetAliasRequest(name=name, alias="a", version=1)),
            ("registry", "SetAlias", registry_pb2.SetAliasRequest(name=MODEL, alias=name, version=1)),
            ("registry", "DeleteAlias", registry_pb2.DeleteAliasRequest(name=MODEL, alias=name)),
            ("registry", "GetLineage", registry_pb2.GetLineageRequest(model=ref)),
            ("inference", "LoadModel", inference_pb2.LoadModelRequest(model=ref)),
            ("inference", "LoadModel", inference_pb2.LoadModelRequest(model=alias)),
            ("inference", "UnloadModel", inference_pb2.UnloadModelRequest(model=ref)),
            ("inference", "Predict", inference_pb2.PredictRequest(model=ref, inputs=[one])),
            ("inference", "PredictDataset", inference_pb2.PredictDatasetRequest(model=ref, split=split)),
            ("inference", "ListPredictions", inference_pb2.ListPredictionsRequest(operation_id=name)),
        ]
        for service, method, request in asked:
            yield method, self.ask(service, method, request)
        yield from self._streams_with(name, ref)
        yield from self._operations_with(name)

    def _streams_with(self, name: str, ref: types_pb2.ModelRef) -> Named:
        asked: list[tuple[str, str, Any]] = [
            ("ingest", "StreamNativeSignal", ingest_pb2.StreamNativeSignalRequest(recording_id=name)),
            ("ingest", "StreamSource", ingest_pb2.StreamSourceRequest(recording_id=name)),
            ("ingest", "StreamShard", ingest_pb2.StreamShardRequest(shard_id=name)),
            ("ingest", "ExportRecordings", ingest_pb2.ExportRecordingsRequest(recording_ids=[name], format="csv")),
            ("ingest", "ExportRecordings", ingest_pb2.ExportRecordingsRequest(recording_ids=["rec-1"], format=name)),
            ("registry", "FetchModel", registry_pb2.FetchModelRequest(model=ref)),
        ]
        for service, method, request in asked:
            yield method, self.first(service, method, request)

    def _operations_with(self, name: str) -> Named:
        for service in _WORKERS:
            peer = self._peers[service]
            stub = peer.stub(operations_pb2_grpc.OperationsServiceStub)
            yield "GetOperation", peer.call(stub.GetOperation, operations_pb2.GetOperationRequest(operation_id=name))
            cancel = operations_pb2.CancelOperationRequest(operation_id=name)
            yield "CancelOperation", peer.call(stub.CancelOperation, cancel)

    def pages_with(self, operation_id: str, token: str, size: int) -> Named:
        """Every list, with this token and page size."""
        page: dict[str, Any] = {"page_token": token, "page_size": size}
        asked: list[tuple[str, str, Any]] = [
            ("ingest", "ListRecordings", ingest_pb2.ListRecordingsRequest(**page)),
            ("ingest", "ListDatasets", ingest_pb2.ListDatasetsRequest(**page)),
            ("ingest", "ListSnapshots", ingest_pb2.ListSnapshotsRequest(dataset="real", **page)),
            ("registry", "ListModels", registry_pb2.ListModelsRequest(**page)),
            ("registry", "ListModelVersions", registry_pb2.ListModelVersionsRequest(name=MODEL, **page)),
            ("inference", "ListPredictions", inference_pb2.ListPredictionsRequest(operation_id=operation_id, **page)),
        ]
        for service, method, request in asked:
            # A number is a place in these two lists, and a word in that one: nothing is behind them.
            numeric = token.isascii() and token.isdigit() and len(token) < 19
            if (
                not (method == "ListModels" and token.isascii() and token.isalnum() and len(token) < 129)
                and not numeric
            ):
                yield method, self.ask(service, method, request)

    def _method(self, service: str, method: str) -> Any:
        return getattr(self._peers[service].stub(_STUBS[service]), method)


def _path(service: str, method: str) -> str:
    return f"/precordia.v1.{service.title()}Service/{method}"


async def _stream(messages: Sequence[Any]) -> AsyncIterator[Any]:
    for message in messages:
        yield message


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def import_streams(content: bytes, *, hints: types_pb2.Hints | None = None) -> dict[str, list[Any]]:
    """Streams of ImportRecording that are none; with hints, one that is right but for them, called "sound"."""
    request, upload = ingest_pb2.ImportRecordingRequest, ingest_pb2.UploadHeader
    header = request(header=ingest_pb2.ImportHeader(hints=hints))
    file = request(file=upload(file_name="a.npy", size_bytes=len(content), sha256=_sha256(content)))
    chunk, large = request(chunk=content), bytes(3 << 20)
    if hints is not None:
        return {"sound": [header, file, chunk]}

    def announcing(**changes: Any) -> Any:
        usual = {"file_name": "a.npy", "size_bytes": len(content), "sha256": _sha256(content)}
        return request(file=upload(**(usual | changes)))

    empty = [announcing(file_name=str(index), size_bytes=0, sha256=_sha256(b"")) for index in range(300)]
    return {
        "nothing": [],
        "an empty message": [request()],
        "a chunk first": [chunk],
        "a file first": [file, chunk],
        "two headers": [header, header],
        "no file": [header],
        "a chunk of no file": [header, chunk],
        "fewer bytes": [header, file, request(chunk=content[:10])],
        "more bytes": [header, file, chunk, chunk],
        "another hash": [header, announcing(sha256="0" * 64), chunk],
        "no hash": [header, announcing(sha256="../../x"), chunk],
        "announced far too large": [header, announcing(size_bytes=BIG), chunk],
        "a large chunk": [header, announcing(size_bytes=len(large), sha256=_sha256(large)), request(chunk=large)],
        "no name": [header, announcing(file_name="../.."), chunk],
        "the same name twice": [header, file, chunk, file, chunk],
        "too many files": [header, *empty],
    }


def publish_streams(graph: bytes, contract: Manifest) -> dict[str, list[Any]]:
    """Streams of PublishModel that are none."""
    request, text = registry_pb2.PublishModelRequest, contract.canonical()
    stated = json.loads(text)

    def head(**changes: Any) -> Any:
        lineage = registry_pb2.Lineage(origin="trained")
        usual: dict[str, Any] = {"name": "evil", "manifest_json": text, "lineage": lineage}
        return request(header=registry_pb2.PublishHeader(**(usual | changes)))

    def file(name: str = "model.onnx", size: int = len(graph), sha256: str = _sha256(graph)) -> Any:
        return request(artifact=registry_pb2.ArtifactHeader(name=name, size_bytes=size, sha256=sha256))

    def with_input(**changes: Any) -> str:
        return json.dumps(stated | {"input": stated["input"] | changes})

    chunk = request(chunk=graph)
    heads = {
        "a path as name": head(name="../x"),
        "latest": head(aliases=["latest"]),
        "aliases": head(aliases=[f"a{index}" for index in range(100_000)]),
        "origin": head(lineage=registry_pb2.Lineage(origin="x")),
        "nested details": head(lineage=registry_pb2.Lineage(origin="trained", details_json="[" * 100_000)),
        "nested manifest": head(manifest_json="[" * 1_000_000),
        "surrogate": head(manifest_json=text.replace("NORM", "\\ud800")),
        "huge manifest": head(manifest_json=json.dumps(stated | {"origin": {"x": "y" * (8 << 20)}})),
        "endless input": head(manifest_json=with_input(duration_s=1e300)),
        "endless number": head(manifest_json=text.replace("10.0", "9" * 5000)),
        "request id": head(request_id="x" * 1000),
    }
    weights = b"\xff" * 9
    return {
        "nothing": [],
        "an empty message": [request()],
        "a chunk first": [chunk],
        "a file first": [file()],
        "two headers": [head(), head()],
        "no file": [head()],
        "fewer bytes": [head(), file(), request(chunk=graph[:5])],
        "more bytes": [head(), file(), request(chunk=graph + b"x")],
        "another hash": [head(), file(sha256="0" * 64), chunk],
        "a path as file": [head(), file("../../x"), chunk],
        "announced far too large": [head(), file(size=BIG), chunk],
        "too many files": [head(), *(file(f"f{index}", 0, _sha256(b"")) for index in range(100))],
        "no weights": [head(), file(), chunk, file("weights.safetensors", 9, _sha256(weights)), request(chunk=weights)],
        **{what: [first, file(), chunk] for what, first in heads.items()},
    }


_SAMPLES = np.random.default_rng(0).normal(0, 0.3, (12, 1000)).astype("<f4")


def _signal(**changes: Any) -> types_pb2.Signal:
    usual: dict[str, Any] = {
        "lead_names": list(STANDARD_LEADS),
        "samples": 1000,
        "sample_rate_hz": 100,
        "unit": types_pb2.SIGNAL_UNIT_MILLIVOLT,
        "sample_type": types_pb2.SAMPLE_TYPE_FLOAT32,
        "data": _SAMPLES.tobytes(),
    }
    return types_pb2.Signal(**(usual | changes))


SOUND = _signal()
"""A signal that is scored (noise, and no ECG, which a model cannot know)."""


def signals() -> dict[str, tuple[types_pb2.Signal, str]]:
    """Signals that are none, each with the reason of its own error; empty where the whole request is refused."""
    whole, step = "", types_pb2.Step
    counts = {"sample_type": types_pb2.SAMPLE_TYPE_INT16, "data": bytes(24_000)}
    long = {"sample_type": types_pb2.SAMPLE_TYPE_INT16, "scale": 0.001, "data": bytes(20_000_000)}
    infinite, missing = (np.full((12, 1000), value, "<f4").tobytes() for value in (np.inf, np.nan))
    extreme = np.tile(np.array([3e38, -3e38], "<f4"), 6000).tobytes()
    return {
        "nothing is known": (_signal(data=missing), "MISSING_LEAD"),
        "a single sample": (_signal(samples=1, data=bytes(48)), "INVALID_INPUT"),
        "a flat line": (_signal(data=bytes(48_000)), "INVALID_INPUT"),
        "extremes": (_signal(data=extreme), "INVALID_MODEL"),
        "one lead of 10 million samples": (_signal(lead_names=["I"], samples=10_000_000, **long), "MISSING_LEAD"),
        "three days of one lead": (
            _signal(lead_names=["I"], samples=10_000_000, sample_rate_hz=38.0, **long),
            "TOO_LARGE",
        ),
        "a day at 0.01 Hz": (_signal(sample_rate_hz=0.01), "CONDITIONING_CONFLICT"),
        "no rate to speak of": (_signal(sample_rate_hz=1e-300), "TOO_LARGE"),
        "one lead": (_signal(lead_names=["I"], data=_SAMPLES[0].tobytes()), "MISSING_LEAD"),
        "nanoseconds": (_signal(sample_rate_hz=1e6), "INVALID_ARGUMENT"),
        "infinity": (_signal(data=infinite), whole),
        "too few bytes": (_signal(data=b"x"), whole),
        "no samples": (_signal(samples=0, data=b""), whole),
        "declared far too large": (_signal(samples=2**63), whole),
        "no unit": (_signal(unit=0), whole),
        "a unit of the future": (_signal(unit=99), whole),
        "no type": (_signal(sample_type=0), whole),
        "no scale": (_signal(**counts), whole),
        "scale NaN": (_signal(scale=math.nan, **counts), whole),
        **{f"rate {rate}": (_signal(sample_rate_hz=rate), whole) for rate in (0, -1, math.nan, math.inf, 1e300)},
        "one lead twelve times": (_signal(lead_names=["I"] * 12), whole),
        "a hundred thousand leads": (_signal(lead_names=["I"] * 100_000), whole),
        "no leads": (_signal(lead_names=[]), whole),
        "unknown step": (_signal(applied=[step(name="magic")]), whole),
        "nested step": (_signal(applied=[step(name="z_score", parameters_json="[" * 100_000)]), whole),
        "a thousand steps": (_signal(applied=[step(name="z_score")] * 1000), whole),
    }


def specs() -> dict[str, tuple[str, trainer_pb2.TrainingSpec]]:
    """Training runs that cannot be, with the name of the model."""
    real = types_pb2.SplitRef(dataset="real")

    def spec(**changes: Any) -> trainer_pb2.TrainingSpec:
        usual: dict[str, Any] = {"train": real, "base": "InceptionTime", "label_group": "super"}
        return trainer_pb2.TrainingSpec(**(usual | changes))

    overrides = {
        "nested": "[" * 100_000,
        "NaN": '{"averaging": NaN}',
        "no number": '{"batch_size": "x"}',
        "no setting": '{"__class__": 1}',
        "surrogate": '{"\\ud800": 1}',
        "endless": '{"batch_size": ' + "9" * 400 + "}",
        "a list": "[]",
    }
    changes: dict[str, dict[str, Any]] = {
        **{f"rate {rate}": {"sample_rate_hz": rate} for rate in (-1, math.nan, math.inf, 1e300)},
        **{f"duration {time}": {"duration_s": time} for time in (-1, math.nan, math.inf, 1e300)},
        **{f"learning rate {rate}": {"max_learning_rate": rate} for rate in (-1, math.nan, math.inf)},
        **{f"overrides {what}": {"overrides_json": text} for what, text in overrides.items()},
        "base": {"base": "../../x"},
        "base number": {"base": "a:" + "9" * 5000},
        "leads": {"lead_names": ["I"] * 100_000},
        "labels": {"labels": ["x"] * 100_000},
        "group": {"label_group": "%s\0"},
        "recipe": {"recipe": "../../x"},
        "batch": {"batch_size": 2**32 - 1},
        "epochs": {"max_epochs": 2**32 - 1},
        "threads": {"threads": 2**32 - 1},
        "share": {"validation_fraction": 2},
        "step": {"conditioning": [types_pb2.Step(name="magic")]},
        "dataset": {"train": types_pb2.SplitRef(dataset="a\0b")},
    }
    return {
        "nothing": ("evil", trainer_pb2.TrainingSpec()),
        "name": ("../x", spec()),
        **{what: ("evil", spec(**changed)) for what, changed in changes.items()},
    }
