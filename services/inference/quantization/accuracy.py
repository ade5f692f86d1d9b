"""How far the scores of an int8 version are from those of its base, and from the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.manifest import Manifest, Task
from precordia.metrics.areas import auroc
from precordia.metrics.errors import r_squared
from precordia.metrics.means import mean_of_known

Scores = NDArray[np.float64]

_HALF = 0.5


def figure_name(task: Task) -> str:
    """The figure that must not fall."""
    return "r2" if task is Task.REGRESSION else "auroc_macro"


def figure(truth: Scores, scores: Scores, task: Task) -> float | None:
    """Macro AUROC, or for values the mean R2; None where no output can be measured.

    Args:
        truth: (records, asked outputs), NaN where the dataset says nothing.
        scores: of the same form.
        task: of the model.
    """
    return mean_of_known([_one(truth[:, column], scores[:, column], task) for column in range(truth.shape[1])])


def _one(truth: Scores, scores: Scores, task: Task) -> float | None:
    known = np.isfinite(truth)
    if task is Task.REGRESSION:
        return r_squared(truth[known], scores[known])
    return auroc(truth[known].astype(np.uint8), scores[known])


def document(
    base: Scores, made: Scores, truth: Scores, manifest: Manifest, asked: Sequence[str], thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Both versions on the same records.

    {"figure", "base", "int8", "loss", "n", "mean_difference", "max_difference", "changed_decisions"}; differences
    are of scores, in the outputs' units; a decision is one output of one ECG.

    Args:
        base: scores of the model, (records, outputs).
        made: of its int8 version, of the same form.
        truth: (records, asked outputs).
        manifest: of both.
        asked: outputs that the labels answer to.
        thresholds: by output; 0.5 where there is none.
    """
    names = manifest.output_names
    columns = [names.index(name) for name in asked]
    before, after = (figure(truth, scores[:, columns], manifest.task) for scores in (base, made))
    apart = np.abs(base - made)
    return {
        "figure": figure_name(manifest.task),
        "base": before,
        "int8": after,
        "loss": None if before is None or after is None else before - after,
        "n": len(base),
        "mean_difference": float(apart.mean()) if apart.size else None,
        "max_difference": float(apart.max()) if apart.size else None,
        "changed_decisions": _changed(base, made, manifest, thresholds),
    }


def _changed(base: Scores, made: Scores, manifest: Manifest, thresholds: Mapping[str, float]) -> int | None:
    if manifest.task is Task.REGRESSION or not len(base):
        return None
    if manifest.task is Task.MULTICLASS:
        return int((base.argmax(axis=1) != made.argmax(axis=1)).sum())
    limits = np.array([thresholds.get(name, _HALF) for name in manifest.output_names])
    return int(((base >= limits) != (made >= limits)).sum())
