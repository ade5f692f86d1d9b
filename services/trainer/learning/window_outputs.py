"""From what a network says of windows to the scores of records, by the formula of serving.

Serving divides the outputs of each window by the temperature, activates them, and then takes the mean
or the largest over a record's windows, as the manifest says. Loss, calibration, thresholds and figures
are those of the same scores. A record of one window is its window, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from precordia.manifest import Aggregation
from precordia.metrics import Scores
from precordia.metrics.temperature import probabilities


@dataclass(frozen=True, eq=False)
class WindowOutputs:
    """A network's outputs for the windows of some records.

    Attributes:
        raw: (windows, outputs): logits, or values.
        record: int64 (windows,), the record that a window belongs to, ascending; every record has one at least.
        aggregation: how a record's windows become one.
    """

    raw: Scores
    record: NDArray[np.int64]
    aggregation: Aggregation = Aggregation.MEAN

    def values(self) -> Scores:
        """Outputs that need no activation, of records; (records, outputs)."""
        return self._aggregated(self.raw)

    def scores(self, *, exclusive: bool, temperature: float = 1.0) -> Scores:
        """Softmax (`exclusive`) or sigmoid of each window, then of records; (records, outputs).

        The largest of several windows' softmax need not sum to 1; it is served as it is.
        """
        return self._aggregated(probabilities(self.raw, exclusive=exclusive, temperature=temperature))

    def logits(self, *, exclusive: bool, temperature: float = 1.0) -> Scores:
        """The logits, (records, outputs), whose softmax or sigmoid the scores are: what losses are computed on.

        Where the scores of a softmax do not sum to 1, theirs does.
        """
        cooled = self.raw / temperature
        if self._alone:
            return cooled
        if exclusive:
            several = self._log_aggregated(_log_shares(cooled))
        elif self.aggregation is Aggregation.MAX:
            several = self._aggregated(cooled)  # the sigmoid keeps their order
        else:
            found, not_found = -np.logaddexp(0.0, -cooled), -np.logaddexp(0.0, cooled)
            several = self._log_aggregated(found) - self._log_aggregated(not_found)
        return np.where(self._counts[:, None] == 1, cooled[self._starts], several)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.diff(self.record, prepend=-1))

    @property
    def _counts(self) -> NDArray[np.int64]:
        return np.diff(self._starts, append=len(self.record))

    @property
    def _alone(self) -> bool:
        return len(self._starts) == len(self.record)

    def _aggregated(self, of_windows: Scores) -> Scores:
        if self._alone:
            return of_windows
        if self.aggregation is Aggregation.MAX:
            return np.maximum.reduceat(of_windows, self._starts)
        mean: Scores = np.add.reduceat(of_windows, self._starts) / self._counts[:, None]
        return mean

    def _log_aggregated(self, log_scores: Scores) -> Scores:
        """The logarithm of what becomes of scores, without underflow."""
        if self.aggregation is Aggregation.MAX:
            return np.maximum.reduceat(log_scores, self._starts)
        mean: Scores = np.logaddexp.reduceat(log_scores, self._starts) - np.log(self._counts)[:, None]
        return mean


def _log_shares(logits: Scores) -> Scores:
    """Logarithm of the softmax, (windows, outputs)."""
    above = logits - logits.max(axis=1, keepdims=True)
    shares: Scores = above - np.log(np.exp(above).sum(axis=1, keepdims=True))
    return shares
