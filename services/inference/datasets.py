"""Scoring a dataset split: an operation that reads shards, keeps what it made, and resumes after a crash.

The model version and the snapshot are pinned when the work begins, so a resumed attempt goes on
with the very same ones. What is already kept is not made again: the place of the last kept
prediction says where to go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from precordia.catalog import ModelRef, ModelVersion
from precordia.dataset import ShardTicket, Snapshot, SplitRef
from precordia.manifest import Task
from precordia.operations import OperationContext
from precordia.prediction import PredictInput, Prediction, Priority
from precordia.shard import Shard, decode_shard
from services.inference.bridge import LoopBridge
from services.inference.models import Models
from services.inference.predictor import Predictor
from services.inference.store import KeptPrediction, PredictionStore, Truth

_ROWS = 64
"""ECGs between two safe points: what a crash costs at most."""


class Snapshots(Protocol):
    """What is needed of ingest; `precordia.client` has it."""

    async def open_snapshot(self, split: SplitRef) -> tuple[Snapshot, tuple[ShardTicket, ...]]:
        """A frozen split and where its shards are."""

    async def read_shard(self, ticket: ShardTicket) -> bytes:
        """One shard, verified."""


@dataclass(frozen=True)
class PinnedWork:
    """What an operation works on, fixed at its beginning."""

    model: ModelRef
    split: SplitRef
    notes: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As the operation's durable state."""
        return {"model": vars(self.model), "split": vars(self.split), "notes": dict(self.notes)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> PinnedWork:
        """The inverse of `to_json`."""
        return PinnedWork(ModelRef(**value["model"]), SplitRef(**value["split"]), value["notes"])


TruthReader = Callable[[Shard], Sequence[Truth]]
"""What a shard says of each of its records."""

Notes = Callable[[OperationContext, ModelVersion, Snapshot], Mapping[str, Any]]
"""What else to fix when work begins, from the model and the snapshot."""


class SplitScorer:
    """Scores every record of a split, in order, and keeps the predictions."""

    def __init__(
        self,
        models: Models,
        predictor: Predictor,
        snapshots: Snapshots,
        store: PredictionStore,
        bridge: LoopBridge,
    ) -> None:
        self._models = models
        self._predictor = predictor
        self._snapshots = snapshots
        self._store = store
        self._bridge = bridge

    def pin(self, context: OperationContext, notes: Notes) -> PinnedWork:
        """The work as pinned by an earlier attempt, or pinned now."""
        if context.state is not None:
            return PinnedWork.from_json(context.state)
        request = context.operation.request
        wanted = SplitRef(request["dataset"], request.get("split", ""), request.get("snapshot_id", ""))
        ref = ModelRef.parse(request["model"])
        snapshot, _ = self._bridge.call(context, lambda: self._snapshots.open_snapshot(wanted))

        version = self._bridge.call(context, lambda: self._version(ref))
        work = PinnedWork(
            version.ref,
            SplitRef(wanted.dataset, wanted.split, snapshot.snapshot_id),
            notes(context, version, snapshot),
        )
        context.save_state(work.to_json())
        return work

    async def _version(self, ref: ModelRef) -> ModelVersion:
        async with self._models.use(ref) as model:
            return model.version

    def score(self, context: OperationContext, work: PinnedWork, truth: TruthReader | None = None) -> Snapshot:
        """Scores what is not scored yet."""
        snapshot, tickets = self._bridge.call(context, lambda: self._snapshots.open_snapshot(work.split))
        total = sum(ticket.records for ticket in tickets)
        done = self._store.next_position(context.operation.operation_id)
        context.progress(done, total)
        for first, shard in self._shards(context, tickets, done):
            truths = None if truth is None else truth(shard)
            for row in range(max(0, done - first), shard.records, _ROWS):
                rows = range(row, min(row + _ROWS, shard.records))
                kept = self._score_rows(context, work.model, shard, rows, first, truths)
                self._store.add(context.operation.operation_id, kept)
                context.progress(first + rows.stop, total)
                context.check()
        return snapshot

    def _shards(
        self, context: OperationContext, tickets: Sequence[ShardTicket], done: int
    ) -> Iterator[tuple[int, Shard]]:
        """Shards that are not wholly done, each with the place of its first record."""
        first = 0
        for ticket in tickets:
            if first + ticket.records > done:
                data = self._bridge.call(context, lambda ticket=ticket: self._snapshots.read_shard(ticket))  # type: ignore[misc]  # mypy cannot infer a lambda's default
                yield first, decode_shard(data)
            first += ticket.records

    def _score_rows(
        self,
        context: OperationContext,
        model: ModelRef,
        shard: Shard,
        rows: range,
        first: int,
        truths: Sequence[Truth] | None,
    ) -> list[KeptPrediction]:
        inputs = [_input(shard, row) for row in rows]
        predictions: tuple[Prediction, ...] = self._bridge.call(
            context, lambda: self._predictor.predict(model, inputs, priority=Priority.BACKGROUND)
        )
        return [
            KeptPrediction(first + row, prediction, truths[row] if truths else None)
            for row, prediction in zip(rows, predictions, strict=True)
        ]


def _input(shard: Shard, row: int) -> PredictInput:
    return PredictInput(
        recording_id=shard.recording_ids[row],
        signal=shard.signal(row),
        age_years=shard.ages[row],
        sex=shard.sexes[row],
        tag=shard.source_records[row],
    )


class DatasetPrediction:
    """The operation `predict_dataset`: scores for a split, listed by page."""

    KIND = "predict_dataset"

    def __init__(self, scorer: SplitScorer, store: PredictionStore) -> None:
        self._scorer = scorer
        self._store = store

    def __call__(self, context: OperationContext) -> Mapping[str, Any]:
        """Runs in a worker thread of the operations."""
        work = self._scorer.pin(context, lambda _context, _model, _snapshot: {})
        snapshot = self._scorer.score(context, work)
        refused: dict[str, int] = {}
        predicted = 0
        for kept in self._store.all(context.operation.operation_id):
            reason = kept.prediction.error_reason
            predicted += not reason
            if reason:
                refused[reason] = refused.get(reason, 0) + 1
        return {
            "model": work.model.name,
            "version": work.model.version,
            "dataset": work.split.dataset,
            "split": work.split.split,
            "snapshot_id": snapshot.snapshot_id,
            "snapshot_digest": snapshot.digest,
            "predicted": predicted,
            "refused": refused,
        }


def truths_of(shard: Shard, task: Task, group: str, names: Sequence[str]) -> list[Truth]:
    """What a shard says of its records: labels of a group, or values by name for regression.

    A record without a patient key counts as a patient of its own.
    """
    patients = [
        key or f"recording {recording}" for key, recording in zip(shard.patients, shard.recording_ids, strict=True)
    ]
    if task is Task.REGRESSION:
        columns = {name: shard.numeric(name).tolist() for name in names}
        rows = [{name: column[row] for name, column in columns.items()} for row in range(shard.records)]
        known = [{name: value for name, value in row.items() if math.isfinite(value)} for row in rows]
        return [Truth((), values, patient, bool(values)) for values, patient in zip(known, patients, strict=True)]
    return [
        Truth(labels, {}, patient, bool(labelled))
        for labels, patient, labelled in zip(shard.labels(group), patients, shard.known(group), strict=True)
    ]
