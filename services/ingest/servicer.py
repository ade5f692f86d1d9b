"""The edge of ingest: messages in, messages out. Every method decodes, calls and encodes."""

# ruff: noqa: N802 - method names are gRPC's spelling

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import grpc

from precordia.errors import InvalidArgument, PrecordiaError
from precordia.record import Hints
from precordia.rpc.chunks import CHUNK_BYTES, iterate_in_worker, split
from precordia.rpc.convert import dataset as datasets
from precordia.rpc.convert import recording as recordings
from precordia.rpc.convert.native import channel_chunks_to_proto
from precordia.rpc.convert.operation import operation_to_proto
from precordia.rpc.convert.record_filter import record_filter_from_proto
from precordia.rpc.convert.signal import remarks_to_proto, sample_type_from_proto, signal_to_proto
from precordia.rpc.workers import in_worker
from precordia.source import Source
from precordia.v1 import ingest_pb2 as pb
from precordia.v1 import ingest_pb2_grpc, types_pb2
from services.ingest.assembly import FileHeader, SourceAssembly
from services.ingest.batch_import import StagedSource
from services.ingest.dataset_export import ExportedSplit
from services.ingest.inflight import Share
from services.ingest.ingest import Ingest
from services.ingest.label_table import MAX_TABLE_BYTES, ColumnNames
from services.ingest.signals import AnsweredSignal
from services.ingest.uploads import Upload, Uploads
from services.ingest.writers.written import WrittenFile

SERVICE = pb.DESCRIPTOR.services_by_name["IngestService"].full_name

_Context = grpc.aio.ServicerContext[Any, Any]


