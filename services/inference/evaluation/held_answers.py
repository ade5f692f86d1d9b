"""What a model said of labelled records, beside what is true of them: arrays, read from the kept predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.manifest import Task
from precordia.metrics import DEFAULT_THRESHOLD, Scores, called_labels
from precordia.metrics.weighted import Answers
from precordia.prediction import Prediction
from services.inference.evaluation.plan import Part
from services.inference.keeping.store import PlacedPrediction, Truth


@dataclass(frozen=True, eq=False)
class Held:
    """The records of a part that count.

    Attributes:
        rows: places of the records in the split, (n,).
        scores: (n, k) by label of the part's columns; values for regression.
        truth: (n, k): 1 and 0, or values with NaN where one is not known.
        truths: n.
        recordings: n ids.
        left_out: records that do not count, by reason.
    """

    part: Part
    rows: NDArray[np.int64]
    scores: Scores
    truth: Scores
    truths: tuple[Truth, ...]
    recordings: tuple[str, ...]
    left_out: Mapping[str, int]

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(self.part.columns)

    @property
    def patients(self) -> list[str]:
        """Of each record."""
        return [truth.patient for truth in self.truths]

    def own_thresholds(self) -> dict[str, float]:
        """The model's own, by label; an output that answers a label alone brings its threshold along."""
        own = self.part.thresholds
        return {
            label: own[outputs[0]]
            for label, outputs in self.part.columns.items()
            if len(outputs) == 1 and outputs[0] in own
        }

    def answers(self, thresholds: Mapping[str, float]) -> Answers:
        """With what is called by thresholds; 0.5 where there is none."""
        limits = [thresholds.get(label, DEFAULT_THRESHOLD) for label in self.labels]
        called = called_labels(self.scores, exclusive=self.part.exclusive, thresholds=limits)
        return Answers(self.truth.astype(np.bool_), self.scores, called, self.part.exclusive)

    def one_by_one(self, thresholds: Mapping[str, float]) -> Answers:
        """With each label called by its threshold, also where one class excludes the others."""
        limits = [thresholds.get(label, DEFAULT_THRESHOLD) for label in self.labels]
        called = called_labels(self.scores, exclusive=False, thresholds=limits)
        return Answers(self.truth.astype(np.bool_), self.scores, called, False)

    def asked(self) -> NDArray[np.int64]:
        """Columns that the dataset says something of."""
        return np.flatnonzero([label not in self.part.unasked for label in self.labels])


def held(part: Part, placed: Iterable[PlacedPrediction]) -> Held:
    """The predictions of a part as arrays."""
    rows: list[int] = []
    scores: list[list[float]] = []
    truths: list[Truth] = []
    recordings: list[str] = []
    left_out: dict[str, int] = {}
    for one in placed:
        reason = one.prediction.error_reason
        if not reason and not (one.truth and one.truth.labelled):
            reason = "UNLABELLED"
        if reason or one.truth is None:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        rows.append(one.position - part.first)
        scores.append(_row(part, one.prediction))
        truths.append(one.truth)
        recordings.append(one.prediction.recording_id)
    width = len(part.columns)
    return Held(
        part,
        np.array(rows, np.int64),
        np.array(scores, np.float64).reshape(-1, width),
        np.array([_true_row(part, truth) for truth in truths], np.float64).reshape(-1, width),
        tuple(truths),
        tuple(recordings),
        left_out,
    )


def _row(part: Part, prediction: Prediction) -> list[float]:
    said = {score.name: score.value for score in prediction.scores}
    parts = ([said[output] for output in outputs] for outputs in part.columns.values())
    return [min(1.0, sum(values)) if part.exclusive and len(values) > 1 else max(values) for values in parts]


def _true_row(part: Part, truth: Truth) -> list[float]:
    if part.task is Task.REGRESSION:
        return [truth.values.get(label, float("nan")) for label in part.columns]
    have = set(truth.labels)
    return [float(label in have or bool(have.intersection(outputs))) for label, outputs in part.columns.items()]
