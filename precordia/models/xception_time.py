"""XceptionTime (Rahimian et al., Journal of Signal Processing Systems 2020, arXiv 1911.03803).

Four modules of depthwise separable convolutions, each twice as wide as the one before, a residual
connection around each two, means in 50 bins of time, two pointwise layers, one linear layer.

The published head ends in BatchNorm and ReLU before the mean over time, so that it can give nothing
below zero: with a loss on logits the outputs stick at one half. Here the last layer is linear and
follows the mean. `from_published` folds the BatchNorm of a published head into it.

Shape letters: B batch, L leads, T samples, C channels, F filters a branch (C = 4 F), K outputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from precordia.models.time_axis import mean_in_bins, time_convolution


@dataclass(frozen=True)
class XceptionTimeConfig:
    """Size of the network. The defaults are the published ones: 401 thousand parameters at 12 leads.

    Attributes:
        filters: of a branch of the first module; each further module has twice as many.
        kernels: lengths, in samples, of the three parallel convolutions; odd.
        bins: of time, before the head.
        dropout: share of the features dropped before the last layer, while training.
    """

    leads: int = 12
    outputs: int = 5
    filters: int = 16
    depth: int = 4
    kernels: tuple[int, ...] = (39, 19, 9)
    residual_every: int = 2
    bins: int = 50
    dropout: float = 0.0

    def width(self, module: int) -> int:
        """Channels that a module gives; module 0 stands for the leads."""
        return self.filters * 2 ** (module - 1) * (len(self.kernels) + 1) if module else self.leads


class SeparableConvolution(nn.Module):
    """One kernel for each channel, then a mixing of channels."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = time_convolution(channels_in, channels_in, kernel, groups=channels_in)
        self.pointwise = time_convolution(channels_in, channels_out)

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C in, 1, T) to (B, C out, 1, T)."""
        mixed: Tensor = self.pointwise(self.depthwise(x_bc1t))
        return mixed


class XceptionModule(nn.Module):
    """Bottleneck, parallel separable convolutions of several lengths beside a pooled branch."""

    def __init__(self, channels_in: int, filters: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        narrow = filters if channels_in > 1 else 1
        self.bottleneck = time_convolution(channels_in, narrow) if channels_in > 1 else nn.Identity()
        self.branches = nn.ModuleList(SeparableConvolution(narrow, filters, kernel) for kernel in kernels)
        self.pool = nn.MaxPool2d((1, 3), stride=1, padding=(0, 1))
        self.pooled = time_convolution(channels_in, filters)

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C, 1, T) to (B, 4 F, 1, T)."""
        narrow = self.bottleneck(x_bc1t)
        parts = [branch(narrow) for branch in self.branches]
        return torch.cat([*parts, self.pooled(self.pool(x_bc1t))], dim=1)


def _pointwise_norm(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(time_convolution(channels_in, channels_out), nn.BatchNorm2d(channels_out))


class XceptionTime(nn.Module):
    """The whole network. Gives logits: what they mean is the manifest's to say."""

    def __init__(self, config: XceptionTimeConfig) -> None:
        super().__init__()
        self.config = config
        self.modules_in_order = nn.ModuleList(
            XceptionModule(config.width(index), config.filters * 2**index, config.kernels)
            for index in range(config.depth)
        )
        self.shortcuts = nn.ModuleList(
            _pointwise_norm(config.width(first), config.width(first + config.residual_every))
            for first in range(0, config.depth - config.residual_every + 1, config.residual_every)
        )
        last = config.width(config.depth)
        self.narrowing = nn.ModuleList([_pointwise_norm(last, last // 2), _pointwise_norm(last // 2, last // 4)])
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(last // 4, config.outputs)

    def features(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) to (B, C / 4): what the head sees. Any T works."""
        x = x_blt.unsqueeze(2)
        earlier = x
        for number, module in enumerate(self.modules_in_order):
            x = module(x)
            if (number + 1) % self.config.residual_every == 0:
                x = torch.relu(x + self.shortcuts[number // self.config.residual_every](earlier))
                earlier = x
        x = mean_in_bins(x, self.config.bins)
        for layer in self.narrowing:
            x = torch.relu(layer(x))
        return x.mean(dim=(2, 3))

    def forward(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) float32 to logits (B, K)."""
        logits: Tensor = self.head(self.dropout(self.features(x_blt)))
        return logits


_NAMES = (
    (r"^block\.xception\.(\d+)\.bottleneck\.", r"modules_in_order.\1.bottleneck."),
    (r"^block\.xception\.(\d+)\.convs\.(\d+)\.(depth|point)wise_conv\.", r"modules_in_order.\1.branches.\2.\3wise."),
    (r"^block\.xception\.(\d+)\.maxconvpool\.1\.", r"modules_in_order.\1.pooled."),
    (r"^block\.shortcut\.(\d+)\.", r"shortcuts.\1."),
    (r"^head\.1\.", "narrowing.0."),
    (r"^head\.2\.", "narrowing.1."),
)
_EPSILON = 1e-5


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors named as in the time series library tsai, which the older platform uses, as this network's.

    The last convolution and its BatchNorm become one linear layer, without the ReLU behind them.
    """
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith("head.3."):
            continue
        name = key
        for pattern, replacement in _NAMES:
            name = re.sub(pattern, replacement, name)
        ours[name] = value.unsqueeze(2) if value.dim() == 3 else value
    if "head.3.0.weight" in state:
        scale = state["head.3.1.weight"] / torch.sqrt(state["head.3.1.running_var"] + _EPSILON)
        ours["head.weight"] = state["head.3.0.weight"][:, :, 0] * scale[:, None]
        ours["head.bias"] = state["head.3.1.bias"] - state["head.3.1.running_mean"] * scale
    return ours
