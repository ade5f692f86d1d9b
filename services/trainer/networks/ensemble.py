"""Several networks as one. Shape letters: B batch, L leads, T samples, K outputs, N networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """The mean of several networks' logits; their weights lie under `members.<number>.`.

    Logits and not probabilities are averaged: the model then has logits like any other, on which its
    activation, its temperature and its thresholds work unchanged, and for regression it is the plain
    mean. For probabilities it is their geometric mean, normalised: the one distribution that is
    closest to all members (Heskes 1998, Selecting weighting factors in logarithmic opinion pools).
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x_blt: Tensor, beside: Tensor | None = None) -> Tensor:
        """(B, L, T), and (B, co-inputs) where the members take them, to logits (B, K)."""
        inputs = (x_blt,) if beside is None else (x_blt, beside)
        logits_nbk = torch.stack([member(*inputs) for member in self.members])
        return logits_nbk.mean(dim=0)

    def each(self, change: Callable[[nn.Module], nn.Module]) -> Ensemble:
        """The ensemble of the changed members."""
        return Ensemble([change(member) for member in self.members])
