"""Layers along time that several networks share.

Convolutions over time are written as 2-D convolutions with a kernel height of 1: on a CPU, with
channels last, they train faster than their 1-D twins and compute the same.

Shape letters: B batch, C channels, T samples; "1" is the height that stands for no axis at all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def time_convolution(
    channels_in: int, channels_out: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution over time of an odd kernel, padded with zeros on both sides alike."""
    padding = (0, kernel // 2)
    return nn.Conv2d(channels_in, channels_out, (1, kernel), (1, stride), padding, groups=groups, bias=bias)


def padded(x_bc1t: Tensor, total: int) -> Tensor:
    """`total` zeros more along time; of an odd number the last one comes behind."""
    return nn.functional.pad(x_bc1t, (total // 2, total - total // 2))


def widened(x_bc1t: Tensor, channels: int, *, before: int = 0) -> Tensor:
    """Channels of zeros added, `before` of them in front: a shortcut without parameters."""
    missing = channels - x_bc1t.shape[1]
    if not missing:
        return x_bc1t
    return nn.functional.pad(x_bc1t, (0, 0, 0, 0, before, missing - before))


def mean_in_bins(x_bc1t: Tensor, bins: int) -> Tensor:
    """Adaptive mean pooling, (B, C, 1, T) to (B, C, 1, bins), for any T.

    Bin i is the mean of samples floor(i T / bins) to ceil((i + 1) T / bins) - 1. Where T is a
    multiple it is plain pooling, else a product with a constant matrix: both leave a plain graph and
    repeat bit by bit on every device, which adaptive pooling does not.
    """
    samples = x_bc1t.shape[-1]
    if samples % bins == 0:
        return torch.unflatten(x_bc1t, 3, (bins, samples // bins)).mean(dim=4)
    means = torch.zeros(samples, bins)
    for index in range(bins):
        first, end = index * samples // bins, -((-(index + 1) * samples) // bins)
        means[first:end, index] = 1 / (end - first)
    return x_bc1t @ means.to(x_bc1t)


def mean_of_pairs(x_bc1t: Tensor) -> Tensor:
    """(B, C, 1, T) to (B, C, 1, ceil(T / 2)); an odd last sample stands alone."""
    if x_bc1t.shape[-1] % 2:
        x_bc1t = torch.cat([x_bc1t, x_bc1t[..., -1:]], dim=3)
    return torch.unflatten(x_bc1t, 3, (-1, 2)).mean(dim=4)


def largest_of(x_bc1t: Tensor, count: int) -> Tensor:
    """The largest of each `count` samples, (B, C, 1, T) to (B, C, 1, T // count); a rest is left out."""
    whole = x_bc1t.shape[-1] // count * count
    return torch.unflatten(x_bc1t[..., :whole], 3, (-1, count)).amax(dim=4)


class SqueezeExcitation(nn.Module):
    """Each channel times a factor that follows from the means of all channels (Hu et al. 2018)."""

    def __init__(self, channels: int, reduction: int, *, activation: nn.Module, bias: bool) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction, bias=bias)
        self.activation = activation
        self.excite = nn.Linear(channels // reduction, channels, bias=bias)

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C, 1, T) to the same shape."""
        factor_bc = torch.sigmoid(self.excite(self.activation(self.squeeze(x_bc1t.mean(dim=(2, 3))))))
        return x_bc1t * factor_bc[:, :, None, None]
