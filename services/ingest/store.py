"""Recordings and their sources in the database. Samples and source bytes lie in the blob store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, delete, exists, insert, literal, select, union_all, update
from sqlalchemy.engine import RowMapping

from precordia.errors import DatasetNotFound, InvalidArgument, RecordingNotFound
from precordia.storage.database import read_only
from precordia.stored import StoredRecording
from services.ingest.facts import device_to_json, facts_from_row, facts_to_json
from services.ingest.membership import add_members, ensure_dataset, forget_counts, now
from services.ingest.pages import checked_page_size, page_token, token_row
from services.ingest.samples import Place
from services.ingest.tables import (
    datasets,
    members,
    recordings,
    shards,
    source_files,
    sources,
    uploads,
)

T = TypeVar("T")

MAX_SOURCES = 1000
"""Hashes that one list request may name."""

_IDS_A_QUERY = 500  # SQLite and PostgreSQL both limit the number of parameters


@dataclass(frozen=True)
class SourceFile:
    """One file of a source as it lies in the blob store."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class KeptSource:
    """A source whose bytes are safe: its hash, and its files, the source itself first."""

    sha256: str
    name: str
    files: tuple[SourceFile, ...]


@dataclass(frozen=True)
class NewRecording:
    """A recording to be added: its facts and where its samples are."""

    stored: StoredRecording
    place: Place


@dataclass(frozen=True)
class RecordingPage:
    """Some of a list, and the token for what follows; empty at its end."""

    recordings: tuple[StoredRecording, ...]
    next_page_token: str


