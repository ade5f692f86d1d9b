"""The operation `predict_dataset`: scores for a split, which resumes after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from precordia.catalog import ModelRef
from precordia.dataset import SplitRef
from precordia.operations import OperationContext
from services.inference.datasets.split_scorer import PinnedWork, SplitScorer, Stretch
from services.inference.keeping.store import PredictionStore


class DatasetPrediction:
    """The operation `predict_dataset`: scores for a split, listed by page."""

    KIND = "predict_dataset"

    def __init__(self, scorer: SplitScorer, store: PredictionStore, *, audited: bool = True) -> None:
        self._scorer = scorer
        self._store = store
        self._audited = audited

    def __call__(self, context: OperationContext) -> Mapping[str, Any]:
        """Runs in a worker thread of the operations."""
        work, digest, records = self._pinned(context)
        self._scorer.score(context, work, Stretch(0, records), audited=self._audited)
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
            "snapshot_id": work.split.snapshot_id,
            "snapshot_digest": digest,
            "predicted": predicted,
            "refused": refused,
        }

    def _pinned(self, context: OperationContext) -> tuple[PinnedWork, str, int]:
        """The work, its snapshot's digest and its records, as an earlier attempt or this one fixed them."""
        state = context.state
        if state is None:
            asked = context.operation.request
            wanted = SplitRef(asked["dataset"], asked.get("split", ""), asked.get("snapshot_id", ""))
            split, snapshot, records = self._scorer.open(context, wanted)
            work = PinnedWork(self._scorer.version(context, ModelRef.parse(asked["model"])).ref, split)
            state = work.to_json() | {"snapshot_digest": snapshot.digest, "records": records}
            context.save_state(state)
        return PinnedWork.from_json(state), state["snapshot_digest"], state["records"]
