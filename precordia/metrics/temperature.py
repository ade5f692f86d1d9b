"""Temperature scaling: one number that makes probabilities honest and changes no order.

Guo et al. 2017, On Calibration of Modern Neural Networks, ICML (arXiv 1706.04599): logits are divided
by a temperature that is fitted on validation records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from precordia.metrics.arrays import Scores, Truth

COLDEST, HOTTEST = 0.05, 20.0
_FLAT = 1e-9


@dataclass(frozen=True)
class Temperature:
    """A fit, with the mean negative log likelihood of the records before and after it."""

    value: float
    loss_before: float
    loss_after: float


def fit_temperature(logits: Scores, truth: Truth, *, exclusive: bool) -> Temperature | None:
    """The temperature of the largest likelihood.

    Args:
        logits: (n, k), before softmax or sigmoid.
        truth: (n, k).
        exclusive: softmax over the labels; else a sigmoid each.

    Returns:
        None where the likelihood has no inner maximum (every record is called right, or order says
        nothing), or there is no record: a temperature cannot be measured there.
    """
    if not logits.size:
        return None
    return least_loss(lambda temperature: mean_log_loss(logits / temperature, truth, exclusive=exclusive))


def least_loss(loss_at: Callable[[float], float]) -> Temperature | None:
    """The temperature of the least loss, where what is scored is more than one division of logits.

    Args:
        loss_at: mean negative log likelihood of the records at a temperature.

    Returns:
        None where the loss has no inner minimum.
    """

    def loss(log_temperature: float) -> float:
        return loss_at(np.exp(log_temperature))

    ends = (float(np.log(COLDEST)), float(np.log(HOTTEST)))
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6})
    if not min(map(loss, ends)) > found.fun + _FLAT:
        return None
    return Temperature(float(np.exp(found.x)), loss(0.0), float(found.fun))


def mean_log_loss(logits: Scores, truth: Truth, *, exclusive: bool) -> float:
    """Mean negative log likelihood: of records (softmax), or of records and labels (sigmoid)."""
    flags = truth.astype(np.float64)
    if exclusive:
        highest = logits.max(axis=1, keepdims=True)
        log_sum = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
        return float(np.mean(log_sum - (flags * logits).sum(axis=1)))
    return float(np.mean(np.logaddexp(0.0, logits) - flags * logits))


def probabilities(logits: Scores, *, exclusive: bool, temperature: float = 1.0) -> Scores:
    """Softmax or sigmoid of logits over a temperature, without overflow; (n, k)."""
    cooled = logits / temperature
    if exclusive:
        powers: Scores = np.exp(cooled - cooled.max(axis=1, keepdims=True))
        shares: Scores = powers / powers.sum(axis=1, keepdims=True)
        return shares
    return 0.5 * (1.0 + np.tanh(0.5 * cooled))