class RecordingStore:
    """What ingest knows about recordings, on SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = read_only(engine)

    def find(self, ids: Sequence[str]) -> dict[str, StoredRecording]:
        """Those of the recordings that are there, by id."""
        with self._reader.begin() as connection:
            rows = [
                row
                for part in _parts(ids)
                for row in connection.execute(select(recordings).where(recordings.c.recording_id.in_(part))).mappings()
            ]
        return {row["recording_id"]: facts_from_row(row) for row in rows}

    def get(self, recording_id: str) -> StoredRecording:
        """The facts of a recording.

        Raises:
            RecordingNotFound: there is none of this id.
        """
        return self.get_with_place(recording_id)[0]

    def get_with_place(self, recording_id: str) -> tuple[StoredRecording, Place]:
        """The facts of a recording and where its samples lie.

        Raises:
            RecordingNotFound: there is none of this id.
        """
        with self._reader.begin() as connection:
            row = _recording_row(connection, recording_id)
        return facts_from_row(row), place_from_row(row)

    def source_files(self, recording_id: str) -> tuple[SourceFile, ...]:
        """The files that the recording was read from, the source itself first.

        Raises:
            RecordingNotFound: there is none of this id.
        """
        with self._reader.begin() as connection:
            row = _recording_row(connection, recording_id)
            of_source = source_files.c.source_sha256 == row["source_sha256"]
            query = select(source_files).where(of_source).order_by(source_files.c.position)
            files = connection.execute(query).mappings().all()
        return tuple(SourceFile(file["name"], file["sha256"], file["size_bytes"]) for file in files)

    def add(
        self, source: KeptSource, new: Sequence[NewRecording], *, imported: Sequence[str], dataset: str = ""
    ) -> None:
        """Record a source and its new recordings, all or nothing.

        Args:
            source: its bytes are in the blob store already.
            new: recordings that were not there; their samples are in the blob store already.
            imported: ids of all recordings of this import, new or not. Recordings of the same
                source made with other hints are superseded by them.
            dataset: also put all of them there; created when absent.

        Raises:
            sqlalchemy.exc.IntegrityError: someone else added one of them meanwhile; nothing was done.
        """
        at = now()
        with self._engine.begin() as connection:
            if new:
                _add_source(connection, source, at)
                connection.execute(insert(recordings), [_row(recording, at) for recording in new])
            _supersede(connection, source.sha256, imported)
            if dataset:
                add_members(connection, ensure_dataset(connection, dataset), imported)

    def page(
        self, *, page_size: int = 0, token: str = "", dataset: str = "", source_sha256: Sequence[str] = ()
    ) -> RecordingPage:
        """Current recordings in order of arrival; superseded ones are not listed, nor what devices said.

        Args:
            page_size: 1 to 1000; 0 = 100.
            token: of the page before.
            dataset: only its recordings, whose labels in the dataset are then shown as well.
            source_sha256: only recordings of these sources.

        Raises:
            DatasetNotFound: there is none of this name.
            InvalidArgument: a page size or token that cannot be, or too many sources.
        """
        if len(source_sha256) > MAX_SOURCES:
            raise InvalidArgument(f"A list is narrowed to {MAX_SOURCES} sources at most.", field="source_sha256")
        limit = checked_page_size(page_size)
        scope = hashlib.sha256(json.dumps([dataset, sorted(source_sha256)]).encode()).hexdigest()[:16]
        query = _listed(dataset, source_sha256).where(recordings.c.seq > token_row(token, scope))
        with self._reader.begin() as connection:
            if dataset and not connection.scalar(select(exists().where(datasets.c.name == dataset))):
                raise DatasetNotFound("There is no dataset of this name; create it or import into it.", name=dataset)
            rows = connection.execute(query.order_by(recordings.c.seq).limit(limit + 1)).mappings().all()
        more = page_token(rows[limit - 1]["seq"], scope) if len(rows) > limit else ""
        return RecordingPage(tuple(_listed_facts(row) for row in rows[:limit]), more)

    def delete(self, recording_id: str) -> set[str]:
        """Remove a recording, and those that it superseded, from lists and datasets.

        Returns:
            Blobs that lost a reference.

        Raises:
            RecordingNotFound: there is none of this id.
        """
        freed: set[str] = set()
        with self._engine.begin() as connection:
            gone: list[RowMapping] = [_recording_row(connection, recording_id)]
            older = select(recordings).where(recordings.c.superseded_by == recording_id)
            gone.extend(connection.execute(older).mappings())
            for row in gone:
                freed.add(row["blob"])
                freed |= _remove(connection, row)
        return freed

    def referenced(self, sha256: str) -> bool:
        """Whether any row needs this blob."""
        columns = (recordings.c.blob, source_files.c.sha256, uploads.c.sha256, shards.c.sha256)
        named = [select(literal(1)).where(column == sha256) for column in columns]
        with self._reader.begin() as connection:
            return connection.execute(union_all(*named).limit(1)).first() is not None


def place_from_row(row: RowMapping) -> Place:
    """Where a recording's samples lie."""
    return Place(row["blob"], row["blob_offset"], row["blob_bytes"], row["blob_crc32"])


def _parts(ids: Sequence[T]) -> list[Sequence[T]]:
    return [ids[start : start + _IDS_A_QUERY] for start in range(0, len(ids), _IDS_A_QUERY)]


def _add_source(connection: Connection, source: KeptSource, at: datetime) -> None:
    if connection.scalar(select(exists().where(sources.c.sha256 == source.sha256))):
        return
    connection.execute(insert(sources), [{"sha256": source.sha256, "name": source.name, "created_at": at}])
    files = [
        {
            "source_sha256": source.sha256,
            "position": position,
            "name": file.name,
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
        }
        for position, file in enumerate(source.files)
    ]
    if files:  # a source that was de-identified may not be kept at all
        connection.execute(insert(source_files), files)


def _row(recording: NewRecording, at: datetime) -> dict[str, Any]:
    stored, place = recording.stored, recording.place
    return {
        "recording_id": stored.recording_id,
        "source_sha256": stored.source_sha256,
        "source_index": stored.source_index,
        "source_name": stored.source_name,
        "source_record": stored.source_record,
        "variable": stored.hints.variable,
        "patient_key": stored.patient_key,
        "facts": facts_to_json(stored),
        "device": device_to_json(stored.device),
        "blob": place.blob,
        "blob_offset": place.offset,
        "blob_bytes": place.size_bytes,
        "blob_crc32": place.crc32,
        "supersedes": "",
        "superseded_by": "",
        "created_at": at,
    }


