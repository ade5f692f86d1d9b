"""Slow, obvious twins of the compiled kernels that readers use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def deviation(samples: Sequence[float], every: int) -> float:
    """Population standard deviation of every so many-th sample."""
    taken = [Fraction(sample) for sample in samples[::every]]
    mean = sum(taken) / len(taken)
    return math.sqrt(sum((sample - mean) ** 2 for sample in taken) / len(taken))


def residual_span(one: Sequence[float], two: Sequence[float], three: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest of I + III - II."""
    residuals = [a + c - b for a, b, c in zip(one, two, three, strict=True)]
    if any(math.isnan(residual) for residual in residuals):
        return math.nan, math.nan
    return min(residuals), max(residuals)


def cell_ends(text: bytes, delimiter: int) -> list[int]:
    """Where cells end, by looking at every byte."""
    return [at for at, byte in enumerate(text) if byte in (delimiter, ord("\n"))]


def short_cell(cell: str, mark: str) -> float:
    """A number of a minus sign, digits and one mark, eight letters in all with a return at its end; else NaN."""
    plain = cell.removesuffix("\r")
    digits = plain.removeprefix("-").replace(mark, "", 1)
    if len(cell) > 8 or not (digits.isascii() and digits.isdecimal()):
        return math.nan
    return float(plain.replace(mark, "."))
