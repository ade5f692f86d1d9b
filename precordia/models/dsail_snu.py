"""DSAIL-SNU (Min et al., Computing in Cardiology 2021; second in the PhysioNet Challenge 2021).

A wide residual network with squeeze-and-excitation, pre-activation order, shortcuts without
parameters (largest value over the stride, channels of zeros), the largest value over time, and five
numbers on age and sex that join before the last layer.

Shape letters: B batch, L leads, T samples, C channels, N co-inputs, K outputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from precordia.models.time_axis import SqueezeExcitation, largest_of, padded, widened


@dataclass(frozen=True)
class DsailSnuConfig:
    """Size of the network. The defaults are the published ones: 1.8 million parameters at 12 leads.

    Attributes:
        widths: channels of the first convolution, then of each group of blocks.
        blocks: in each group.
        stride: of every group's first block, except the first group's.
        co_inputs: numbers that join the pooled features.
        dropout: share of features dropped inside each block and before the last layer, while training.
    """

    leads: int = 12
    outputs: int = 26
    widths: tuple[int, ...] = (16, 16, 32, 64, 128)
    blocks: int = 3
    kernel: int = 15
    stride: int = 4
    reduction: int = 16
    co_inputs: int = 5
    dropout: float = 0.2


class Convolution(nn.Conv2d):
    """Over time, padded to give one sample for each whole stride of its input."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, (1, kernel), (1, stride), bias=False)

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C in, 1, T) to (B, C out, 1, T // stride)."""
        return super().forward(padded(x_bc1t, self.kernel_size[1] - self.stride[1]))


class Block(nn.Module):
    """BatchNorm, ReLU, convolution, twice; squeeze-and-excitation; added to the shortcut."""

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, config: DsailSnuConfig, *, first: bool
    ) -> None:
        super().__init__()
        self.first = first
        self.norm_in = nn.BatchNorm2d(channels_in)
        self.convolution_in = Convolution(channels_in, channels_out, config.kernel, stride)
        self.norm_out = nn.BatchNorm2d(channels_out)
        self.dropout = nn.Dropout(config.dropout)
        self.convolution_out = Convolution(channels_out, channels_out, config.kernel)
        self.excitation = SqueezeExcitation(channels_out, config.reduction, activation=nn.ReLU(), bias=False)
        self.stride, self.channels_out = stride, channels_out

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C in, 1, T) to (B, C out, 1, T // stride)."""
        active = torch.relu(self.norm_in(x_bc1t))
        x = self.dropout(torch.relu(self.norm_out(self.convolution_in(active))))
        x = self.excitation(self.convolution_out(x))
        # the first block's shortcut starts behind the activation, as published
        shortcut = largest_of(active if self.first else x_bc1t, self.stride)
        summed: Tensor = x + widened(shortcut, self.channels_out)
        return summed


class DsailSnu(nn.Module):
    """The whole network. Gives logits: what they mean is the manifest's to say."""

    def __init__(self, config: DsailSnuConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = Convolution(config.leads, config.widths[0], config.kernel)
        blocks = []
        for group, (width_in, width) in enumerate(zip(config.widths, config.widths[1:], strict=False)):
            for number in range(config.blocks):
                begins = number == 0
                stride = config.stride if begins and group else 1
                first = begins and not group
                blocks.append(Block(width_in if begins else width, width, stride, config, first=first))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.BatchNorm2d(config.widths[-1])
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.widths[-1] + config.co_inputs, config.outputs)

    def features(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) to (B, C): what the head sees of the ECG."""
        x = self.stem(x_blt.unsqueeze(2))
        for block in self.blocks:
            x = block(x)
        x = self.dropout(torch.relu(self.norm(x)))
        largest: Tensor = x.amax(dim=(2, 3))
        return largest

    def forward(self, x_blt: Tensor, beside_bn: Tensor) -> Tensor:
        """(B, L, T) and (B, N), both float32, to logits (B, K)."""
        logits: Tensor = self.head(torch.cat([self.features(x_blt), beside_bn], dim=1))
        return logits


_PARTS = {
    "bn1": "norm_in",
    "conv1.1": "convolution_in",
    "bn2": "norm_out",
    "conv2.1": "convolution_out",
    "se_conv1": "excitation.squeeze",
    "se_conv2": "excitation.excite",
}


def from_published(state: Mapping[str, Tensor], *, blocks: int = 3) -> dict[str, Tensor]:
    """Tensors named as the authors' code names them, as this network's. `blocks` is the number in a group."""
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        block = re.match(r"^layer(\d)\.(\d+)\.(bn\d|conv\d\.1|se_conv\d)\.(.+)$", key)
        if block:
            group, number, part, rest = block.groups()
            name = f"blocks.{(int(group) - 1) * blocks + int(number)}.{_PARTS[part]}.{rest}"
            # squeeze-and-excitation is a convolution of one sample there and a linear layer here
            ours[name] = value if value.dim() < 3 else value[:, :, 0] if part.startswith("se") else value.unsqueeze(2)
        elif key.startswith("conv1.1."):
            ours[key.replace("conv1.1.", "stem.")] = value.unsqueeze(2)
        else:
            ours[key.replace("bn1.", "norm.").replace("linear.", "head.")] = value
    return ours