class IngestServicer(ingest_pb2_grpc.IngestServiceServicer):
    """Recordings, datasets, labels and snapshots over the wire."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def ImportRecording(
        self, requests: AsyncIterator[pb.ImportRecordingRequest], context: _Context
    ) -> pb.ImportRecordingResponse:
        """One source, in chunks."""
        with self._ingest.in_flight.share() as share:
            header, source = await _source(requests, self._ingest.max_source_bytes, share)
            imported = await in_worker(
                self._ingest.importer.import_source,
                source,
                await self._hints(header),
                dataset=header.dataset,
                request_id=header.request_id,
                validate_only=header.validate_only,
                deidentify=header.deidentify,
            )
            signals = await in_worker(self._ingest.imported_signals, imported) if header.with_signals else ()
        stored = map(recordings.stored_recording_to_proto, imported.recordings)
        return pb.ImportRecordingResponse(
            recordings=stored, created=imported.created, signals=map(_recording_signal, signals)
        )

    async def UploadSource(
        self, requests: AsyncIterator[pb.UploadSourceRequest], context: _Context
    ) -> pb.UploadSourceResponse:
        """One file for a later import, in chunks."""
        self._ingest.check_staging()
        upload = await _staged(requests, self._ingest.uploads)
        return pb.UploadSourceResponse(upload_id=upload.upload_id, sha256=upload.sha256)

    async def StageKnownFiles(
        self, request: pb.StageKnownFilesRequest, context: _Context
    ) -> pb.StageKnownFilesResponse:
        """Files whose bytes need not be sent."""
        headers = [_file_header(file) for file in request.files]
        return pb.StageKnownFilesResponse(upload_ids=await in_worker(self._ingest.uploads.stage_known, headers))

    async def StartImport(self, request: pb.StartImportRequest, context: _Context) -> pb.StartImportResponse:
        """Many staged files, as an operation."""
        operation = await in_worker(
            self._ingest.start_import,
            [StagedSource(one.file_name, one.upload_id, dict(one.companions)) for one in request.sources],
            await self._hints(request),
            dataset=request.dataset,
            request_id=request.request_id,
            deidentify=request.deidentify,
        )
        return pb.StartImportResponse(operation=operation_to_proto(operation))

    async def PreviewImport(
        self, requests: AsyncIterator[pb.PreviewImportRequest], context: _Context
    ) -> pb.PreviewImportResponse:
        """What a reader would do with a source."""
        with self._ingest.in_flight.share() as share:
            header, source = await _source(requests, self._ingest.max_source_bytes, share)
            preview = await in_worker(self._ingest.preview, source, await self._hints(header))
        return recordings.preview_to_proto(preview)

    async def _hints(self, header: pb.ImportHeader | pb.StartImportRequest) -> Hints:
        """What is said, and what a profile says where it is silent."""
        return await in_worker(self._ingest.profiles.fill, header.profile, recordings.hints_from_proto(header.hints))

    async def SaveProfile(self, request: pb.SaveProfileRequest, context: _Context) -> pb.SaveProfileResponse:
        """Hints under a name."""
        hints = recordings.hints_from_proto(request.hints)
        saved = await in_worker(self._ingest.profiles.save, request.name, hints)
        return pb.SaveProfileResponse(profile=recordings.profile_to_proto(saved))

    async def ListProfiles(self, request: pb.ListProfilesRequest, context: _Context) -> pb.ListProfilesResponse:
        """Every profile."""
        found = await in_worker(self._ingest.profiles.all)
        return pb.ListProfilesResponse(profiles=map(recordings.profile_to_proto, found))

    async def DeleteProfile(self, request: pb.DeleteProfileRequest, context: _Context) -> pb.DeleteProfileResponse:
        """Forget a profile."""
        await in_worker(self._ingest.profiles.delete, request.name)
        return pb.DeleteProfileResponse()

    async def GetRecording(self, request: pb.GetRecordingRequest, context: _Context) -> pb.GetRecordingResponse:
        """A recording's facts."""
        stored = await in_worker(self._ingest.recordings.get, request.recording_id)
        return pb.GetRecordingResponse(recording=recordings.stored_recording_to_proto(stored))

    async def ListRecordings(self, request: pb.ListRecordingsRequest, context: _Context) -> pb.ListRecordingsResponse:
        """A page of recordings."""
        page = await in_worker(
            self._ingest.recordings.page,
            page_size=request.page_size,
            token=request.page_token,
            dataset=request.dataset,
            source_sha256=tuple(request.source_sha256),
        )
        stored = map(recordings.stored_recording_to_proto, page.recordings)
        return pb.ListRecordingsResponse(recordings=stored, next_page_token=page.next_page_token)

    async def DeleteRecording(
        self, request: pb.DeleteRecordingRequest, context: _Context
    ) -> pb.DeleteRecordingResponse:
        """Remove a recording."""
        await in_worker(self._ingest.importer.delete, request.recording_id)
        return pb.DeleteRecordingResponse()

    async def StreamNativeSignal(
        self, request: pb.StreamNativeSignalRequest, context: _Context
    ) -> AsyncIterator[pb.StreamNativeSignalResponse]:
        """A recording's channels as the source has them."""
        async for message in iterate_in_worker(self._native_signal(request.recording_id)):
            yield message

    def _native_signal(self, recording_id: str) -> Iterator[pb.StreamNativeSignalResponse]:
        stored, place = self._ingest.recordings.get_with_place(recording_id)
        channels = self._ingest.importer.load(stored, place).channels
        yield pb.StreamNativeSignalResponse(header=recordings.stored_recording_to_proto(stored))
        for chunk in channel_chunks_to_proto(channels):
            yield pb.StreamNativeSignalResponse(chunk=chunk)

    async def GetSignal(self, request: pb.GetSignalRequest, context: _Context) -> pb.GetSignalResponse:
        """The standard leads on one time base."""
        exact = _wants_counts(request)
        signal, count, stored = await in_worker(self._ingest.signal, request.recording_id, tuple(request.lead_names))
        return pb.GetSignalResponse(
            signal=signal_to_proto(signal, int16_scale=count if exact else None),
            recording=recordings.stored_recording_to_proto(stored),
        )

    async def StreamSource(
        self, request: pb.StreamSourceRequest, context: _Context
    ) -> AsyncIterator[pb.StreamSourceResponse]:
        """The files that a recording was read from."""
        async for message in iterate_in_worker(self._source_files(request.recording_id)):
            yield message

    def _source_files(self, recording_id: str) -> Iterator[pb.StreamSourceResponse]:
        for file, chunks in self._ingest.source(recording_id):
            header = pb.UploadHeader(file_name=file.name, size_bytes=file.size_bytes, sha256=file.sha256)
            yield pb.StreamSourceResponse(file=header)
            yield from (pb.StreamSourceResponse(chunk=chunk) for chunk in chunks)

    async def ExportRecordings(
        self, request: pb.ExportRecordingsRequest, context: _Context
    ) -> AsyncIterator[pb.ExportRecordingsResponse]:
        """Recordings as files."""
        files = self._ingest.export(
            tuple(request.recording_ids),
            file_format=request.format,
            view=recordings.view_from_proto(request.view),
            sample_rate_hz=request.sample_rate_hz if request.HasField("sample_rate_hz") else None,
            deidentify=request.deidentify,
        )
        async for message in iterate_in_worker(_export_messages(files)):
            yield message

    async def ExportDataset(
        self, request: pb.ExportDatasetRequest, context: _Context
    ) -> AsyncIterator[pb.ExportDatasetResponse]:
        """A split as files for a notebook."""
        files = await in_worker(
            self._ingest.export_dataset,
            datasets.split_ref_from_proto(request.split),
            file_format=request.format or "npz",
            sample_rate_hz=request.sample_rate_hz if request.HasField("sample_rate_hz") else None,
        )
        async for message in iterate_in_worker(_split_messages(files)):
            yield message

    async def CreateDataset(self, request: pb.CreateDatasetRequest, context: _Context) -> pb.CreateDatasetResponse:
        """A new dataset."""
        dataset = await in_worker(self._ingest.create_dataset, request.name, request_id=request.request_id)
        return pb.CreateDatasetResponse(dataset=datasets.dataset_to_proto(dataset))

    async def GetDataset(self, request: pb.GetDatasetRequest, context: _Context) -> pb.GetDatasetResponse:
        """A dataset with its counts."""
        dataset = await in_worker(self._ingest.datasets.get, request.name)
        return pb.GetDatasetResponse(dataset=datasets.dataset_to_proto(dataset))

    async def ListDatasets(self, request: pb.ListDatasetsRequest, context: _Context) -> pb.ListDatasetsResponse:
        """A page of datasets."""
        found, token = await in_worker(
            self._ingest.datasets.page, page_size=request.page_size, token=request.page_token
        )
        return pb.ListDatasetsResponse(datasets=map(datasets.dataset_to_proto, found), next_page_token=token)

    async def DeleteDataset(self, request: pb.DeleteDatasetRequest, context: _Context) -> pb.DeleteDatasetResponse:
        """Remove a dataset and its labels."""
        await in_worker(self._ingest.datasets.delete, request.name)
        return pb.DeleteDatasetResponse()

    async def AddRecordings(self, request: pb.AddRecordingsRequest, context: _Context) -> pb.AddRecordingsResponse:
        """Put recordings into a dataset."""
        dataset = await in_worker(self._ingest.datasets.add, request.dataset, tuple(request.recording_ids))
        return pb.AddRecordingsResponse(dataset=datasets.dataset_to_proto(dataset))

    async def UnionDatasets(self, request: pb.UnionDatasetsRequest, context: _Context) -> pb.UnionDatasetsResponse:
        """A dataset of others."""
        dataset = await in_worker(
            self._ingest.union, request.name, tuple(request.sources), request_id=request.request_id
        )
        return pb.UnionDatasetsResponse(dataset=datasets.dataset_to_proto(dataset))

    async def ImportLabels(
        self, requests: AsyncIterator[pb.ImportLabelsRequest], context: _Context
    ) -> pb.ImportLabelsResponse:
        """Attach a label table, sent in chunks."""
        header, content = await _table(requests)
        outcome = await in_worker(
            self._ingest.import_labels,
            header.dataset,
            content,
            datasets.label_scheme_from_proto(header.scheme),
            ColumnNames(header.id_column, header.patient_column, header.fold_column),
            datasets.label_choices_from_proto(header),
        )
        return datasets.label_import_to_proto(outcome)

    async def CreateSnapshot(self, request: pb.CreateSnapshotRequest, context: _Context) -> pb.CreateSnapshotResponse:
        """Freeze a dataset."""
        snapshot = await in_worker(
            self._ingest.create_snapshot,
            request.dataset,
            tuple(map(datasets.split_rule_from_proto, request.splits)),
            seed=request.seed,
            request_id=request.request_id,
            only=record_filter_from_proto(request.only),
        )
        return pb.CreateSnapshotResponse(snapshot=datasets.snapshot_to_proto(snapshot))

    async def ListSnapshots(self, request: pb.ListSnapshotsRequest, context: _Context) -> pb.ListSnapshotsResponse:
        """A page of a dataset's snapshots, newest first."""
        found, token = await in_worker(
            self._ingest.snapshots.page, request.dataset, page_size=request.page_size, token=request.page_token
        )
        brief = (datasets.snapshot_to_proto(replace(one, facts=())) for one in found)  # a page of facts is too long
        return pb.ListSnapshotsResponse(snapshots=brief, next_page_token=token)

    async def OpenSnapshot(self, request: pb.OpenSnapshotRequest, context: _Context) -> pb.OpenSnapshotResponse:
        """Tickets for the shards of a split."""
        ref = datasets.split_ref_from_proto(request.split)
        snapshot, tickets = await in_worker(self._ingest.snapshots.open, ref)
        return pb.OpenSnapshotResponse(
            snapshot=datasets.snapshot_to_proto(snapshot), shards=map(datasets.shard_ticket_to_proto, tickets)
        )

    async def StreamShard(
        self, request: pb.StreamShardRequest, context: _Context
    ) -> AsyncIterator[pb.StreamShardResponse]:
        """A shard's bytes."""
        chunks = await in_worker(self._ingest.snapshots.shard, request.shard_id)
        async for chunk in iterate_in_worker(chunks):
            yield pb.StreamShardResponse(chunk=chunk)


