"""Intervals by the bootstrap: patients are drawn again with replacement, each with all their records.

Efron and Tibshirani 1993, An Introduction to the Bootstrap, 13 (percentile intervals). Records of one
patient are alike; drawing records one by one would make intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from precordia.metrics.arrays import Counts, Scores

DRAWS = 1000
_CELLS = 1 << 21
"""Numbers of one block of draws: 16 MiB."""
_AFFORDABLE = 2_000_000_000
"""Numbers of all draws together: about two minutes of one core."""
_FEWEST = 200
_LEAST_MEASURED = 0.5
"""Share of the draws that must measure a figure; below, the rest would say too little of it."""

Interval = tuple[float, float]
Patients = Counts | Sequence[str]
"""One for each record: keys, or numbers that are equal where the patient is."""
Figures = Callable[[Scores], Mapping[str, Scores]]


_between_blocks: ContextVar[Callable[[], None] | None] = ContextVar("precordia_between_blocks", default=None)


@contextmanager
def broken_off_by(check: Callable[[], None]) -> Iterator[None]:
    """Has `check` called between blocks of draws made inside, by this thread; what it raises ends them.

    Intervals of large datasets take minutes, however deep in a report they are made.
    """
    token = _between_blocks.set(check)
    try:
        yield
    finally:
        _between_blocks.reset(token)


def patient_numbers(patients: Patients) -> Counts:
    """Patients as numbers from 0, (n,); a record with an empty patient key is a patient of its own."""
    if isinstance(patients, np.ndarray):
        keys = patients
    else:
        keys = np.array([patient or f"\0{row}" for row, patient in enumerate(patients)])
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def drawn_counts(patients: Counts, *, draws: int = DRAWS, seed: int = 0) -> Iterator[Scores]:
    """How often each record was drawn, (n, some draws), block by block.

    The same patients, draws and seed give the same blocks, so that two models can be compared on
    the same draws.
    """
    people = int(patients.max()) + 1
    generator = np.random.default_rng(seed)
    block = max(1, min(draws, _CELLS // len(patients)))
    check = _between_blocks.get()
    for first in range(0, draws, block):
        if check is not None:
            check()
        size = min(block, draws - first)
        picked = generator.integers(0, people, (size, people)) + np.arange(size)[:, None] * people
        counts = np.bincount(picked.ravel(), minlength=size * people).reshape(size, people)
        yield counts[:, patients].T.astype(np.float64)


def distributions(figures: Figures, patients: Counts, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Scores]:
    """Every figure in every draw, (..., draws). `figures` takes (n, draws) counts, as in `weighted`."""
    blocks = [figures(counts) for counts in drawn_counts(patients, draws=draws, seed=seed)]
    return {name: np.concatenate([block[name] for block in blocks], axis=-1) for name in blocks[0]}


def affordable(draws: int, cells: int) -> int:
    """As many draws of so many numbers (records x labels) as take minutes and not hours; 200 are always made."""
    return min(draws, max(_FEWEST, _AFFORDABLE // max(1, cells)))


def interval(values: Scores, about: float | None = None) -> Interval | None:
    """95 % interval of a figure from its draws; None where half of them could not measure it.

    Errors of calibration are means of absolute values and grow under drawing, so that the figure
    itself could lie below its interval. With `about`, the figure, the draws are moved to have it for
    their mean (the bootstrap estimate of bias, as above, 10), and what falls below 0 is 0.
    """
    known = values[np.isfinite(values)]
    if known.size < _LEAST_MEASURED * max(1, values.size):
        return None
    low, high = np.percentile(known, [2.5, 97.5]).tolist()
    if about is None:
        return low, high
    bias = float(known.mean()) - float(about)
    return max(0.0, low - bias), high - bias
