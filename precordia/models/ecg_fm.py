"""ECG-FM's encoder (McKeen et al. 2024, arXiv 2408.05178), at the size of its published weights.

In the manner of wav2vec 2.0 (Baevski et al. 2020): four convolutions turn 16 samples into a token,
a long convolution tells the tokens where they stand, twelve transformer layers follow, normalised
behind each addition; the mean of all tokens goes to one linear layer. What pretraining alone needed
(mask, quantiser, projections) is not here.

Shape letters: B batch, L leads, T samples, N tokens, D model width, H heads, K outputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class EcgFmConfig:
    """Size of the network. The defaults are those of the published weights: 90.4 million parameters.

    Attributes:
        convolutions: of the feature encoder; each has a kernel and a stride of 2.
        channels: that they give.
        position_kernel, position_groups: of the convolution over tokens.
        dropout: share of the features dropped before the last layer, while training; inside the
            encoder there is none, as in the published fine-tuning.
    """

    leads: int = 12
    outputs: int = 5
    convolutions: int = 4
    channels: int = 256
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    position_kernel: int = 128
    position_groups: int = 16
    dropout: float = 0.0


class FeatureEncoder(nn.Module):
    """Convolutions that halve the rate, the first followed by a norm of each channel over time."""

    def __init__(self, config: EcgFmConfig) -> None:
        super().__init__()
        widths = [config.leads] + [config.channels] * config.convolutions
        self.convolutions = nn.ModuleList(
            nn.Conv1d(widths[i], widths[i + 1], 2, 2, bias=False) for i in range(config.convolutions)
        )
        self.norm = nn.GroupNorm(config.channels, config.channels)
        for convolution in self.convolutions:
            nn.init.kaiming_normal_(convolution.weight)  # type: ignore[arg-type]  # a convolution's tensor

    def forward(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) to (B, N, channels)."""
        x = x_blt
        for number, convolution in enumerate(self.convolutions):
            x = convolution(x)
            x = nn.functional.gelu(x if number else self.norm(x))
        return x.transpose(1, 2)


class PositionConvolution(nn.Module):
    """Where a token stands: a grouped convolution whose kernel has a direction and, for each tap, a length."""

    def __init__(self, config: EcgFmConfig) -> None:
        super().__init__()
        self.groups, kernel = config.position_groups, config.position_kernel
        shape = (config.width, config.width // self.groups, kernel)
        self.direction = nn.Parameter(torch.randn(shape) * (4 / (kernel * config.width)) ** 0.5)
        self.length = nn.Parameter(self.direction.detach().norm(dim=(0, 1), keepdim=True))
        self.bias = nn.Parameter(torch.zeros(config.width))

    def forward(self, x_bnd: Tensor) -> Tensor:
        """(B, N, D) to the same shape."""
        weight = self.direction * (self.length / self.direction.square().sum(dim=(0, 1), keepdim=True).sqrt())
        kernel = weight.shape[-1]
        x = nn.functional.pad(x_bnd.transpose(1, 2), (kernel // 2, kernel - 1 - kernel // 2))
        x = nn.functional.conv1d(x, weight, self.bias, groups=self.groups)
        return nn.functional.gelu(x).transpose(1, 2)


class SelfAttention(nn.Module):
    """Every token looks at every other, in several heads (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x_bnd: Tensor) -> Tensor:
        """(B, N, D) to the same shape."""
        query_bhnd, key_bhnd, value_bhnd = (
            part(x_bnd).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        attention_bhnn = query_bhnd @ key_bhnd.transpose(2, 3) * query_bhnd.shape[-1] ** -0.5
        seen_bhnd = torch.softmax(attention_bhnn, dim=-1) @ value_bhnd
        out: Tensor = self.out(seen_bhnd.transpose(1, 2).flatten(2))
        return out


class TransformerLayer(nn.Module):
    """Attention and two linear layers, each added to its input and normalised behind."""

    def __init__(self, config: EcgFmConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads)
        self.attention_norm = nn.LayerNorm(config.width)
        self.widen = nn.Linear(config.width, config.hidden)
        self.narrow = nn.Linear(config.hidden, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x_bnd: Tensor) -> Tensor:
        """(B, N, D) to the same shape."""
        x = self.attention_norm(x_bnd + self.attention(x_bnd))
        normed: Tensor = self.norm(x + self.narrow(nn.functional.gelu(self.widen(x))))
        return normed


class EcgFm(nn.Module):
    """The whole network. Gives logits: what they mean is the manifest's to say."""

    def __init__(self, config: EcgFmConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_encoder = FeatureEncoder(config)
        self.feature_norm = nn.LayerNorm(config.channels)
        self.projection = nn.Linear(config.channels, config.width)
        self.position = PositionConvolution(config)
        self.norm = nn.LayerNorm(config.width)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, config.outputs)
        self.layers.apply(_start)

    def features(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) to (B, D): what the head sees. T is 16 samples at least."""
        x = self.projection(self.feature_norm(self.feature_encoder(x_blt)))
        x = self.norm(x + self.position(x))
        for layer in self.layers:
            x = layer(x)
        mean: Tensor = x.mean(dim=1)
        return mean

    def forward(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) float32 to logits (B, K)."""
        logits: Tensor = self.head(self.dropout(self.features(x_blt)))
        return logits


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


PRETRAINING_ONLY = ("mask_emb", "quantizer.", "project_q.", "final_proj.")
"""Beginnings of the names of tensors that the published checkpoint has and the encoder does not need."""

_NAMES = (
    (r"^feature_extractor\.conv_layers\.0\.2\.", "feature_encoder.norm."),
    (r"^feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_encoder.convolutions.\1."),
    (r"^layer_norm\.", "feature_norm."),
    (r"^post_extract_proj\.", "projection."),
    (r"^conv_pos\.pos_conv\.0\.(?:weight_g|parametrizations\.weight\.original0)$", "position.length"),
    (r"^conv_pos\.pos_conv\.0\.(?:weight_v|parametrizations\.weight\.original1)$", "position.direction"),
    (r"^conv_pos\.pos_conv\.0\.bias$", "position.bias"),
    (r"^encoder\.layer_norm\.", "norm."),
    (r"^encoder\.layers\.(\d+)\.self_attn\.q_proj\.", r"layers.\1.attention.query."),
    (r"^encoder\.layers\.(\d+)\.self_attn\.k_proj\.", r"layers.\1.attention.key."),
    (r"^encoder\.layers\.(\d+)\.self_attn\.v_proj\.", r"layers.\1.attention.value."),
    (r"^encoder\.layers\.(\d+)\.self_attn\.out_proj\.", r"layers.\1.attention.out."),
    (r"^encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"layers.\1.attention_norm."),
    (r"^encoder\.layers\.(\d+)\.fc1\.", r"layers.\1.widen."),
    (r"^encoder\.layers\.(\d+)\.fc2\.", r"layers.\1.narrow."),
    (r"^encoder\.layers\.(\d+)\.final_layer_norm\.", r"layers.\1.norm."),
    (r"^proj\.", "head."),
)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors named as fairseq-signals names them, as this network's.

    Takes the pretrained encoder, and the fine-tuned classifier (the encoder under `encoder.`, the
    head `proj`). Pretraining's own tensors are left out.
    """
    fine_tuned = "proj.weight" in state
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key.removeprefix("encoder.") if fine_tuned else key
        if name.startswith(PRETRAINING_ONLY):
            continue
        for pattern, replacement in _NAMES:
            name, changed = re.subn(pattern, replacement, name)
            if changed:
                break
        ours[name] = value
    return ours
