"""What is called of labels against what is true: shares, confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from precordia.metrics.arrays import Counts, Flags, Scores, Truth

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Calls:
    """What was called of one label against what is true; shares as in Altman and Bland 1994, BMJ 308:1552 and 309:102.

    A share of nothing is None.
    """

    hits: int
    false_alarms: int
    missed: int
    rejected: int

    @classmethod
    def count(cls, truth: Truth, called: Truth) -> Calls:
        """Of (n,) flags each."""
        is_true, is_called = truth.astype(np.bool_), called.astype(np.bool_)
        hits = int((is_true & is_called).sum())
        false_alarms, missed = int(is_called.sum()) - hits, int(is_true.sum()) - hits
        return cls(hits, false_alarms, missed, is_true.size - hits - false_alarms - missed)

    @property
    def positives(self) -> int:
        """Records that have the label."""
        return self.hits + self.missed

    @property
    def negatives(self) -> int:
        """Records that do not."""
        return self.rejected + self.false_alarms

    @property
    def sensitivity(self) -> float | None:
        """Share of the positives that are called; also named recall."""
        return _share(self.hits, self.positives)

    @property
    def specificity(self) -> float | None:
        """Share of the negatives that are not called."""
        return _share(self.rejected, self.negatives)

    @property
    def ppv(self) -> float | None:
        """Share of the called that are positive; also named precision."""
        return _share(self.hits, self.hits + self.false_alarms)

    @property
    def npv(self) -> float | None:
        """Share of those not called that are negative."""
        return _share(self.rejected, self.rejected + self.missed)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of sensitivity and ppv: van Rijsbergen 1979, Information Retrieval, 7, with equal weights.

        None without positives: it would be 0 for every model, however good.
        """
        return _share(2 * self.hits, 2 * self.hits + self.false_alarms + self.missed) if self.positives else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def called_labels(scores: Scores, *, exclusive: bool, thresholds: Sequence[float] | None = None) -> Flags:
    """Which labels the scores call: the highest alone (the first of equals), or each from its threshold on.

    Args:
        scores: (n, k).
        exclusive: exactly one label is true (multiclass); thresholds do not matter then.
        thresholds: k; 0.5 each where there are none.

    Returns:
        (n, k).
    """
    if exclusive:
        highest: Flags = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
        return highest
    above: Flags = scores >= (DEFAULT_THRESHOLD if thresholds is None else np.asarray(thresholds))
    return above


def correct_records(truth: Truth, called: Flags, *, exclusive: bool) -> Flags:
    """Which records are called right, (n,): the called class is true, or every label is as it should be."""
    flags = truth.astype(np.bool_)
    right: Flags
    right = (
        np.logical_or.reduce(called & flags, axis=1) if exclusive else np.logical_and.reduce(called == flags, axis=1)
    )
    return right


def confusion_matrix(truth: Truth, called: Flags) -> Counts:
    """Records by true class (row) and called class (column), for classes of which one is called.

    The last row is for records of none of the classes. A record with several true classes stands in
    the row of the called one where that is true, else in the row of its first.

    Args:
        truth: (n, k).
        called: (n, k), one a record.

    Returns:
        (k + 1, k).
    """
    flags, classes = truth.astype(np.bool_), truth.shape[1]
    column = called.argmax(axis=1)
    row = np.where(flags.any(axis=1), flags.argmax(axis=1), classes)
    row = np.where((flags & called).any(axis=1), column, row)
    matrix = np.zeros((classes + 1, classes), dtype=np.int64)
    np.add.at(matrix, (row, column), 1)
    return matrix


def co_occurrence(truth: Truth, called: Flags) -> Counts:
    """Records that have label i and are called j, (k, k): the diagonal holds the hits, the rest what goes along."""
    counts: Counts = truth.astype(np.int64).T @ called.astype(np.int64)
    return counts
