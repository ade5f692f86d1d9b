"""Snapshots: a dataset frozen under a digest, its records packed in shards.

The shards are packed when the snapshot is made, so that nothing that happens to a recording later
changes what a model was trained on. A shard belongs to one split; the whole dataset is the shards of
all splits and of the records that no split took.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from precordia.dataset import (
    LabelGroup,
    RecordFilter,
    ShardTicket,
    Snapshot,
    SplitCount,
    SplitFacts,
    SplitRef,
    SplitRule,
)
from precordia.errors import InvalidSplit, PrecordiaError, ShardNotFound, SnapshotNotFound
from precordia.record import Recording, Signal
from precordia.shard import ShardRecord, encode_shard
from precordia.storage.blobs import BlobStore
from precordia.storage.database import read_only
from precordia.stored import StoredRecording
from services.ingest.datasets import Columns, Datasets, Member, label_groups
from services.ingest.facts import as_utc
from services.ingest.importer import Importer
from services.ingest.membership import find_dataset, now
from services.ingest.pages import checked_page_size, page_token, token_row
from services.ingest.reclaim import Reclaimer
from services.ingest.record_filter import EVERYTHING, check_filter, filter_from_json, filter_to_json, passes
from services.ingest.signals import common_gain
from services.ingest.snapshot_facts import Leads, facts_from_json, facts_to_json, snapshot_facts
from services.ingest.splits import REST, SplitItem, make_splits
from services.ingest.store import RecordingStore
from services.ingest.tables import shards, snapshots

_FORMAT = 1  # of what the digest is made over


@dataclass(frozen=True)
class _Packed:
    """A shard that lies in the blob store."""

    split: str
    sha256: str
    size_bytes: int
    records: int
    leads: Leads


@dataclass(frozen=True)
class _Taken:
    """What a snapshot took of its dataset."""

    only: RecordFilter
    left_out: int


class Snapshots:
    """Makes, lists and opens snapshots.

    Args:
        engine: the database.
        blobs: where shards go.
        importer: reads the native samples.
        reclaimer: spares shards in the making.
        shard_bytes: a shard is closed once its native samples take this much.
    """

    def __init__(
        self, engine: Engine, blobs: BlobStore, importer: Importer, reclaimer: Reclaimer, *, shard_bytes: int
    ) -> None:
        self._engine = engine
        self._reader = read_only(engine)
        self._blobs = blobs
        self._importer = importer
        self._reclaimer = reclaimer
        self._shard_bytes = shard_bytes
        self._datasets = Datasets(engine)
        self._recordings = RecordingStore(engine)

    def create(
        self, dataset: str, rules: Sequence[SplitRule] = (), *, seed: int = 0, only: RecordFilter = EVERYTHING
    ) -> Snapshot:
        """Freeze a dataset as it is now. The same content and splits are the same snapshot.

        Args:
            dataset: its name.
            rules: named splits.
            seed: of the draw of patients.
            only: which records are taken.

        Raises:
            DatasetNotFound: there is no dataset of this name.
            InvalidSplit: the rules cannot be followed, or the dataset is empty, or no record passes the filter.
            InvalidArgument: a filter that cannot be meant.
            UnsupportedView: a recording has no signal on one time base; nothing is frozen.
        """
        columns, members = self._datasets.contents(dataset)
        if not members:
            raise InvalidSplit("The dataset holds no recording; add some before it is frozen.")
        found = self._passing(columns, members, only)
        taken = _Taken(only, len(members) - len(found))
        splits = make_splits(_items(columns, found), rules, seed=seed)
        digest = snapshot_digest(columns, found, splits)
        snapshot_id = _snapshot_id(dataset, digest, only)
        if not self._renewed(snapshot_id):
            with self._reclaimer.writing():
                packed = [p for name, indices in splits.items() for p in self._pack(name, [found[i] for i in indices])]
                self._record(snapshot_id, dataset, digest, columns, found, splits, packed, taken)
        elif not (made := self.get(snapshot_id)).facts:
            self._count(made, _facts(columns, found, splits, ()))
        return self.get(snapshot_id)

    def _count(self, made: Snapshot, facts: Sequence[SplitFacts]) -> None:
        """Give a snapshot from before there were facts its own; only its shards would know their leads."""
        of_it = snapshots.c.snapshot_id == made.snapshot_id
        with self._engine.begin() as connection:
            connection.execute(update(snapshots).where(of_it).values(facts=_facts_text(facts)))

    def _passing(self, columns: Columns, found: list[Member], only: RecordFilter) -> list[Member]:
        if only == EVERYTHING:
            return found
        check_filter(only, columns)
        kept = [one for one, stored in zip(found, self._facts(found), strict=True) if passes(only, one, stored)]
        if not kept:
            raise InvalidSplit("No record of the dataset passes the filter; widen it.")
        return kept

    def _renewed(self, snapshot_id: str) -> bool:
        """A snapshot that was made before and is made again becomes the newest."""
        of_it = snapshots.c.snapshot_id == snapshot_id
        with self._engine.begin() as connection:
            return bool(
                connection.execute(update(snapshots).where(of_it).values(made_us=_made_us(connection))).rowcount
            )

    def _pack(self, split: str, found: Sequence[Member]) -> Iterator[_Packed]:
        batch: list[ShardRecord] = []
        size = 0
        for member, stored in zip(found, self._facts(found), strict=True):
            batch.append(shard_record(member, stored, self._importer.load(stored, member.place)))
            size += member.place.size_bytes
            if size >= self._shard_bytes:
                yield self._put(split, batch)
                batch, size = [], 0
        if batch:
            yield self._put(split, batch)

    def _facts(self, found: Sequence[Member]) -> Iterator[StoredRecording]:
        for start in range(0, len(found), 500):
            ids = [member.recording_id for member in found[start : start + 500]]
            facts = self._recordings.find(ids)
            yield from (facts[name] for name in ids)

    def _put(self, split: str, batch: Sequence[ShardRecord]) -> _Packed:
        blob = self._blobs.put(encode_shard(batch))
        leads = Leads(tuple(record.signal.leads) for record in batch)
        return _Packed(split, blob.sha256, blob.size_bytes, len(batch), leads)

    def _record(
        self,
        snapshot_id: str,
        dataset: str,
        digest: str,
        columns: Columns,
        found: Sequence[Member],
        splits: Mapping[str, Sequence[int]],
        packed: Sequence[_Packed],
        taken: _Taken,
    ) -> None:
        counts = [_split_count(name, [found[i] for i in indices]) for name, indices in splits.items() if name != REST]
        groups = [[group.name, list(group.labels)] for group in label_groups(columns, found)]
        row = {
            "snapshot_id": snapshot_id,
            "dataset": dataset,
            "digest": digest,
            "splits": json.dumps([[count.name, count.records, count.patients] for count in counts]),
            "label_groups": json.dumps(groups, ensure_ascii=False),
            "only": json.dumps(filter_to_json(taken.only), ensure_ascii=False),
            "left_out": taken.left_out,
            "facts": _facts_text(_facts(columns, found, splits, packed)),
            "created_at": now(),
        }
        # Someone else may freeze the same at the same moment; the first one stays.
        with suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(insert(snapshots), [{**row, "made_us": _made_us(connection)}])
            connection.execute(insert(shards), [_shard_row(snapshot_id, n, shard) for n, shard in enumerate(packed)])

    def get(self, snapshot_id: str) -> Snapshot:
        """A snapshot's facts.

        Raises:
            SnapshotNotFound: there is none of this id.
        """
        with self._reader.begin() as connection:
            row = connection.execute(select(snapshots).where(snapshots.c.snapshot_id == snapshot_id)).mappings().first()
        if row is None:
            raise SnapshotNotFound("There is no snapshot of this id.", name=snapshot_id[:64])
        return _snapshot(row)

    def page(self, dataset: str, *, page_size: int = 0, token: str = "") -> tuple[tuple[Snapshot, ...], str]:
        """A dataset's snapshots, newest first, also where the dataset itself is gone.

        Raises:
            DatasetNotFound: there is neither the dataset nor a snapshot of it.
            InvalidArgument: a page size or token that cannot be.
        """
        limit, scope = checked_page_size(page_size), f"snapshots of {dataset}"
        query = select(snapshots).where(snapshots.c.dataset == dataset)
        before = token_row(token, scope)
        if before:
            query = query.where(snapshots.c.made_us < before)
        with self._reader.begin() as connection:
            rows = connection.execute(query.order_by(snapshots.c.made_us.desc()).limit(limit + 1)).mappings().all()
            if not rows and not before:
                find_dataset(connection, dataset)
        more = page_token(rows[limit - 1]["made_us"], scope) if len(rows) > limit else ""
        return tuple(map(_snapshot, rows[:limit])), more

    def open(self, ref: SplitRef) -> tuple[Snapshot, tuple[ShardTicket, ...]]:
        """The snapshot that a split belongs to, and tickets for its shards, in order.

        A dataset that was never frozen is frozen as it is, where all of it is asked for.

        Raises:
            DatasetNotFound: there is neither the dataset nor a snapshot of it.
            SnapshotNotFound: no such snapshot, or none with this split.
        """
        snapshot = self._chosen(ref)
        names = [count.name for count in snapshot.splits]
        if ref.split and ref.split not in names:
            known = ", ".join(names) or "none"
            raise SnapshotNotFound(f"The snapshot has no split of this name; it has: {known}.", name=ref.split[:128])
        query = select(shards).where(shards.c.snapshot_id == snapshot.snapshot_id).order_by(shards.c.position)
        if ref.split:
            query = query.where(shards.c.split == ref.split)
        with self._reader.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return snapshot, tuple(_ticket(row) for row in rows)

    def _chosen(self, ref: SplitRef) -> Snapshot:
        if ref.snapshot_id:
            snapshot = self.get(ref.snapshot_id)
            if snapshot.dataset != ref.dataset:
                raise SnapshotNotFound("The snapshot is of another dataset.", name=ref.snapshot_id[:64])
            return snapshot
        newest, _ = self.page(ref.dataset, page_size=1)
        if newest:
            return newest[0]
        if ref.split:
            raise SnapshotNotFound(
                "The dataset was never frozen; make a snapshot with this split first.", name=ref.dataset
            )
        return self.create(ref.dataset)

    def shard(self, shard_id: str) -> Iterator[bytes]:
        """A shard's bytes in chunks of 1 MiB.

        Raises:
            ShardNotFound: there is none of this id.
        """
        with self._reader.begin() as connection:
            sha256 = connection.scalar(select(shards.c.sha256).where(shards.c.shard_id == shard_id))
        if sha256 is None:
            raise ShardNotFound("There is no shard of this id; open the snapshot again.", name=shard_id[:64])
        return self._blobs.chunks(str(sha256))


def _snapshot_id(dataset: str, digest: str, only: RecordFilter) -> str:
    """Two filters that take the same records are two snapshots of one digest: each says what was asked for."""
    asked = "" if only == EVERYTHING else "\n" + json.dumps(filter_to_json(only), sort_keys=True)
    return "snap-" + hashlib.sha256(f"{dataset}\n{digest}{asked}".encode()).hexdigest()[:16]


def snapshot_digest(columns: Columns, found: Sequence[Member], splits: Mapping[str, Sequence[int]]) -> str:
    """Hex SHA-256 over recordings with their samples, labels, patients, folds and splits.

    Patients count by who is the same as whom, not by their keys, which differ from site to site: the
    same data frozen in the same way has the same digest everywhere.
    """
    patients: dict[str, int] = {}
    records = [
        [
            member.recording_id,
            member.place.crc32,
            patients.setdefault(member.patient_or_self, len(patients)),
            member.fold,
            {group: list(labels) for group, labels in member.labels.items()},
            dict(member.numeric),
        ]
        for member in found
    ]
    content = {
        "format": _FORMAT,
        "columns": columns,
        "records": records,
        "splits": {name: list(indices) for name, indices in splits.items()},
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def shard_record(member: Member, stored: StoredRecording, recording: Recording) -> ShardRecord:
    """A record of a shard: all standard leads that are there or follow from those that are.

    Raises:
        UnsupportedView: the recording has no signal on one time base.
    """
    try:
        signal = _without_absent(recording.signal(), recording.leads)
    except PrecordiaError as error:
        raise type(error)(
            f"A recording of the dataset cannot be frozen: {error.message}",
            **{**error.details, "name": member.recording_id},
        ) from None
    return ShardRecord(
        recording_id=member.recording_id,
        source_record=member.source_record,
        signal=signal,
        targets={group: tuple(labels) for group, labels in member.labels.items()},
        numeric=member.numeric,
        patient_key=member.patient_or_self,
        fold=member.fold,
        age_years=stored.age_years,
        sex=stored.sex,
        gain=common_gain(recording),
    )


def _without_absent(signal: Signal, present: Sequence[str]) -> Signal:
    """Only leads that the recording has or that follow from those it has."""
    kept = [i for i, lead in enumerate(signal.leads) if lead in present or lead in signal.derived]
    return replace(signal, values=signal.values[kept], leads=tuple(signal.leads[i] for i in kept))


def _items(columns: Columns, found: Sequence[Member]) -> list[SplitItem]:
    """What splitting looks at; stratified by the labels of the first group."""
    first = next(iter(columns), None)
    return [
        SplitItem(m.patient_or_self, m.fold, tuple(m.labels.get(first, ())) if first is not None else ()) for m in found
    ]


def _split_count(name: str, found: Sequence[Member]) -> SplitCount:
    return SplitCount(name, len(found), len({member.patient_or_self for member in found}))


def _facts(
    columns: Columns, found: Sequence[Member], splits: Mapping[str, Sequence[int]], packed: Sequence[_Packed]
) -> tuple[SplitFacts, ...]:
    leads: defaultdict[str, Leads] = defaultdict(Leads)
    for shard in packed:
        leads[shard.split].update(shard.leads)
    return snapshot_facts(columns, found, splits, leads)


def _facts_text(facts: Sequence[SplitFacts]) -> str:
    return json.dumps(facts_to_json(facts), ensure_ascii=False)


def _made_us(connection: Connection) -> int:
    """A number above that of every snapshot so far: the time in microseconds, as far as clocks allow."""
    newest = connection.scalar(select(func.max(snapshots.c.made_us))) or 0
    return max(int(now().timestamp() * 1e6), int(newest) + 1)


def _shard_row(snapshot_id: str, position: int, shard: _Packed) -> dict[str, Any]:
    return {
        "shard_id": f"shard-{snapshot_id.removeprefix('snap-')}-{position}",
        "snapshot_id": snapshot_id,
        "split": shard.split,
        "position": position,
        "sha256": shard.sha256,
        "size_bytes": shard.size_bytes,
        "records": shard.records,
    }


def _snapshot(row: RowMapping) -> Snapshot:
    return Snapshot(
        snapshot_id=row["snapshot_id"],
        dataset=row["dataset"],
        digest=row["digest"],
        splits=tuple(SplitCount(*count) for count in json.loads(row["splits"])),
        label_groups=tuple(
            LabelGroup(group, tuple((label, count) for label, count in labels))
            for group, labels in json.loads(row["label_groups"])
        ),
        created_at=as_utc(row["created_at"]),
        only=filter_from_json(json.loads(row["only"])),
        left_out=row["left_out"],
        facts=facts_from_json(json.loads(row["facts"])),
    )


def _ticket(row: RowMapping) -> ShardTicket:
    return ShardTicket(row["shard_id"], row["sha256"], row["size_bytes"], row["records"])
