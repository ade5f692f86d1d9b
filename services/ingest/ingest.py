"""The ingest service without its edge: everything it is made of, put together once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from precordia.dataset import (
    Dataset,
    LabelChoices,
    LabelImport,
    LabelScheme,
    RecordFilter,
    Snapshot,
    SplitRef,
    SplitRule,
)
from precordia.errors import FailedPrecondition, InvalidArgument, PrecordiaError
from precordia.operation import Operation
from precordia.operations import Operations
from precordia.record import Hints, Recording, Signal
from precordia.shard import Shard, decode_shard
from precordia.source import Source
from precordia.storage.blobs import BlobStore
from precordia.storage.database import open_database
from precordia.stored import ImportPreview, StoredRecording
from services.ingest.batch_import import KEEP_STAGED_H, KIND, BatchImport, StagedSource, import_request
from services.ingest.dataset_export import ExportedSplit, export_split
from services.ingest.datasets import Datasets
from services.ingest.deidentify.outgoing import for_export
from services.ingest.export import check_export, export
from services.ingest.formats import Limits, ReaderContext, preview_source, read_source
from services.ingest.importer import Imported, Importer
from services.ingest.inflight import InFlight
from services.ingest.label_schemes import read_labels
from services.ingest.label_table import ColumnNames
from services.ingest.labels import Labels
from services.ingest.profiles import Profiles
from services.ingest.reader_pool import ReaderPool
from services.ingest.reclaim import Reclaimer
from services.ingest.record_filter import EVERYTHING
from services.ingest.requests import RequestStore, fingerprint
from services.ingest.secret import patient_secret
from services.ingest.settings import IngestSettings
from services.ingest.signals import AnsweredSignal, count_size, standard_signal, within_one_answer
from services.ingest.snapshots import Snapshots
from services.ingest.store import RecordingStore, SourceFile
from services.ingest.unions import Unions
from services.ingest.uploads import Uploads
from services.ingest.writers.written import WrittenFile

MAX_EXPORTED = 10_000
"""Recordings of one export."""


class Ingest:
    """Recordings in, recordings out; usable without a server.

    Args:
        settings: where things are kept and what is too large.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self.max_source_bytes = settings.max_source_bytes
        self._working = settings.home / "ingest"
        self._deidentify = settings.deidentify
        self.in_flight = InFlight(settings.max_in_flight_bytes)
        self._engine: Engine = open_database(settings.database, "services.ingest.migrations")
        self._blobs = BlobStore(settings.blob_folder)
        self._context = ReaderContext(
            Limits(max_bytes=settings.max_source_bytes), patient_secret(settings.home / "ingest" / "patient_key.secret")
        )
        self.recordings = RecordingStore(self._engine)
        self._requests = RequestStore(self._engine)
        self._reclaimer = Reclaimer(self._blobs, self.recordings.referenced)
        self.importer = Importer(
            self.recordings,
            self._blobs,
            self._read,
            self._reclaimer,
            self._requests,
            secret=self._context.patient_secret,
            deidentify=settings.deidentify,
        )
        self.uploads = Uploads(
            self._engine,
            self._blobs,
            self._reclaimer,
            max_bytes=settings.max_source_bytes,
            keep_h=settings.upload_keep_h,
        )
        self.profiles = Profiles(self._engine)
        self.datasets = Datasets(self._engine)
        self._unions = Unions(self._engine)
        self._labels = Labels(self._engine, self._context.patient_key)
        self.snapshots = Snapshots(
            self._engine, self._blobs, self.importer, self._reclaimer, shard_bytes=settings.shard_bytes
        )
        self._readers = ReaderPool(self._context, settings.import_processes) if settings.import_processes else None
        handler = BatchImport(
            self.importer,
            self.uploads,
            self._reclaimer,
            threads=max(settings.import_threads, settings.import_processes),
            readers=self._readers,
        )
        self.operations = Operations(self._engine, {KIND: handler}, workers=settings.imports)

    def clean(self) -> None:
        """Drop what expired and what a killed process left behind."""
        self.uploads.expire()
        self._reclaimer.sweep()

    def close(self) -> None:
        """Let go of the database and of the processes that read."""
        if self._readers is not None:
            self._readers.close()
        self._engine.dispose()

    def _read(self, source: Source, hints: Hints) -> Sequence[Recording]:
        return read_source(source, hints, self._context)

    def preview(self, source: Source, hints: Hints) -> ImportPreview:
        """What the readers would do with a source, and what they still need. Nothing is kept."""
        seen = preview_source(source, hints, self._context)
        return ImportPreview(
            format=seen.format,
            proposal=seen.proposal,
            missing_fields=seen.missing_fields,
            header_rows=seen.header_rows,
            orientation=seen.orientation,
            columns=seen.column_names,
            remarks=seen.remarks,
        )

    def check_staging(self) -> None:
        """Refuse to stage where nothing may rest on disk as it came.

        Raises:
            FailedPrecondition: de-identification is the rule here.
        """
        if self._deidentify:
            raise FailedPrecondition(
                "This service de-identifies all that comes in and stages nothing; import with --deidentify, which "
                "sends each file at once (ImportRecording)."
            )

    def start_import(
        self,
        sources: Sequence[StagedSource],
        hints: Hints,
        *,
        dataset: str = "",
        request_id: str = "",
        deidentify: bool = False,
    ) -> Operation:
        """Import many staged sources as an operation.

        Raises:
            InvalidArgument: nothing to import, or a dataset's name that cannot be one.
            RequestReused: the request id came with other content before.
        """
        request = import_request(sources, hints, dataset, deidentify=deidentify)
        self.uploads.extend([name for source in sources for name in source.upload_ids], hours=KEEP_STAGED_H)
        return self.operations.submit(KIND, request, request_id)[0]

    def signal(self, recording_id: str, leads: Sequence[str] = ()) -> tuple[Signal, float | None, StoredRecording]:
        """The standard leads, the size of one count where it is the same for all, and the facts."""
        stored, place = self.recordings.get_with_place(recording_id)
        recording = self.importer.load(stored, place)
        signal = standard_signal(recording, leads)
        return signal, count_size(recording, signal), stored

    def imported_signals(self, imported: Imported) -> list[AnsweredSignal | PrecordiaError]:
        """The standard leads of each recording that an import answered; or why there are none."""
        kept = (lambda stored=stored: self.signal(stored.recording_id)[:2] for stored in imported.recordings)
        read = (lambda recording=recording: _answered(recording) for recording in imported.read)
        return within_one_answer(read if imported.read else kept)

    def source(self, recording_id: str) -> Iterator[tuple[SourceFile, Iterator[bytes]]]:
        """The files that a recording was read from, each with its bytes in chunks.

        Raises:
            RecordingNotFound: there is none of this id.
            FailedPrecondition: the source was not kept.
        """
        files = self.recordings.source_files(recording_id)
        if not files:
            raise FailedPrecondition("The source was not kept: its recording was de-identified on import.")
        for file in files:
            yield file, self._blobs.chunks(file.sha256)

    def export(
        self,
        recording_ids: Sequence[str],
        *,
        file_format: str,
        view: str,
        sample_rate_hz: float | None,
        deidentify: bool = False,
    ) -> Iterator[WrittenFile]:
        """Recordings as files, in order; with `deidentify`, under other names and days than here.

        Raises:
            RecordingNotFound: one is not there; nothing is exported.
            UnsupportedView: a format or view that is not made here.
            InvalidArgument: no recording is named, or too many.
        """
        if not 1 <= len(recording_ids) <= MAX_EXPORTED:
            raise InvalidArgument(f"An export names 1 to {MAX_EXPORTED} recordings.", field="recording_ids")
        check_export(file_format, view)
        for name in recording_ids:
            self.recordings.get(name)
        for name in recording_ids:
            recording = self.importer.recording(name)
            if deidentify:
                name, recording = for_export(name, recording, self._context.patient_secret)
            yield from export(name, recording, file_format=file_format, view=view, sample_rate_hz=sample_rate_hz)

    def export_dataset(
        self, ref: SplitRef, *, file_format: str, sample_rate_hz: float | None
    ) -> Iterator[ExportedSplit]:
        """A split of a dataset as files for a notebook; whoever takes a file closes it.

        Raises:
            DatasetNotFound, SnapshotNotFound: there is no such split.
            UnsupportedView: a format that is not made here, or records that do not go into one array.
            InvalidArgument: a rate that cannot be.
        """
        snapshot, tickets = self.snapshots.open(ref)
        groups = {group.name: [label for label, _ in group.labels] for group in snapshot.label_groups}

        def shards() -> Iterator[Shard]:
            for ticket in tickets:
                yield decode_shard(b"".join(self.snapshots.shard(ticket.shard_id)))

        return export_split(ref, shards, groups, self._working, file_format=file_format, sample_rate_hz=sample_rate_hz)

    def create_dataset(self, name: str, *, request_id: str = "") -> Dataset:
        """A new dataset; the same request again gives the same one."""
        asked = fingerprint("create_dataset", name)
        if self._requests.answer(request_id, asked) is None:
            self.datasets.create(name)
            self._requests.keep(request_id, asked, {})
        return self.datasets.get(name)

    def union(self, name: str, sources: Sequence[str], *, request_id: str = "") -> Dataset:
        """A new dataset of all records of others; the same request again gives the same one."""
        asked = fingerprint("union", name, *sources)
        if self._requests.answer(request_id, asked) is None:
            self._unions.create(name, sources)
            self._requests.keep(request_id, asked, {})
        return self.datasets.get(name)

    def import_labels(
        self,
        dataset: str,
        content: bytes,
        scheme: LabelScheme,
        names: ColumnNames | None = None,
        choices: LabelChoices | None = None,
    ) -> LabelImport:
        """Attach a label table to a dataset. The same table again changes nothing.

        With scheme challenge and no table, what the recordings' own files say becomes their labels.

        Raises:
            DatasetNotFound: there is no dataset of this name.
            InvalidLabels: the table cannot be used.
        """
        table = read_labels(content, scheme, names, choices, self._own_labels(dataset))
        return self._labels.attach(dataset, table)

    def _own_labels(self, dataset: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Id of each recording of a dataset and the labels that its file says, read only where they are asked for."""
        ids = [member.recording_id for member in self.datasets.contents(dataset)[1]]
        yield from ((name, stored.labels) for name, stored in self.recordings.find(ids).items())

    def create_snapshot(
        self,
        dataset: str,
        rules: Sequence[SplitRule] = (),
        *,
        seed: int = 0,
        request_id: str = "",
        only: RecordFilter = EVERYTHING,
    ) -> Snapshot:
        """Freeze a dataset; the same request again gives the same snapshot, whatever changed since."""
        asked = fingerprint("create_snapshot", dataset, repr(tuple(rules)), str(seed), repr(only))
        answered = self._requests.answer(request_id, asked)
        if answered is not None:
            return self.snapshots.get(answered["snapshot_id"])
        snapshot = self.snapshots.create(dataset, rules, seed=seed, only=only)
        self._requests.keep(request_id, asked, {"snapshot_id": snapshot.snapshot_id})
        return snapshot


def _answered(recording: Recording) -> AnsweredSignal:
    signal = standard_signal(recording)
    return signal, count_size(recording, signal)
