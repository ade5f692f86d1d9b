"""Axes of a plot: from data to places on the drawing, and where the ticks stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """Maps `low`..`high` of the data to `start`..`end` of the drawing, by logarithm if asked."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False
    """Ticks at whole numbers only: half an epoch is none."""

    def place(self, value: float) -> float:
        """Where a value stands, within the axis."""
        low, high, here = (self._scaled(one) for one in (self.low, self.high, value))
        share = (here - low) / (high - low) if high > low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value

    @property
    def ticks(self) -> list[float]:
        """Round values along the axis."""
        if not self.log:
            values = round_values(self.low, self.high)
            return [value for value in values if value == round(value)] if self.whole else values
        powers = range(math.floor(math.log10(self.low)), math.floor(math.log10(self.high) + 1e-9) + 1)
        factors = (1, 2, 5) if len(powers) < 4 else (1,)
        values = [factor * 10.0**power for power in powers[:: max(1, math.ceil(len(powers) / 7))] for factor in factors]
        return [value for value in values if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]


def round_values(low: float, high: float, count: int = 6) -> list[float]:
    """About `count` round values from low to high."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in _STEPS if factor * magnitude >= rough - 1e-12)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def bounds(values: Sequence[float], *, margin: float = 0.05) -> tuple[float, float]:
    """From the smallest to the largest, with a margin; 0 to 1 of nothing."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    space = (high - low) * margin if high > low else abs(high) * 0.05 or 1.0
    return low - space, high + space


def tick_text(value: float) -> str:
    """Short, without noise from rounding."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
