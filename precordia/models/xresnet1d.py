"""xresnet1d101 (Strodthoff et al., IEEE J Biomed Health Inform 25, 2021, arXiv 2004.13701).

The PTB-XL benchmark's residual network: a stem of three convolutions, four groups of bottleneck
blocks of one width, mean pooling in the shortcuts (He et al. 2019, arXiv 1812.01187), largest and
mean value over time side by side, one hidden layer, one linear layer.

Shape letters: B batch, L leads, T samples, C channels, K outputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from precordia.models.time_axis import mean_of_pairs, time_convolution


@dataclass(frozen=True)
class XResNet1dConfig:
    """Size of the network. The defaults are the benchmark's xresnet1d101: 1.8 million parameters at 12 leads.

    Attributes:
        stem: channels of the three convolutions that come first; the first halves the rate.
        blocks: in each group; every group but the first halves the rate.
        narrow: channels inside a block; it gives `expansion` times as many.
        dropout: share of the hidden features dropped before the last layer, while training; of the
            pooled ones half as many.
    """

    leads: int = 12
    outputs: int = 5
    stem: tuple[int, ...] = (32, 32, 64)
    blocks: tuple[int, ...] = (3, 4, 23, 3)
    narrow: int = 64
    expansion: int = 4
    kernel: int = 5
    hidden: int = 128
    dropout: float = 0.5


def _convolution_norm(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        time_convolution(channels_in, channels_out, kernel, stride=stride), nn.BatchNorm2d(channels_out)
    )


class Bottleneck(nn.Module):
    """Narrow, convolve, widen; added to the input, which is averaged and widened where it must be."""

    def __init__(self, channels_in: int, stride: int, config: XResNet1dConfig) -> None:
        super().__init__()
        wide = config.narrow * config.expansion
        self.narrow = _convolution_norm(channels_in, config.narrow)
        self.convolution = _convolution_norm(config.narrow, config.narrow, config.kernel, stride)
        self.widen = _convolution_norm(config.narrow, wide)
        self.halves = stride == 2
        self.shortcut = _convolution_norm(channels_in, wide) if channels_in != wide else nn.Identity()

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C in, 1, T) to (B, C out, 1, T / stride)."""
        x = torch.relu(self.convolution(torch.relu(self.narrow(x_bc1t))))
        return torch.relu(self.widen(x) + self.shortcut(mean_of_pairs(x_bc1t) if self.halves else x_bc1t))


class XResNet1d(nn.Module):
    """The whole network. Gives logits: what they mean is the manifest's to say."""

    def __init__(self, config: XResNet1dConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.leads, *config.stem)
        self.stem = nn.ModuleList(
            _convolution_norm(widths[i], widths[i + 1], config.kernel, 2 if i == 0 else 1)
            for i in range(len(config.stem))
        )
        self.pool = nn.MaxPool2d((1, 3), (1, 2), (0, 1))
        wide = config.narrow * config.expansion
        self.groups = nn.ModuleList(
            nn.Sequential(
                Bottleneck(wide if group else config.stem[-1], 2 if group else 1, config),
                *(Bottleneck(wide, 1, config) for _ in range(count - 1)),
            )
            for group, count in enumerate(config.blocks)
        )
        self.pooled_norm = nn.BatchNorm1d(2 * wide)
        self.pooled_dropout = nn.Dropout(config.dropout / 2)
        self.hidden = nn.Linear(2 * wide, config.hidden)
        self.hidden_norm = nn.BatchNorm1d(config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden, config.outputs)
        self.apply(_start)
        for block in self.modules():
            if isinstance(block, Bottleneck):
                nn.init.zeros_(block.widen[1].weight)  # type: ignore[arg-type]  # a BatchNorm; blocks start as identities

    def features(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) to (B, hidden): what the head sees."""
        x = x_blt.unsqueeze(2)
        for layer in self.stem:
            x = torch.relu(layer(x))
        x = self.pool(x)
        for group in self.groups:
            x = group(x)
        pooled_bc = torch.cat([x.amax(dim=(2, 3)), x.mean(dim=(2, 3))], dim=1)
        hidden = torch.relu(self.hidden(self.pooled_dropout(self.pooled_norm(pooled_bc))))
        normed: Tensor = self.hidden_norm(hidden)
        return normed

    def forward(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) float32 to logits (B, K)."""
        logits: Tensor = self.head(self.dropout(self.features(x_blt)))
        return logits


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


_FIRST_GROUP = 4  # the stem's three layers and its pool stand before the groups
_HEAD = {"8.2": "pooled_norm", "8.4": "hidden", "8.6": "hidden_norm", "8.8": "head"}
_BLOCK_PARTS = ("narrow", "convolution", "widen")


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors named as the benchmark's training code names them, as this network's.

    That code names each convolution of a block twice (`convs` and `convpath`); one is taken.
    """
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        name = _our_name(key)
        if name:
            ours[name] = value.unsqueeze(2) if value.dim() == 3 else value
    return ours


def _our_name(key: str) -> str:
    if ".convpath." in key:
        return ""
    head = _HEAD.get(".".join(key.split(".")[:2]))
    if head:
        return f"{head}.{key.split('.', 2)[2]}"
    block = re.match(r"^(\d+)\.(\d+)\.(?:convs\.(\d)|idpath\.\d)\.(.+)$", key)
    if block:
        group, number, part, rest = block.groups()
        name = _BLOCK_PARTS[int(part)] if part else "shortcut"
        return f"groups.{int(group) - _FIRST_GROUP}.{number}.{name}.{rest}"
    return f"stem.{key}"
