"""Small services with a memory, served for real, for the client to talk to."""

# ruff: noqa: N802 (the methods have the names of the RPCs)

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio

from precordia.errors import OperationNotFound, RecordingNotFound
from precordia.rpc.server import ServiceApp, serving
from precordia.rpc.settings import ServerSettings
from precordia.v1 import (
    ingest_pb2,
    ingest_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
    types_pb2,
)


class Files:
    """Collects an upload as a service does: headers open files, chunks fill them."""

    def __init__(self) -> None:
        self.headers: list[Any] = []
        self.contents: list[bytes] = []
        self.largest = 0

    def take(self, header: Any) -> None:
        self.headers.append(header)
        self.contents.append(b"")

    def fill(self, chunk: bytes) -> None:
        self.largest = max(self.largest, len(chunk))
        self.contents[-1] += chunk

    def arrived_whole(self) -> bool:
        pairs = zip(self.headers, self.contents, strict=True)
        return all((h.size_bytes, h.sha256) == (len(c), hashlib.sha256(c).hexdigest()) for h, c in pairs)


class Ingest(ingest_pb2_grpc.IngestServiceServicer):
    """Remembers imports; lists seven recordings in pages; hands out one shard, whole or damaged."""

    def __init__(self) -> None:
        self.header: ingest_pb2.ImportHeader | None = None
        self.files = Files()
        self.damage = False

    async def ImportRecording(self, requests: Any, context: Any) -> ingest_pb2.ImportRecordingResponse:
        async for part in requests:
            match part.WhichOneof("part"):
                case "header":
                    self.header = part.header
                case "file":
                    self.files.take(part.file)
                case _:
                    self.files.fill(part.chunk)
        return ingest_pb2.ImportRecordingResponse(
            recordings=[types_pb2.Recording(recording_id="rec-1", format="wfdb")], created=True
        )

    async def GetRecording(self, request: Any, context: Any) -> Any:
        raise RecordingNotFound("No recording has this id.", name="rec")

    async def ListRecordings(self, request: Any, context: Any) -> ingest_pb2.ListRecordingsResponse:
        first = int(request.page_token or 0)
        last = min(first + request.page_size, 7)
        found = [types_pb2.Recording(recording_id=f"rec-{n}") for n in range(first, last)]
        return ingest_pb2.ListRecordingsResponse(recordings=found, next_page_token=str(last) if last < 7 else "")

    async def StreamShard(self, request: Any, context: Any) -> AsyncIterator[ingest_pb2.StreamShardResponse]:
        yield ingest_pb2.StreamShardResponse(chunk=b"first ")
        yield ingest_pb2.StreamShardResponse(chunk=b"SECOND" if self.damage else b"second")

    async def ExportRecordings(self, request: Any, context: Any) -> AsyncIterator[ingest_pb2.ExportRecordingsResponse]:
        for name in request.recording_ids:
            content = name.encode() * 3
            header = ingest_pb2.UploadHeader(
                file_name=f"{name}.{request.format}",
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            )
            yield ingest_pb2.ExportRecordingsResponse(file=header)
            for place in range(0, len(content), 4):
                yield ingest_pb2.ExportRecordingsResponse(chunk=content[place : place + 4])


class Work(operations_pb2_grpc.OperationsServiceServicer):
    """One operation with `events` numbered events; a watch breaks off after `break_after` of them, once."""

    def __init__(self, events: int, break_after: int) -> None:
        self.events = events
        self.break_after = break_after
        self.watches: list[int] = []

    async def GetOperation(self, request: Any, context: Any) -> operations_pb2.GetOperationResponse:
        if request.operation_id != "op-1":
            raise OperationNotFound("No operation has this id.")
        operation = operations_pb2.Operation(
            operation_id="op-1", kind="train", state=operations_pb2.OPERATION_STATE_SUCCEEDED, result_json='{"n":3}'
        )
        if len(self.watches) == 1 and self.break_after:
            operation.state = operations_pb2.OPERATION_STATE_RUNNING
        return operations_pb2.GetOperationResponse(operation=operation)

    async def WatchOperation(self, request: Any, context: Any) -> AsyncIterator[operations_pb2.WatchOperationResponse]:
        self.watches.append(request.after_number)
        last = self.break_after if len(self.watches) == 1 and self.break_after else self.events
        for number in range(request.after_number + 1, last + 1):
            event = operations_pb2.OperationEvent(number=number, kind="epoch", payload_json=f'{{"epoch":{number}}}')
            yield operations_pb2.WatchOperationResponse(event=event)


class Registry(registry_pb2_grpc.RegistryServiceServicer):
    """Keeps one published model in memory and hands it out again."""

    def __init__(self) -> None:
        self.header: registry_pb2.PublishHeader | None = None
        self.files = Files()

    def _version(self) -> registry_pb2.ModelVersion:
        assert self.header is not None
        return registry_pb2.ModelVersion(
            name=self.header.name, version=1, digest="d", manifest_json=self.header.manifest_json
        )

    async def PublishModel(self, requests: Any, context: Any) -> registry_pb2.PublishModelResponse:
        async for part in requests:
            match part.WhichOneof("part"):
                case "header":
                    self.header = part.header
                case "artifact":
                    self.files.take(part.artifact)
                case _:
                    self.files.fill(part.chunk)
        return registry_pb2.PublishModelResponse(model_version=self._version(), created=True)

    async def FetchModel(self, request: Any, context: Any) -> AsyncIterator[registry_pb2.FetchModelResponse]:
        yield registry_pb2.FetchModelResponse(header=self._version())
        for header, content in zip(self.files.headers, self.files.contents, strict=True):
            yield registry_pb2.FetchModelResponse(artifact=header)
            yield registry_pb2.FetchModelResponse(chunk=content)


@asynccontextmanager
async def served(name: str, add: Any, servicer: Any, listen: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Serve a servicer as the services do; gives its address."""

    def register(server: grpc.aio.Server) -> None:
        add(servicer, server)

    settings = ServerSettings(listen=listen, drain_s=0.2)
    async with serving(ServiceApp(name, settings, register, (f"precordia.v1.{name.title()}Service",))) as address:
        yield address
