"""Evaluation: an operation that scores a labelled split and holds the scores against its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from precordia.catalog import ModelVersion
from precordia.dataset import Snapshot
from precordia.errors import InvalidLabels
from precordia.manifest import Task
from precordia.operations import OperationContext
from precordia.shard import Shard
from services.inference import metrics
from services.inference.datasets import PinnedWork, SplitScorer, truths_of
from services.inference.loading import OperatingPoints
from services.inference.store import KeptPrediction, PredictionStore, Truth


class Evaluation:
    """The operation `evaluate`."""

    KIND = "evaluate"

    def __init__(self, scorer: SplitScorer, store: PredictionStore) -> None:
        self._scorer = scorer
        self._store = store

    def __call__(self, context: OperationContext) -> Mapping[str, Any]:
        """Runs in a worker thread of the operations."""
        work = self._scorer.pin(context, _settled)
        notes = work.notes
        task, names = Task(notes["task"]), tuple(notes["outputs"])

        def truth(shard: Shard) -> Sequence[Truth]:
            return truths_of(shard, task, notes["label_group"], names)

        snapshot = self._scorer.score(context, work, truth)
        context.check()
        kept = list(self._store.all(context.operation.operation_id))
        return report(work, snapshot, kept)


def _settled(context: OperationContext, version: ModelVersion, snapshot: Snapshot) -> Mapping[str, Any]:
    """What an evaluation fixes when it begins, so that a resumed attempt measures the same thing."""
    group = label_group(version, snapshot, context.operation.request.get("label_group", ""))
    if version.manifest.task is not Task.REGRESSION:
        context.emit("log", {"message": f"Scores are held against {_labels_of(group)}.", "label_group": group})
    return {
        "task": version.manifest.task.value,
        "outputs": list(version.manifest.output_names),
        "label_group": group,
        "thresholds": OperatingPoints.of(version).thresholds,
    }


def label_group(version: ModelVersion, snapshot: Snapshot, wanted: str = "") -> str:
    """The group of labels that the outputs answer to.

    The one asked for; else the manifest's, where the dataset has it; else the first of those that
    share most labels with the outputs.

    Raises:
        InvalidLabels: the group asked for is not there, or no group has a label that the model gives.
    """
    manifest = version.manifest
    if manifest.task is Task.REGRESSION:
        return wanted
    shared = {
        group.name: len({label for label, _ in group.labels} & set(manifest.output_names))
        for group in snapshot.label_groups
    }
    best = max(shared, key=lambda name: shared[name], default="")
    chosen = wanted or (manifest.label_group if shared.get(manifest.label_group) else best)
    if not shared.get(chosen):
        there = ", ".join(map(_labels_of, shared)) or "none"
        raise InvalidLabels(
            f"None of {_labels_of(chosen)} is an output of {version.ref} ({', '.join(manifest.output_names[:20])}). "
            f"This dataset has: {there}."
        )
    return chosen


def _labels_of(group: str) -> str:
    return f"the labels of group '{group}'" if group else "the labels without a group"


def report(work: PinnedWork, snapshot: Snapshot, kept: Sequence[KeptPrediction]) -> dict[str, Any]:
    """The evaluation as a JSON object."""
    task, names = Task(work.notes["task"]), tuple(work.notes["outputs"])
    usable = [(one, one.truth) for one in kept if one.truth and one.truth.labelled and not one.prediction.error_reason]
    scores = np.array([[one.prediction.score(name) for name in names] for one, _ in usable]).reshape(-1, len(names))
    truths = [truth for _, truth in usable]
    if task is Task.REGRESSION:
        known = np.array([[truth.values.get(name, np.nan) for name in names] for truth in truths])
        overall, each = metrics.regression(names, scores, known.reshape(-1, len(names)))
    else:
        flags = np.array([[name in truth.labels for name in names] for truth in truths], dtype=np.bool_)
        flags = flags.reshape(-1, len(names))
        overall, each = metrics.classification(task, names, scores, flags, work.notes["thresholds"])
    return {
        "model": work.model.name,
        "version": work.model.version,
        "dataset": work.split.dataset,
        "split": work.split.split,
        "snapshot_id": snapshot.snapshot_id,
        "snapshot_digest": snapshot.digest,
        "task": task.value,
        "label_group": work.notes["label_group"],
        "n": len(usable),
        "patients": len({truth.patient for truth in truths}),
        "left_out": _left_out(kept),
        "metrics": overall,
        "per_class": each,
    }


def _left_out(kept: Sequence[KeptPrediction]) -> dict[str, int]:
    """Records that do not count, by reason."""
    counts: dict[str, int] = {}
    for one in kept:
        reason = one.prediction.error_reason
        if not reason and not (one.truth and one.truth.labelled):
            reason = "UNLABELLED"
        if reason:
            counts[reason] = counts.get(reason, 0) + 1
    return counts
