"""Channels as integers for formats that hold nothing else: the source's own where they fit, else the finest that do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.record import Channel

MISSING = {16: -32768, 24: -(1 << 23), 32: -(1 << 31)}
"""What stands for a missing sample, by bits; no sample is ever written as that number."""

_ROUND = (200.0, 100.0, 250.0, 400.0, 500.0, 800.0, 1000.0, 1600.0, 2000.0, 4000.0, 5000.0, 10_000.0)
"""Counts for each unit that sources use; tried first, because their counts give floats back exactly."""


@dataclass(frozen=True, eq=False)
class Counts:
    """A channel as integers; physical = (samples - baseline) / gain.

    Attributes:
        samples: int32, `MISSING[bits]` where a sample is absent.
        gain: above 0.
        missing: bool, True where absent.
        exact: whether these are the source's own numbers, or give its floats back bit by bit.
    """

    samples: NDArray[np.int32]
    gain: float
    baseline: float
    missing: NDArray[np.bool_]
    exact: bool

    @property
    def known(self) -> NDArray[np.int32]:
        """Samples that are there."""
        return self.samples[~self.missing]


def bits_needed(channels: tuple[Channel, ...]) -> int:
    """16, or 24 or 32 where a channel's own integers need them."""
    widest = 16
    for channel in channels:
        if channel.gain is None:
            continue
        known = _known(channel)
        spread = int(np.abs(known).max()) if known.size else 0
        widest = max(widest, next(bits for bits in (16, 24, 32) if spread < 1 << (bits - 1) or bits == 32))
    return widest


def _known(channel: Channel) -> NDArray[np.int64]:
    samples = channel.samples.astype(np.int64)
    return samples if channel.missing is None else samples[~channel.missing]


def as_counts(channel: Channel, bits: int = 16) -> Counts:
    """The channel's own integers; where they do not fit, moved by an offset; else the finest counts that do."""
    limit = (1 << (bits - 1)) - 1
    if channel.gain is not None:
        sign = 1 if channel.gain > 0 else -1
        known = sign * _known(channel)
        low, high = (int(known.min()), int(known.max())) if known.size else (0, 0)
        offset = 0 if -limit <= low and high <= limit else (low + high) // 2
        if high - offset <= limit and low - offset >= -limit:
            moved = sign * channel.samples.astype(np.int64) - offset
            return _counts(
                moved, channel.missing, abs(channel.gain), sign * channel.baseline - offset, bits, exact=True
            )
    return _quantised(channel, bits, limit)


def _quantised(channel: Channel, bits: int, limit: int) -> Counts:
    values = channel.physical()
    missing = ~np.isfinite(values)
    values[missing] = 0.0
    peak = float(np.abs(values).max()) if values.size else 0.0
    scale = 0.001 if channel.unit == "uV" else 1.0
    own = np.float32 if channel.samples.dtype == np.float32 else np.float64
    for gain in (round_gain * scale for round_gain in _ROUND):
        counts = np.rint(values * gain)
        if peak * gain <= limit and np.array_equal((counts / gain).astype(own), values.astype(own)):
            return _counts(counts.astype(np.int64), missing, gain, 0.0, bits, exact=True)
    gain = _finest(limit / peak) if peak > 0 else 1.0
    return _counts(np.rint(values * gain).astype(np.int64), missing, gain, 0.0, bits, exact=False)


def _finest(most: float) -> float:
    """The largest of 1, 2, 5 x a power of ten that is at most `most`."""
    power = 10.0 ** int(np.floor(np.log10(most)))
    steps = [digit * power for digit in (1.0, 2.0, 5.0) if digit * power <= most]
    return float(f"{steps[-1] if steps else power / 2:.12g}")


def _counts(
    samples: NDArray[np.int64],
    missing: NDArray[np.bool_] | None,
    gain: float,
    baseline: float,
    bits: int,
    *,
    exact: bool,
) -> Counts:
    absent = np.zeros(samples.size, np.bool_) if missing is None else missing
    kept = np.where(absent, MISSING[bits], samples).astype(np.int32)
    return Counts(kept, gain, baseline, absent, exact)
