"""InceptionTime (Ismail Fawaz et al., Data Mining and Knowledge Discovery 34, 2020, arXiv 1909.04939).

Six inception modules, a residual connection around each three, mean over time, one linear layer.
Convolutions over time are written as 2-D convolutions with a kernel height of 1: on a CPU, with
channels last, they train at twice the speed of their 1-D twins and compute the same.

Shape letters: B batch, L leads, T samples, C channels, F filters a branch (C = 4 F), K outputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class InceptionTimeConfig:
    """Size of the network. The defaults are the published ones: 457 thousand parameters at 12 leads.

    Attributes:
        kernels: lengths, in samples, of the three parallel convolutions; odd.
        residual_every: modules between residual connections.
        dropout: share of the pooled features dropped before the last layer, while training.
    """

    leads: int = 12
    outputs: int = 5
    filters: int = 32
    depth: int = 6
    kernels: tuple[int, ...] = (39, 19, 9)
    residual_every: int = 3
    dropout: float = 0.0

    @property
    def channels(self) -> int:
        """Channels that a module gives: one share for each kernel and one for the pooled branch."""
        return self.filters * (len(self.kernels) + 1)


def _time_convolution(channels_in: int, channels_out: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, (1, kernel), padding=(0, kernel // 2), bias=False)


class InceptionModule(nn.Module):
    """Bottleneck, parallel convolutions of several lengths beside a pooled branch, BatchNorm, ReLU."""

    def __init__(self, channels_in: int, config: InceptionTimeConfig) -> None:
        super().__init__()
        narrow = config.filters if channels_in > 1 else 1
        self.bottleneck = _time_convolution(channels_in, narrow, 1) if channels_in > 1 else nn.Identity()
        self.branches = nn.ModuleList(_time_convolution(narrow, config.filters, kernel) for kernel in config.kernels)
        self.pool = nn.MaxPool2d((1, 3), stride=1, padding=(0, 1))
        self.pooled = _time_convolution(channels_in, config.filters, 1)
        self.norm = nn.BatchNorm2d(config.channels)

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C, 1, T) to (B, 4 F, 1, T)."""
        narrow = self.bottleneck(x_bc1t)
        parts = [branch(narrow) for branch in self.branches]
        parts.append(self.pooled(self.pool(x_bc1t)))
        return torch.relu(self.norm(torch.cat(parts, dim=1)))


class Shortcut(nn.Module):
    """What a residual connection adds: the earlier signal, brought to the width it is added to."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        same = channels_in == channels_out
        self.widen = nn.Identity() if same else _time_convolution(channels_in, channels_out, 1)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C in, 1, T) to (B, C out, 1, T)."""
        widened: Tensor = self.norm(self.widen(x_bc1t))
        return widened


class InceptionTime(nn.Module):
    """The whole network. Gives logits: what they mean is the manifest's to say."""

    def __init__(self, config: InceptionTimeConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.leads] + [config.channels] * config.depth
        self.modules_in_order = nn.ModuleList(InceptionModule(width, config) for width in widths[:-1])
        self.shortcuts = nn.ModuleList(
            Shortcut(widths[first], config.channels)
            for first in range(0, config.depth - config.residual_every + 1, config.residual_every)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.channels, config.outputs)

    def features(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) to (B, C): what the head sees. Any T works."""
        x = x_blt.unsqueeze(2)
        earlier = x
        for number, module in enumerate(self.modules_in_order):
            x = module(x)
            if (number + 1) % self.config.residual_every == 0:
                x = torch.relu(x + self.shortcuts[number // self.config.residual_every](earlier))
                earlier = x
        return x.mean(dim=(2, 3))

    def forward(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) float32 to logits (B, K)."""
        logits: Tensor = self.head(self.dropout(self.features(x_blt)))
        return logits


_NAMES = (
    (r"^inceptionblock\.inception\.(\d+)\.bottleneck\.", r"modules_in_order.\1.bottleneck."),
    (r"^inceptionblock\.inception\.(\d+)\.convs\.(\d+)\.", r"modules_in_order.\1.branches.\2."),
    (r"^inceptionblock\.inception\.(\d+)\.maxconvpool\.1\.", r"modules_in_order.\1.pooled."),
    (r"^inceptionblock\.inception\.(\d+)\.bn\.", r"modules_in_order.\1.norm."),
    (r"^inceptionblock\.shortcut\.(\d+)\.0\.", r"shortcuts.\1.widen."),
    # where widths are equal the connection is a BatchNorm alone, without a number
    (r"^inceptionblock\.shortcut\.(\d+)\.(?:1\.)?", r"shortcuts.\1.norm."),
    (r"^fc\.", "head."),
)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors named as the time series library tsai names its InceptionTime's, as this network's.

    Its 1-D kernels get their height. With one lead it has no first bottleneck, and neither is there one here.
    """
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in _NAMES:
            name, changed = re.subn(pattern, replacement, name)
            if changed:
                break
        ours[name] = value.unsqueeze(2) if value.dim() == 3 else value
    return ours