async def _source(
    requests: AsyncIterator[pb.ImportRecordingRequest] | AsyncIterator[pb.PreviewImportRequest],
    limit: int,
    share: Share,
) -> tuple[pb.ImportHeader, Source]:
    """The header of a stream, and the source that its files make."""
    assembly = SourceAssembly(limit)
    header: pb.ImportHeader | None = None
    async for message in requests:
        part = message.WhichOneof("part")
        if (part == "header") != (header is None):
            raise _out_of_order()
        if part == "header":
            header = message.header
        elif part == "file":
            assembly.begin(_file_header(message.file))
            share.take(message.file.size_bytes)
        elif part == "chunk":
            assembly.add(message.chunk)
    if header is None:
        raise _out_of_order()
    return header, await in_worker(assembly.finish)


async def _staged(requests: AsyncIterator[pb.UploadSourceRequest], uploads: Uploads) -> Upload:
    """The upload that a stream makes; chunks are written as they come."""
    first = await anext(aiter(requests), None)
    if first is None or first.WhichOneof("part") != "header":
        raise _out_of_order()
    with uploads.begin(_file_header(first.header)) as staging:
        async for message in requests:
            if message.WhichOneof("part") != "chunk":
                raise _out_of_order()
            await in_worker(staging.add, message.chunk)
        return await in_worker(staging.finish)


