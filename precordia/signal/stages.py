"""Conditioning in motion: a block of rows, and the stages that change it.

A row is one lead of one window of one record. Rows of a block run over records, then windows, then
leads, so that a batch is conditioned by the same code as a single ECG.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from precordia.manifest import LongPolicy
from precordia.signal import _kernels, filters, resampling
from precordia.signal.filters import ZeroPhase

Scalar = TypeVar("Scalar", bound=np.generic)

_ROUNDING_S = 0.04
"""A surplus this short is what rates and rounding leave: it is cut off, and starts no window."""


@dataclass(eq=False)
class Block:
    """Rows on their way.

    Attributes:
        rows: float32 (records * windows * leads, samples), C-contiguous.
        unknown: like rows, True where the value is bridged or padded and must count for nothing.
        padded: (windows, samples), True where padding stands.
        silent: (records, leads), True where a lead is absent and zeros are to stand for it; None = nowhere.
        cropped: samples that a crop left out.
        flat: indices of groups of rows that had nothing to scale.
        neutral: what unknown samples become in the end.
        whole: nothing is unknown, and nothing padded.
    """

    rows: NDArray[np.float32]
    unknown: NDArray[np.bool_]
    leads: int
    sample_rate_hz: float
    padded: NDArray[np.bool_]
    silent: NDArray[np.bool_] | None = None
    cropped: int = 0
    flat: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    flat_group: int = 1
    neutral: float = 0.0
    whole: bool = False

    @property
    def windows(self) -> int:
        """Windows a record was cut into."""
        return int(self.padded.shape[0])

    def silence(self, x: NDArray[np.float32]) -> None:
        """Zeros for silent leads in what became of the rows, (records * windows, leads, samples)."""
        if self.silent is not None and self.silent.any():
            x[np.repeat(self.silent, self.windows, axis=0)] = 0.0

    def flat_leads(self) -> list[int]:
        """Indices of leads that had nothing to scale in some window; silent ones have nothing anyway."""
        flat = self.flat.reshape(-1, self.leads)  # a record's windows at the time of scaling: cutting may come later
        if self.silent is not None and flat.size:
            flat = flat & ~np.repeat(self.silent, len(flat) // len(self.silent), axis=0)
        return [int(lead) for lead in np.flatnonzero(flat.any(axis=0))]


class Stage(Protocol):
    """One thing done to a block, in place or by exchanging its arrays."""

    def run(self, block: Block) -> None:
        """Do it."""


@dataclass(frozen=True)
class Filter:
    """A zero-phase filter."""

    design: ZeroPhase

    def run(self, block: Block) -> None:
        """Filter every row."""
        self.design.run(block.rows)


@dataclass(frozen=True)
class MedianBaseline:
    """Subtraction of a running median."""

    window: int
    reflect: bool

    def run(self, block: Block) -> None:
        """Subtract it from every row."""
        filters.subtract_median(block.rows, self.window, reflect=self.reflect)


@dataclass(frozen=True)
class Resample:
    """Resampling, with ends continued or periodic. The same rate changes nothing."""

    rate_hz: float
    periodic: bool = False

    def run(self, block: Block) -> None:
        """Resample every row, and carry the masks along."""
        from_hz = block.sample_rate_hz
        if from_hz == self.rate_hz:
            return
        block.rows = resampling.resample(block.rows, from_hz=from_hz, to_hz=self.rate_hz, edges=not self.periodic)
        samples = block.rows.shape[1]
        if block.whole:
            block.unknown = np.zeros(block.rows.shape, np.bool_)
            block.padded = np.zeros((block.windows, samples), np.bool_)
        else:
            block.unknown = _carried(block.unknown, samples, from_hz / self.rate_hz)
            block.padded = _carried(block.padded, samples, from_hz / self.rate_hz)
        block.sample_rate_hz = self.rate_hz


def _carried(mask: NDArray[np.bool_], samples: int, ratio: float) -> NDArray[np.bool_]:
    """A mask on a new grid: set where any of the old samples that meet the new one is."""
    if not mask.any():
        return np.zeros((mask.shape[0], samples), np.bool_)
    sums = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int64)
    np.cumsum(mask, axis=1, out=sums[:, 1:])
    at = np.arange(samples)
    first = np.minimum(np.floor(at * ratio).astype(np.int64), mask.shape[1] - 1)
    stop = np.clip(np.ceil((at + 1) * ratio).astype(np.int64), first + 1, mask.shape[1])
    return np.asarray(sums[:, stop] - sums[:, first] > 0)


@dataclass(frozen=True)
class CropOrPad:
    """To an exact length, at the start or in the centre."""

    duration_s: float
    center: bool = False

    def run(self, block: Block) -> None:
        """Crop or pad every row."""
        samples = max(1, round(self.duration_s * block.sample_rate_hz))
        present = block.rows.shape[1]
        if present > samples:
            first = (present - samples) // 2 if self.center else 0
            block.cropped = max(block.cropped, present - samples)
            block.rows = np.ascontiguousarray(block.rows[:, first : first + samples])
            block.unknown = np.ascontiguousarray(block.unknown[:, first : first + samples])
            block.padded = np.ascontiguousarray(block.padded[:, first : first + samples])
        elif present < samples:
            before = (samples - present) // 2 if self.center else 0
            widths = ((0, 0), (before, samples - present - before))
            block.whole = False
            block.rows = np.pad(block.rows, widths)
            block.unknown = np.pad(block.unknown, widths, constant_values=True)
            block.padded = np.pad(block.padded, widths, constant_values=True)


@dataclass(frozen=True)
class Cut:
    """Into windows of the model's length: one, padded, where the recording is short."""

    samples: int
    stride: int
    long: LongPolicy
    center: bool = False

    def starts(self, present: int, sample_rate_hz: float) -> tuple[int, ...]:
        """First samples of the windows of a recording of `present` samples.

        The last window ends with the recording, so that nothing at its end goes unseen.
        """
        surplus = present - self.samples
        if surplus <= _ROUNDING_S * sample_rate_hz or self.long is LongPolicy.FIRST:
            return (max(0, surplus) // 2 if self.center else 0,)
        starts = list(range(0, surplus + 1, self.stride))
        if surplus - starts[-1] > _ROUNDING_S * sample_rate_hz:
            starts.append(surplus)
        return tuple(starts)

    def run(self, block: Block) -> None:
        """Cut every record into its windows."""
        present = block.rows.shape[1]
        if present == self.samples:
            return
        if present < self.samples:
            CropOrPad(self.samples / block.sample_rate_hz, self.center).run(block)
            return
        starts = self.starts(present, block.sample_rate_hz)
        if len(starts) == 1:
            block.cropped = max(block.cropped, present - self.samples)
        block.rows = self._windows(block.rows, starts, block.leads)
        block.unknown = self._windows(block.unknown, starts, block.leads)
        block.padded = self._windows(block.padded, starts, 1)

    def _windows(self, rows: NDArray[Scalar], starts: tuple[int, ...], leads: int) -> NDArray[Scalar]:
        """(records * leads, present) to (records * windows * leads, samples)."""
        records = rows.reshape(-1, leads, rows.shape[1])
        cut = np.stack([records[:, :, start : start + self.samples] for start in starts], axis=1)
        return np.ascontiguousarray(cut.reshape(-1, self.samples))


@dataclass(frozen=True)
class ZScore:
    """Mean 0, population standard deviation 1, over what is known."""

    by_record: bool
    flat_below: float

    def run(self, block: Block) -> None:
        """Standardise every lead, or every window of a record."""
        block.flat_group = block.leads if self.by_record else 1
        block.flat = _kernels.z_score(block.rows, block.unknown, block.flat_group, self.flat_below)
        block.neutral = 0.0


@dataclass(frozen=True)
class MinMax:
    """To a range, over what is known."""

    by_record: bool
    low: float
    high: float
    flat_below: float

    def run(self, block: Block) -> None:
        """Scale every lead, or every window of a record."""
        block.flat_group = block.leads if self.by_record else 1
        block.flat = _kernels.min_max(block.rows, block.unknown, block.flat_group, self.low, self.high, self.flat_below)
        block.neutral = min(max(0.0, self.low), self.high)


@dataclass(frozen=True)
class Clip:
    """Limits."""

    low: float
    high: float

    def run(self, block: Block) -> None:
        """Limit every sample."""
        np.clip(block.rows, self.low, self.high, out=block.rows)
        block.neutral = min(max(block.neutral, self.low), self.high)
