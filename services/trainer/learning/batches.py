"""Training batches: drawn, varied and brought to the device, one ahead of the step that takes them.

Every random number follows from the seed and the epoch, and one thread draws them in order, so
that batches do not depend on how fast anything was.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.trainer.learning.augment import augmented
from services.trainer.learning.place import Place
from services.trainer.planning.recipe import Recipe
from services.trainer.records.examples import Examples


@dataclass(frozen=True, eq=False)
class Batch:
    """What the network takes, (B, L, T) and perhaps (B, co-inputs), and what it should say, (B, K)."""

    inputs: tuple[Tensor, ...]
    y: Tensor

    def on(self, device: torch.device) -> Batch:
        """The same on a device; from pinned memory the copy runs beside the computation."""
        moved = tuple(tensor.to(device, non_blocking=True) for tensor in (*self.inputs, self.y))
        return Batch(moved[:-1], moved[-1])


class Batches:
    """A process's share of each training batch.

    `waited_s` is how long the last epoch's steps waited for their batches.
    """

    def __init__(
        self, train: Examples, recipe: Recipe, *, rate_hz: float, seed: int, place: Place, device: torch.device
    ) -> None:
        self.train, self.recipe, self.rate_hz, self.seed = train, recipe, rate_hz, seed
        self.place, self.device = place, device
        self.steps = max(1, len(train.x) // recipe.batch_size)
        self.waited_s = 0.0
        self._targets = train.y.shape[1] + train.auxiliary.shape[1]
        # Co-inputs are mixed as targets are.
        beside = [] if train.beside is None else [train.beside]
        self._of_records = np.concatenate([train.y, train.auxiliary, *beside], axis=1)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch; the last, incomplete one is left out."""
        self.waited_s = 0.0
        prepared = self._prepared(number)
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
            coming = pool.submit(next, prepared, None)
            while True:
                asked = time.perf_counter()
                batch = coming.result()
                if batch is None:
                    return
                coming = pool.submit(next, prepared, None)
                batch = batch.on(self.device)
                self.waited_s += time.perf_counter() - asked
                yield batch

    def _prepared(self, number: int) -> Iterator[Batch]:
        """All processes draw the same order, and each its own variations."""
        size, rank, train = self.recipe.batch_size, self.place.rank, self.train
        order = np.random.default_rng([self.seed, 2, number]).permutation(len(train.x))
        generator = np.random.default_rng([self.seed, 3, number, rank])
        for start in range(0, self.steps * size, size):
            rows = order[start : start + size][rank :: self.place.world_size]
            x_blt, varied = augmented(
                train.windows(rows),
                self._of_records[train.record[rows]],
                recipe=self.recipe,
                rate_hz=self.rate_hz,
                generator=generator,
            )
            y, beside = np.split(varied, [self._targets], axis=1)
            inputs = (self._tensor(x_blt), self._tensor(beside)) if beside.shape[1] else (self._tensor(x_blt),)
            yield Batch(inputs, self._tensor(y))

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.pin_memory() if self.device.type == "cuda" else tensor