async def _table(requests: AsyncIterator[pb.ImportLabelsRequest]) -> tuple[pb.ImportLabelsHeader, bytes]:
    """The header of a stream, and the label table that follows it."""
    assembly = SourceAssembly(MAX_TABLE_BYTES)
    header: pb.ImportLabelsHeader | None = None
    async for message in requests:
        part = message.WhichOneof("part")
        if (part == "header") != (header is None):
            raise _out_of_order()
        if part == "header":
            header = message.header
            if not header.HasField("file"):
                continue
            assembly.begin(_file_header(header.file))
        else:
            assembly.add(message.chunk)
    if header is None:
        raise _out_of_order()
    # Scheme challenge needs no table: the recordings' own files say what they show.
    return header, (await in_worker(assembly.finish)).content if header.HasField("file") else b""


def _out_of_order() -> InvalidArgument:
    return InvalidArgument("A stream begins with its header, once; files and chunks follow.", field="header")


def _file_header(message: pb.UploadHeader) -> FileHeader:
    return FileHeader(message.file_name, message.size_bytes, message.sha256)


def _recording_signal(answered: AnsweredSignal | PrecordiaError) -> pb.RecordingSignal:
    if isinstance(answered, PrecordiaError):
        return pb.RecordingSignal(error=pb.SignalError(reason=answered.reason, message=answered.message))
    signal, count = answered
    return pb.RecordingSignal(signal=signal_to_proto(signal, int16_scale=count))


def _wants_counts(request: pb.GetSignalRequest) -> bool:
    """Whether integers are asked for where they are exact; floats otherwise."""
    if request.sample_type == types_pb2.SAMPLE_TYPE_UNSPECIFIED:
        return False
    kind = sample_type_from_proto(request.sample_type)
    if kind not in ("int16", "float32"):
        raise InvalidArgument("A signal is sent as float32 or int16.", field="sample_type")
    return kind == "int16"


def _export_messages(files: Iterable[WrittenFile]) -> Iterator[pb.ExportRecordingsResponse]:
    for file in files:
        header = pb.UploadHeader(
            file_name=file.name, size_bytes=len(file.content), sha256=sha256(file.content).hexdigest()
        )
        yield pb.ExportRecordingsResponse(file=header)
        yield from (pb.ExportRecordingsResponse(chunk=chunk) for chunk in split(file.content))
        yield from (pb.ExportRecordingsResponse(warning=warning) for warning in remarks_to_proto(file.remarks))


def _split_messages(files: Iterable[ExportedSplit]) -> Iterator[pb.ExportDatasetResponse]:
    for one in files:
        with one.file as file:
            digest, size = sha256(), 0
            while piece := file.read(CHUNK_BYTES):
                digest.update(piece)
                size += len(piece)
            file.seek(0)
            header = pb.UploadHeader(file_name=one.name, size_bytes=size, sha256=digest.hexdigest())
            yield pb.ExportDatasetResponse(file=header)
            while piece := file.read(CHUNK_BYTES):
                yield pb.ExportDatasetResponse(chunk=piece)
