"""A process's place among those that train one model together.

Everything that they exchange goes through here: the mean of their gradients and of BatchNorm's
statistics, figures, and whether to stop. Alone, each of these is what it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Place:
    """Rank and number of processes. More than one needs an initialised torch.distributed group."""

    rank: int = 0
    world_size: int = 1

    @staticmethod
    def here() -> Place:
        """This process's place: in the group that it joined, or alone."""
        if distributed.is_available() and distributed.is_initialized():
            return Place(distributed.get_rank(), distributed.get_world_size())
        return Place()

    @property
    def leads(self) -> bool:
        """Whether this process reports and keeps the checkpoints."""
        return self.rank == 0

    def broadcast(self, network: nn.Module) -> None:
        """Give every process the first one's weights and buffers."""
        if self.world_size > 1:
            _together(network.state_dict().values(), lambda flat: distributed.broadcast(flat, 0))

    def average_gradients(self, network: nn.Module) -> None:
        """Give every process the mean of all gradients."""
        if self.world_size > 1:
            _together([p.grad for p in network.parameters() if p.grad is not None], self._to_mean)

    def average_buffers(self, network: nn.Module) -> None:
        """Give every process the mean of all buffers that are no counts: BatchNorm's means and variances."""
        if self.world_size > 1:
            _together([buffer for buffer in network.buffers() if buffer.is_floating_point()], self._to_mean)

    def mean(self, value: float) -> float:
        """Mean of a number over all processes: all get the same."""
        if self.world_size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        self._to_mean(total)
        return float(total)

    def agree(self, flag: bool) -> bool:
        """Whether any process raised the flag: all get the same answer."""
        if self.world_size == 1:
            return flag
        raised = torch.tensor(float(flag))
        distributed.all_reduce(raised)
        return bool(raised > 0)

    def _to_mean(self, flat: Tensor) -> None:
        distributed.all_reduce(flat)
        flat /= self.world_size


@torch.no_grad()
def _together(tensors: Iterable[Tensor], exchange: Callable[[Tensor], object]) -> None:
    """Exchange tensors as one flat tensor a type: one message instead of one a layer, which costs more in waiting."""
    by_type: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        by_type.setdefault(tensor.dtype, []).append(tensor)
    for alike in by_type.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in alike])
        exchange(flat)
        for tensor, part in zip(alike, torch.split(flat, [tensor.numel() for tensor in alike]), strict=True):
            tensor.copy_(part.view(tensor.shape))
