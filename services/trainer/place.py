"""A process's place among those that train one model together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Place:
    """Rank and number of processes. More than one needs an initialised torch.distributed group."""

    rank: int = 0
    world_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process reports and keeps the checkpoints."""
        return self.rank == 0

    def average_gradients(self, network: nn.Module) -> None:
        """Give every process the mean of all gradients."""
        if self.world_size == 1:
            return
        for parameter in network.parameters():
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= self.world_size

    def agree(self, flag: bool) -> bool:
        """Whether any process raised the flag: all get the same answer."""
        if self.world_size == 1:
            return flag
        raised = torch.tensor(float(flag))
        distributed.all_reduce(raised)
        return bool(raised > 0)
