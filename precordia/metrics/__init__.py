"""How good scores are, as everyone here means it: each figure has one definition, and this is it.

A figure that cannot be measured is None, never 0. Truth is (n,) of flags or of 0 and 1, scores are
(n,); numpy is all that this needs. A score that is not a number makes the areas not a number.

What is here serves every caller. Whole documents of figures are made by `classification` and
`regression`, intervals by `bootstrap`; `temperature` and `comparison` need scipy, and are imported
by those who need them.
"""

from precordia.metrics.areas import auroc, average_precision
from precordia.metrics.arrays import Flags, Scores, Truth
from precordia.metrics.calls import DEFAULT_THRESHOLD, Calls, called_labels
from precordia.metrics.errors import mean_absolute_error, root_mean_squared_error
from precordia.metrics.means import mean_of_known

__all__ = [
    "DEFAULT_THRESHOLD",
    "Calls",
    "Flags",
    "Scores",
    "Truth",
    "auroc",
    "average_precision",
    "called_labels",
    "mean_absolute_error",
    "mean_of_known",
    "root_mean_squared_error",
]
