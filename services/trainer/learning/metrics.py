"""The short figures that an epoch reports. `precordia.metrics` defines them; the report has them all.

A figure that cannot be measured is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.metrics import Scores, called_labels, mean_of_known
from precordia.metrics.classification import label_table, overall_table
from precordia.metrics.regression import output_figures
from precordia.metrics.weighted import Answers

Truth = NDArray[np.uint8]


def classification(truth: Truth, scores: Scores, labels: Sequence[str], *, exclusive: bool) -> dict[str, Any]:
    """Figures of a classifier at a threshold of 0.5, over all labels and by label, without intervals.

    Args:
        truth: (n, k) 0 or 1.
        scores: (n, k) probabilities.
        labels: k names.
        exclusive: exactly one label is true (multiclass).
    """
    given = Answers(truth.astype(np.bool_), scores, called_labels(scores, exclusive=exclusive), exclusive)
    per_class = label_table(given, labels)
    return {"n": len(truth), **overall_table(given, per_class), "per_class": per_class}


def regression(truth: Scores, values: Scores, names: Sequence[str]) -> dict[str, Any]:
    """Mean absolute error, root mean squared error and more by output, and their means; (n, k) each."""
    per_output = {name: output_figures(truth[:, column], values[:, column]) for column, name in enumerate(names)}
    return {
        "n": len(truth),
        "mae_macro": mean_of_known([row["mae"] for row in per_output.values()]),
        "rmse_macro": mean_of_known([row["rmse"] for row in per_output.values()]),
        "per_output": per_output,
    }
