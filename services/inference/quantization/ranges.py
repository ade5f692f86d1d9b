"""Which values flow through a graph: counted as ECGs run, and the ranges that integers should stand for.

Two passes: the first finds the ends, the second counts between them. Nothing is kept of an ECG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.engine.host_buffers import Tensor
from services.inference.engine.sessions import Session
from services.inference.quantization.graph import Ranges

_BINS = 2048
_LEVELS = 255
_SHARES = np.linspace(0.3, 1.0, 36)
"""Of the whole range, tried in turn for the smallest error."""


class Rule(Enum):
    """How a range follows from what was seen; what is outside is cut to its ends."""

    WHOLE = "min-max"
    MOST = "99.999 %"
    LEAST_ERROR = "least squared error"


@dataclass
class Seen:
    """Values of one tensor: its ends, and how many are in each of equal bins between them."""

    low: float = np.inf
    high: float = -np.inf
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, np.int64))

    def widen(self, values: NDArray[Any]) -> None:
        """First pass."""
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))

    def count(self, values: NDArray[Any]) -> None:
        """Second pass."""
        if self.high > self.low:
            self.counts += np.histogram(values, bins=_BINS, range=(self.low, self.high))[0]

    def range(self, rule: Rule) -> tuple[float, float]:
        """The range by a rule. It holds 0, so that nothing is added to padding."""
        low, high = self.low, self.high
        if high > low and rule is not Rule.WHOLE:
            low, high = self._most() if rule is Rule.MOST else self._least_error()
        return min(low, 0.0), max(high, 0.0)

    @property
    def _edges(self) -> NDArray[np.float64]:
        return np.linspace(self.low, self.high, _BINS + 1)

    def _most(self) -> tuple[float, float]:
        below = np.cumsum(self.counts) / max(1, self.counts.sum())
        first, last = np.searchsorted(below, [1e-5, 1 - 1e-5])
        return float(self._edges[first]), float(self._edges[min(last + 1, _BINS)])

    def _least_error(self) -> tuple[float, float]:
        """The share of the range that has the smallest squared error: of rounding inside, of cutting outside.

        The minimum-error clipping of Banner et al. 2019, NeurIPS 32, on the counted values themselves.
        """
        middles = (self._edges[:-1] + self._edges[1:]) / 2
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        tried = [(low * share, high * share) for share in _SHARES]
        errors = [self._error(middles, *ends) for ends in tried]
        return tried[int(np.argmin(errors))]

    def _error(self, middles: NDArray[np.float64], low: float, high: float) -> float:
        cut = middles - np.clip(middles, low, high)
        rounding = ((high - low) / _LEVELS) ** 2 / 12
        return float((self.counts * (cut**2 + rounding * (cut == 0))).sum())


class ObservingSession(Session):
    """A session that counts what flows while it runs.

    Args:
        session: of the graph from `graph.observing`.
        names: of the tensors to be seen, the graph's inputs among them.
        output: of the model.
    """

    def __init__(self, session: Session, names: Sequence[str], output: str) -> None:
        self._session = session
        self.providers, self.inputs = session.providers, session.inputs
        self.outputs = tuple(spec for spec in session.outputs if spec.name == output)
        given = {spec.name for spec in session.inputs}
        self._inner = [name for name in names if name not in given]
        self.seen = {name: Seen() for name in names}
        self.counting = False

    def compute(self, tensors: Mapping[str, Tensor], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """See `Session.compute`."""
        wanted = list(dict.fromkeys([*self._inner, *outputs]))
        found = dict(zip(wanted, self._session.compute(tensors, wanted), strict=True))
        for name, seen in self.seen.items():
            values = tensors[name] if name in tensors else found[name]
            (seen.count if self.counting else seen.widen)(values)
        return [found[name] for name in outputs]

    def release(self) -> None:
        """See `Session.release`."""
        self._session.release()

    def ranges(self, rule: Rule) -> Ranges:
        """Of every tensor."""
        return {name: seen.range(rule) for name, seen in self.seen.items()}
