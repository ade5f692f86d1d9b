"""Datasets, labels, snapshots and shards, as the ingest service keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from precordia.client.peer import LONG_CALL_S, Peer, new_request_id
from precordia.client.uploads import Download, FileDownload, chunks, measure
from precordia.dataset import (
    Dataset,
    LabelChoices,
    LabelImport,
    LabelScheme,
    RecordFilter,
    ShardTicket,
    Snapshot,
    SplitRef,
    SplitRule,
)
from precordia.rpc.convert import dataset as convert
from precordia.rpc.convert.record_filter import record_filter_to_proto
from precordia.v1 import ingest_pb2 as pb
from precordia.v1 import ingest_pb2_grpc

_PAGE = 200
NO_CHOICES = LabelChoices()
EVERYTHING = RecordFilter()


class DatasetCalls:
    """The part of the ingest client that concerns datasets."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @property
    def _stub(self) -> Any:
        return self._peer.stub(ingest_pb2_grpc.IngestServiceStub)

    async def create_dataset(self, name: str, *, request_id: str = "") -> Dataset:
        """A new, empty dataset.

        Raises:
            AlreadyExists: the name is taken.
        """
        request = pb.CreateDatasetRequest(request_id=request_id or new_request_id(), name=name)
        return convert.dataset_from_proto((await self._peer.call(self._stub.CreateDataset, request)).dataset)

    async def get_dataset(self, name: str) -> Dataset:
        """A dataset's facts.

        Raises:
            DatasetNotFound: no dataset has this name.
        """
        request = pb.GetDatasetRequest(name=name)
        return convert.dataset_from_proto((await self._peer.call(self._stub.GetDataset, request)).dataset)

    async def datasets(self) -> list[Dataset]:
        """All datasets."""
        found: list[Dataset] = []
        token = ""
        while True:
            request = pb.ListDatasetsRequest(page_size=_PAGE, page_token=token)
            answer = await self._peer.call(self._stub.ListDatasets, request)
            found += [convert.dataset_from_proto(dataset) for dataset in answer.datasets]
            token = answer.next_page_token
            if not token:
                return found

    async def delete_dataset(self, name: str) -> None:
        """Remove a dataset and its labels; recordings and snapshots stay."""
        await self._peer.call(self._stub.DeleteDataset, pb.DeleteDatasetRequest(name=name))

    async def add_recordings(self, dataset: str, recording_ids: Sequence[str]) -> Dataset:
        """Put stored recordings into a dataset."""
        request = pb.AddRecordingsRequest(dataset=dataset, recording_ids=recording_ids)
        answer = await self._peer.call(self._stub.AddRecordings, request, timeout_s=LONG_CALL_S)
        return convert.dataset_from_proto(answer.dataset)

    async def union_datasets(self, name: str, sources: Sequence[str], request_id: str = "") -> Dataset:
        """A new dataset of all records of others, with their labels.

        Raises:
            AlreadyExists: the name is taken.
            DatasetNotFound: one of the sources is not there.
        """
        request = pb.UnionDatasetsRequest(request_id=request_id or new_request_id(), name=name, sources=sources)
        answer = await self._peer.call(self._stub.UnionDatasets, request, timeout_s=LONG_CALL_S)
        return convert.dataset_from_proto(answer.dataset)

    async def import_labels(
        self,
        dataset: str,
        name: str,
        content: bytes,
        scheme: LabelScheme = LabelScheme.AUTO,
        id_column: str = "",
        patient_column: str = "",
        fold_column: str = "",
        request_id: str = "",
        choices: LabelChoices = NO_CHOICES,
    ) -> LabelImport:
        """Attach a label table; the answer says which rows, records and labels did not match.

        With scheme challenge and no content, what the recordings' own files say becomes their labels.

        Raises:
            InvalidLabels: the table cannot be used.
            DatasetNotFound: no dataset has this name.
        """
        header = pb.ImportLabelsHeader(
            request_id=request_id or new_request_id(),
            dataset=dataset,
            scheme=convert.label_scheme_to_proto(scheme),
            id_column=id_column,
            patient_column=patient_column,
            fold_column=fold_column,
        )
        convert.label_choices_to_proto(choices, header)
        if content or scheme is not LabelScheme.CHALLENGE:
            size, sha256 = await measure(content)
            header.file.CopyFrom(pb.UploadHeader(file_name=name, size_bytes=size, sha256=sha256))

        async def parts() -> AsyncIterator[pb.ImportLabelsRequest]:
            yield pb.ImportLabelsRequest(header=header)
            async for chunk in chunks(content):
                yield pb.ImportLabelsRequest(chunk=chunk)

        answer = await self._peer.call(self._stub.ImportLabels, parts(), timeout_s=LONG_CALL_S)
        return convert.label_import_from_proto(answer)

    async def create_snapshot(
        self,
        dataset: str,
        rules: Sequence[SplitRule] = (),
        seed: int = 0,
        request_id: str = "",
        only: RecordFilter = EVERYTHING,
    ) -> Snapshot:
        """Freeze a dataset as it is now, or those of its records that a filter takes, with named splits.

        Raises:
            InvalidSplit: the rules overlap, or one is empty.
        """
        request = pb.CreateSnapshotRequest(
            request_id=request_id or new_request_id(),
            dataset=dataset,
            splits=[convert.split_rule_to_proto(rule) for rule in rules],
            seed=seed,
            only=record_filter_to_proto(only) if only != EVERYTHING else None,
        )
        answer = await self._peer.call(self._stub.CreateSnapshot, request, timeout_s=LONG_CALL_S)
        return convert.snapshot_from_proto(answer.snapshot)

    async def snapshots(self, dataset: str) -> list[Snapshot]:
        """A dataset's snapshots, newest first."""
        found: list[Snapshot] = []
        token = ""
        while True:
            request = pb.ListSnapshotsRequest(dataset=dataset, page_size=_PAGE, page_token=token)
            answer = await self._peer.call(self._stub.ListSnapshots, request)
            found += [convert.snapshot_from_proto(snapshot) for snapshot in answer.snapshots]
            token = answer.next_page_token
            if not token:
                return found

    async def open_snapshot(self, split: SplitRef) -> tuple[Snapshot, tuple[ShardTicket, ...]]:
        """The snapshot that a split belongs to, and the tickets of the split's shards, in order.

        Raises:
            SnapshotNotFound: the dataset has no snapshot, or none with this split.
        """
        request = pb.OpenSnapshotRequest(split=convert.split_ref_to_proto(split))
        answer = await self._peer.call(self._stub.OpenSnapshot, request, timeout_s=LONG_CALL_S)
        tickets = tuple(convert.shard_ticket_from_proto(ticket) for ticket in answer.shards)
        return convert.snapshot_from_proto(answer.snapshot), tickets

    async def export_dataset(
        self, split: SplitRef, folder: Path, file_format: str = "npz", sample_rate_hz: float | None = None
    ) -> tuple[Path, ...]:
        """Write a split as one file of arrays and a table of its labels into a folder.

        Raises:
            SnapshotNotFound: the dataset has no snapshot with this split.
            UnsupportedView: its recordings do not go into one array.
            OSError: a file cannot be written.
        """
        request = pb.ExportDatasetRequest(
            split=convert.split_ref_to_proto(split), format=file_format, sample_rate_hz=sample_rate_hz
        )
        current: FileDownload | None = None
        written: list[Path] = []
        try:
            async for message in self._peer.stream(self._stub.ExportDataset, request):
                if message.WhichOneof("part") == "file":
                    written += [current.finish()] if current is not None else []
                    current = FileDownload(folder, message.file.file_name, message.file.sha256)
                elif current is not None:
                    await asyncio.to_thread(current.add, message.chunk)
            written += [current.finish()] if current is not None else []
        finally:
            if current is not None:
                current.abandon()
        return tuple(written)

    async def read_shard(self, ticket: ShardTicket) -> bytes:
        """A shard's bytes, checked against its ticket.

        Raises:
            ChecksumMismatch: they are not the bytes that the ticket promises.
        """
        shard = Download(ticket.shard_id, ticket.sha256)
        request = pb.StreamShardRequest(shard_id=ticket.shard_id)
        async for message in self._peer.stream(self._stub.StreamShard, request):
            shard.add(message.chunk)
        return shard.content()
