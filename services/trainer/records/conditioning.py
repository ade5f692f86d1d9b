"""Shards through conditioning: batches of equal make, on bounded threads, written in order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from precordia.errors import PrecordiaError
from precordia.manifest import Manifest
from precordia.record import Signal
from precordia.shard import Shard
from precordia.signal import condition_batch

_BATCH = 16
"""Records of one call: enough that its fixed cost does not count, few enough to stay in the cache."""


@dataclass(frozen=True, eq=False)
class Taken:
    """What became of a shard's records.

    Attributes:
        kept: int64 (kept records,), their rows in the shard, ascending.
        windows: int64 (kept records,), windows of each.
        left_out: reason -> records that could not be conditioned.
    """

    kept: NDArray[np.int64]
    windows: NDArray[np.int64]
    left_out: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class _Batch:
    """Records that stood side by side: samples of those conditioned, windows of each (0 = left out), and why."""

    parts: list[NDArray[np.float32]] = field(default_factory=list)
    windows: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class ShardConditioner:
    """Conditions shards by one manifest. Its kernels release the GIL, so that threads work side by side."""

    def __init__(self, manifest: Manifest, threads: int) -> None:
        self._manifest = manifest
        self._pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="conditioning")

    def __enter__(self) -> ShardConditioner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, shard: Shard, samples: BinaryIO) -> Taken:
        """Append the conditioned windows of every record that can be conditioned, in the shard's order."""
        starts = range(0, shard.records, _BATCH)
        batches = self._pool.map(lambda start: self._batch(shard, start), starts)
        windows: list[int] = []
        left_out: Counter[str] = Counter()
        for batch in batches:
            for part in batch.parts:
                samples.write(np.ascontiguousarray(part, dtype="<f4").data)
            windows += batch.windows
            left_out.update(batch.reasons)
        counts = np.array(windows, dtype=np.int64)
        kept = np.flatnonzero(counts)
        return Taken(kept, counts[kept], left_out)

    def _batch(self, shard: Shard, start: int) -> _Batch:
        rows = range(start, min(start + _BATCH, shard.records))
        batch = _Batch()
        for _, alike in itertools.groupby(map(shard.signal, rows), key=_make):
            self._condition(list(alike), batch)
        return batch

    def _condition(self, alike: list[Signal], batch: _Batch) -> None:
        """Condition signals of one make together, or one by one where one of them spoils it."""
        first = alike[0]
        try:
            done = condition_batch(
                np.stack([signal.values for signal in alike]),
                self._manifest,
                leads=first.leads,
                sample_rate_hz=first.sample_rate_hz,
                unit=first.unit,
                applied=first.applied,
            )
        except PrecordiaError as error:
            if len(alike) == 1:
                batch.windows.append(0)
                batch.reasons.append(error.reason)
                return
            for signal in alike:
                self._condition([signal], batch)
        else:
            batch.parts.append(done.x)
            batch.windows.extend([done.windows] * len(alike))


def _make(signal: Signal) -> tuple[object, ...]:
    """What signals must share to be conditioned together."""
    return signal.leads, signal.values.shape, signal.sample_rate_hz, signal.unit, signal.applied
