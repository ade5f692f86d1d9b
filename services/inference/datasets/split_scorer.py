"""Scoring a dataset split: shards are read in order, and what was made of them is kept.

The model version and the snapshot are pinned when the work begins, so a resumed attempt goes on
with the very same ones. What is already kept is not made again: the place of the last kept
prediction says where to go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from precordia.catalog import ModelRef, ModelVersion
from precordia.dataset import ShardTicket, Snapshot, SplitRef
from precordia.errors import NotFound
from precordia.operations import OperationContext
from precordia.prediction import PredictInput, Prediction, Priority
from precordia.shard import Shard, decode_shard
from precordia.stored import StoredRecording
from services.inference.bridge import LoopBridge
from services.inference.keeping.store import PlacedPrediction, PredictionStore, Truth
from services.inference.models.holding import Models
from services.inference.predicting.predictor import Predictor
from services.inference.scoring.signal_remarks import Known, KnownInput, known_of

Fact = TypeVar("Fact")

_ROWS = 64
"""ECGs between two safe points: what a crash costs at most."""


class Snapshots(Protocol):
    """What is needed of ingest; `precordia.client` has it."""

    async def open_snapshot(self, split: SplitRef) -> tuple[Snapshot, tuple[ShardTicket, ...]]:
        """A frozen split and where its shards are."""

    async def read_shard(self, ticket: ShardTicket) -> bytes:
        """One shard, verified."""

    def recordings(self, dataset: str = "") -> AsyncIterator[StoredRecording]:
        """All recordings of a dataset."""


@dataclass(frozen=True)
class PinnedWork:
    """One model on one split, fixed when the operation begins."""

    model: ModelRef
    split: SplitRef

    def to_json(self) -> dict[str, Any]:
        """For the operation's durable state."""
        return {"model": vars(self.model), "split": vars(self.split)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> PinnedWork:
        """The inverse of `to_json`."""
        return PinnedWork(ModelRef(**value["model"]), SplitRef(**value["split"]))


@dataclass(frozen=True)
class Stretch:
    """Which places of an operation's work a split takes, and how many there are over all of it."""

    first: int
    total: int


TruthReader = Callable[[Shard], Sequence[Truth]]
"""What a shard says of each of its records."""


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

    def open(self, context: OperationContext, split: SplitRef) -> tuple[SplitRef, Snapshot, int]:
        """A split pinned to its snapshot, the snapshot, and the split's records."""
        snapshot, tickets = self._bridge.call(context, lambda: self._snapshots.open_snapshot(split))
        pinned = SplitRef(split.dataset, split.split, snapshot.snapshot_id)
        return pinned, snapshot, sum(ticket.records for ticket in tickets)

    def version(self, context: OperationContext, ref: ModelRef) -> ModelVersion:
        """The version that a reference means now; it is loaded, so that it can score.

        Raises:
            ModelNotFound, InvalidModel: it cannot.
        """
        return self._bridge.call(context, lambda: self._version(ref))

    async def _version(self, ref: ModelRef) -> ModelVersion:
        async with self._models.use(ref) as model:
            return model.version

    def grades(self, context: OperationContext, dataset: str) -> Mapping[str, str]:
        """Quality of a dataset's recordings by id, as ingest has it now; empty where the dataset is gone."""
        return self._facts(context, dataset, lambda one: one.quality.grade.value if one.quality else None)

    def _facts(
        self, context: OperationContext, dataset: str, fact: Callable[[StoredRecording], Fact | None]
    ) -> Mapping[str, Fact]:
        """Something of a dataset's recordings by id, where it is known; empty where the dataset is gone."""

        async def listed() -> dict[str, Fact]:
            found = {one.recording_id: fact(one) async for one in self._snapshots.recordings(dataset)}
            return {name: value for name, value in found.items() if value is not None}

        try:
            return self._bridge.call(context, listed)
        except NotFound:
            return {}

    def score(
        self,
        context: OperationContext,
        work: PinnedWork,
        stretch: Stretch,
        truth: TruthReader | None = None,
        *,
        audited: bool = False,
    ) -> None:
        """Scores what is not scored yet.

        Args:
            context: of the operation.
            work: the model and the split.
            stretch: its places in the operation's work.
            truth: also keep what the dataset says of each record.
            audited: they are answers about stored recordings, to be listed among the kept ones.
        """
        _, tickets = self._bridge.call(context, lambda: self._snapshots.open_snapshot(work.split))
        done = self._store.next_position(context.operation.operation_id) - stretch.first
        context.progress(stretch.first + max(0, done), stretch.total)
        known = self._facts(context, work.split.dataset, known_of)
        for first, shard in self._shards(context, tickets, done):
            truths = None if truth is None else truth(shard)
            for row in range(max(0, done - first), shard.records, _ROWS):
                rows = range(row, min(row + _ROWS, shard.records))
                inputs = [_input(shard, row, known) for row in rows]
                predictions = self._predict(context, work.model, inputs)
                scored = [
                    PlacedPrediction(stretch.first + first + row, prediction, truths[row] if truths else None)
                    for row, prediction in zip(rows, predictions, strict=True)
                ]
                self._store.add(context.operation.operation_id, scored, audited=audited)
                context.progress(stretch.first + first + rows.stop, stretch.total)
                context.check()

    def _shards(
        self, context: OperationContext, tickets: Sequence[ShardTicket], done: int
    ) -> Iterator[tuple[int, Shard]]:
        """Shards that are not wholly done, each with the place of its first record."""
        first = 0
        for ticket in tickets:
            if first + ticket.records > done:
                data = self._bridge.call(context, partial(self._snapshots.read_shard, ticket))
                yield first, decode_shard(data)
            first += ticket.records

    def _predict(
        self, context: OperationContext, model: ModelRef, inputs: Sequence[PredictInput]
    ) -> tuple[Prediction, ...]:
        return self._bridge.call(context, lambda: self._predictor.predict(model, inputs, priority=Priority.BACKGROUND))


def _input(shard: Shard, row: int, known: Mapping[str, Known]) -> PredictInput:
    """A record of a shard; one that the dataset no longer has is known by its signal alone."""
    recording_id = shard.recording_ids[row]
    return KnownInput(
        recording_id=recording_id,
        signal=shard.signal(row),
        age_years=shard.ages[row],
        sex=shard.sexes[row],
        tag=shard.source_records[row],
        known=known.get(recording_id, Known()),
    )
