"""Evaluation: an operation that scores labelled splits with models and holds the scores against the labels.

The model versions, the snapshots and the label groups are fixed when it begins; every prediction is
kept as it is made. After a crash the next attempt goes on at the first place that has none, and makes
its figures from all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from precordia.evaluation import EvaluationWish
from precordia.metrics.bootstrap import broken_off_by
from precordia.operations import OperationContext
from precordia.shard import Shard
from services.inference.datasets.split_scorer import SplitScorer, Stretch
from services.inference.datasets.truths import truths_of
from services.inference.evaluation.documents import Chosen, Document, chosen, document, thresholds_of
from services.inference.evaluation.held_answers import Held, held
from services.inference.evaluation.model_comparison import comparisons, over_datasets
from services.inference.evaluation.model_cost import ModelCosts
from services.inference.evaluation.operating_points import OperatingPointsWriter
from services.inference.evaluation.plan import Part, parts_of
from services.inference.keeping.store import PredictionStore, Truth


class Evaluation:
    """The operation `evaluate`.

    Args:
        scorer: scores and keeps.
        store: what was kept.
        costs: parameters and times of models.
        points: where chosen thresholds are stored, when that is asked for.
    """

    KIND = "evaluate"

    def __init__(
        self, scorer: SplitScorer, store: PredictionStore, costs: ModelCosts, points: OperatingPointsWriter
    ) -> None:
        self._scorer = scorer
        self._store = store
        self._costs = costs
        self._points = points

    def __call__(self, context: OperationContext) -> Mapping[str, Any]:
        """Runs in a worker thread of the operations."""
        wish = EvaluationWish.from_json(context.operation.request)
        parts, costs = self._settled(context, wish)
        stretches = [Stretch(part.first, sum(one.records for one in parts)) for part in parts]
        for part, stretch in zip(parts, stretches, strict=True):
            self._scorer.score(context, part.work, stretch, partial(_truths, part=part))
        context.emit("log", {"message": "All is scored; the figures are being made."})
        limits = self._chosen(context, wish, parts)
        reported = [self._held(context, part) for part in parts if not part.chooses]
        datasets = dict.fromkeys(one.part.work.split.dataset for one in reported)
        grades = {dataset: self._scorer.grades(context, dataset) for dataset in datasets}
        with broken_off_by(context.check):
            documents = [
                document(
                    one,
                    wish,
                    limits.get(str(one.part.work.model)),
                    grades[one.part.work.split.dataset],
                    _cost(one, costs),
                )
                for one in reported
            ]
            decided = [(one, thresholds_of(one, limits.get(str(one.part.work.model)))) for one in reported]
            result = _result(documents, comparisons(decided, draws=wish.draws))
        if wish.thresholds is not None and wish.thresholds.store:
            stored = {
                name: self._points.store(context, one.on.part.work.model, one.by_label) for name, one in limits.items()
            }
            result["stored_thresholds"] = stored
        return result

    def _settled(
        self, context: OperationContext, wish: EvaluationWish
    ) -> tuple[tuple[Part, ...], Mapping[str, Mapping[str, Any]]]:
        """What an earlier attempt fixed, or is fixed now."""
        if context.state is None:
            parts = parts_of(context, self._scorer, wish)
            models = {str(part.work.model): part.work.model for part in parts}
            costs = {name: self._costs.of(context, ref) for name, ref in models.items()}
            context.save_state({"parts": [part.to_json() for part in parts], "costs": costs})
        assert context.state is not None, "it was saved just now"
        return tuple(map(Part.from_json, context.state["parts"])), context.state["costs"]

    def _held(self, context: OperationContext, part: Part) -> Held:
        context.check()
        return held(part, self._store.stretch(context.operation.operation_id, part.first, part.records))

    def _chosen(self, context: OperationContext, wish: EvaluationWish, parts: Sequence[Part]) -> dict[str, Chosen]:
        """Thresholds by model."""
        if wish.thresholds is None:
            return {}
        choosing = [self._held(context, part) for part in parts if part.chooses]
        return {str(one.part.work.model): chosen(one, wish.thresholds) for one in choosing}


def _truths(shard: Shard, part: Part) -> Sequence[Truth]:
    said = truths_of(shard, part.task, part.label_group, part.outputs)
    return [replace(truth, dataset=part.work.split.dataset, split=part.work.split.split) for truth in said]


def _cost(one: Held, costs: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return costs.get(str(one.part.work.model), {})


def _result(documents: Sequence[Document], compared: Sequence[Document]) -> dict[str, Any]:
    """One model on one split is the result itself; of more it holds each, and what they say together."""
    if len(documents) == 1:
        return dict(documents[0])
    return {
        "evaluations": list(documents),
        "comparisons": list(compared),
        "over_datasets": over_datasets(documents),
    }