def _recording_row(connection: Connection, recording_id: str) -> RowMapping:
    query = select(recordings).where(recordings.c.recording_id == recording_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise RecordingNotFound("There is no recording of this id.", name=recording_id[:64])
    return row


def _listed(dataset: str, source_sha256: Sequence[str]) -> Select[Any]:
    shown = [column for column in recordings.c if column.name != "device"]
    query = select(*shown).where(recordings.c.superseded_by == "")
    if dataset:
        query = (
            query.add_columns(members.c.labels.label("dataset_labels"))
            .join(members, members.c.recording_seq == recordings.c.seq)
            .join(datasets, datasets.c.seq == members.c.dataset_seq)
            .where(datasets.c.name == dataset)
        )
    if source_sha256:
        query = query.where(recordings.c.source_sha256.in_(source_sha256))
    return query


def _listed_facts(row: RowMapping) -> StoredRecording:
    stored = facts_from_row(row)
    if "dataset_labels" not in row:
        return stored
    groups = json.loads(row["dataset_labels"])
    named = (f"{group}:{label}" if group else label for group, labels in groups.items() for label in labels)
    return replace(stored, labels=tuple(dict.fromkeys([*stored.labels, *named])))


def _supersede(connection: Connection, source_sha256: str, imported: Sequence[str]) -> None:
    """The recordings of this import are the current ones; those of other hints step back.

    Recordings that were read from another array of the same file (hint `variable`) are other ECGs
    and stay as they are.
    """
    rows = connection.execute(
        select(
            recordings.c.seq,
            recordings.c.recording_id,
            recordings.c.source_index,
            recordings.c.variable,
            recordings.c.superseded_by,
        ).where(recordings.c.source_sha256 == source_sha256)
    ).all()
    ours = set(imported)
    current = {(row.source_index, row.variable): row for row in rows if row.recording_id in ours}
    back = [row.seq for row in current.values() if row.superseded_by]
    for part in _parts(back):
        connection.execute(update(recordings).where(recordings.c.seq.in_(part)).values(superseded_by=""))
    for old in rows:
        winner = current.get((old.source_index, old.variable))
        if winner is not None and old.recording_id not in ours and not old.superseded_by:
            _replace(connection, old, winner)


def _replace(connection: Connection, old: Any, winner: Any) -> None:
    """Mark, and move the old recording's place in datasets to the new one, with its labels."""
    old_row = update(recordings).where(recordings.c.seq == old.seq)
    connection.execute(old_row.values(superseded_by=winner.recording_id, supersedes=""))
    new_row = update(recordings).where(recordings.c.seq == winner.seq)
    connection.execute(new_row.values(supersedes=old.recording_id))
    of_old = members.c.recording_seq == old.seq
    already = select(members.c.dataset_seq).where(members.c.recording_seq == winner.seq)
    touched = connection.execute(select(members.c.dataset_seq).where(of_old)).scalars().all()
    moved = update(members).where(of_old, members.c.dataset_seq.not_in(already.scalar_subquery()))
    connection.execute(moved.values(recording_seq=winner.seq))
    connection.execute(delete(members).where(of_old))
    forget_counts(connection, touched)


def _remove(connection: Connection, row: RowMapping) -> set[str]:
    """Delete one row, and its source where nothing else came from it; returns the source's blobs."""
    in_datasets = select(members.c.dataset_seq).where(members.c.recording_seq == row["seq"])
    forget_counts(connection, connection.execute(in_datasets).scalars().all())
    connection.execute(delete(members).where(members.c.recording_seq == row["seq"]))
    connection.execute(delete(recordings).where(recordings.c.seq == row["seq"]))
    sha256 = row["source_sha256"]
    if connection.scalar(select(exists().where(recordings.c.source_sha256 == sha256))):
        return set()
    of_source = source_files.c.source_sha256 == sha256
    freed = set(connection.execute(select(source_files.c.sha256).where(of_source)).scalars())
    connection.execute(delete(source_files).where(of_source))
    connection.execute(delete(sources).where(sources.c.sha256 == sha256))
    return freed
