"""Net1D (Hong et al. 2020), as ECGFounder configures it (Li et al., NEJM AI 2025, arXiv 2410.04133).

A residual network after RegNet: seven stages of bottleneck blocks with grouped convolutions of 16
channels a group, Swish before each convolution, squeeze-and-excitation, the mean over time, one
linear layer. ECGFounder leaves BatchNorm and dropout out; the modules of BatchNorm stay in its files
of weights, unused, and so they stay here: the numbers of parameters are the published ones.

Shape letters: B batch, L leads, T samples, C channels, K outputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from precordia.models.time_axis import SqueezeExcitation, largest_of, padded, widened


@dataclass(frozen=True)
class Net1DConfig:
    """Size of the network. The defaults are ECGFounder's: 30.8 million parameters.

    Attributes:
        base: channels of the first convolution.
        widths, blocks: channels and number of blocks of each stage; a stage halves the rate.
        group_width: channels of a group in the long convolution of a block.
        batch_norm: whether the BatchNorm modules are used.
        dropout: share of the pooled features dropped before the last layer, while training.
    """

    leads: int = 12
    outputs: int = 150
    base: int = 64
    widths: tuple[int, ...] = (64, 160, 160, 400, 400, 1024, 1024)
    blocks: tuple[int, ...] = (2, 2, 2, 3, 3, 4, 4)
    kernel: int = 16
    group_width: int = 16
    reduction: int = 2
    batch_norm: bool = False
    dropout: float = 0.0


class SameConvolution(nn.Conv2d):
    """Over time, padded so that T samples give ceil(T / stride)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels_in, channels_out, (1, kernel), (1, stride), groups=groups)

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C in, 1, T) to (B, C out, 1, ceil(T / stride))."""
        samples, kernel, stride = x_bc1t.shape[-1], self.kernel_size[1], self.stride[1]
        wanted = -(-samples // stride)
        return super().forward(padded(x_bc1t, max(0, (wanted - 1) * stride + kernel - samples)))


class Block(nn.Module):
    """Swish and convolution three times (pointwise, long and grouped, pointwise), excitation, shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int, config: Net1DConfig, *, first: bool) -> None:
        super().__init__()
        groups = channels // config.group_width
        self.first, self.stride, self.batch_norm = first, stride, config.batch_norm
        self.channels_in, self.channels = channels_in, channels
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (channels_in, channels, channels))
        self.convolutions = nn.ModuleList(
            [
                SameConvolution(channels_in, channels),
                SameConvolution(channels, channels, config.kernel, stride, groups),
                SameConvolution(channels, channels),
            ]
        )
        self.excitation = SqueezeExcitation(channels, config.reduction, activation=nn.SiLU(), bias=True)

    def forward(self, x_bc1t: Tensor) -> Tensor:
        """(B, C in, 1, T) to (B, C, 1, ceil(T / stride))."""
        x = x_bc1t
        for number, (norm, convolution) in enumerate(zip(self.norms, self.convolutions, strict=True)):
            if number or not self.first:  # the network's first block finds its input activated
                x = nn.functional.silu(norm(x) if self.batch_norm else x)
            x = convolution(x)
        summed: Tensor = self.excitation(x) + self._shortcut(x_bc1t)
        return summed

    def _shortcut(self, x_bc1t: Tensor) -> Tensor:
        if self.stride > 1:
            x_bc1t = largest_of(padded(x_bc1t, self.stride - 1), self.stride)
        return widened(x_bc1t, self.channels, before=(self.channels - self.channels_in) // 2)


class Net1D(nn.Module):
    """The whole network. Gives logits: what they mean is the manifest's to say."""

    def __init__(self, config: Net1DConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = SameConvolution(config.leads, config.base, config.kernel, 2)
        self.stem_norm = nn.BatchNorm2d(config.base)
        stages, width_in = [], config.base
        for stage, (width, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
            blocks = [Block(width_in, width, 2, config, first=not stage)]
            blocks += [Block(width, width, 1, config, first=False) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            width_in = width
        self.stages = nn.ModuleList(stages)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width_in, config.outputs)

    def features(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) to (B, C): what the head sees. Any T works."""
        x = self.stem(x_blt.unsqueeze(2))
        x = nn.functional.silu(self.stem_norm(x) if self.config.batch_norm else x)
        for stage in self.stages:
            x = stage(x)
        mean: Tensor = x.mean(dim=(2, 3))
        return mean

    def forward(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) float32 to logits (B, K)."""
        logits: Tensor = self.head(self.dropout(self.features(x_blt)))
        return logits


_NAMES = (
    (r"^first_conv\.conv\.", "stem."),
    (r"^first_bn\.", "stem_norm."),
    (r"^dense\.", "head."),
    (r"^stage_list\.(\d+)\.block_list\.(\d+)\.", r"stages.\1.\2."),
    (r"\.se_fc1\.", ".excitation.squeeze."),
    (r"\.se_fc2\.", ".excitation.excite."),
)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors named as ECGFounder's files name them, as this network's; its 1-D kernels get their height."""
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in _NAMES:
            name = re.sub(pattern, replacement, name)
        name = re.sub(r"\.(bn|conv)([123])\.(?:conv\.)?", _numbered, name)
        ours[name] = value.unsqueeze(2) if value.dim() == 3 else value
    return ours


def _numbered(match: re.Match[str]) -> str:
    """`.bn1.` to `.norms.0.`: there they count from one."""
    kind = {"bn": "norms", "conv": "convolutions"}[match.group(1)]
    return f".{kind}.{int(match.group(2)) - 1}."
