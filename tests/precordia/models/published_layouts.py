"""Names and shapes of published weights, written down from the networks' published settings alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

Layout = dict[str, tuple[int, ...]]

KNOWN: Mapping[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text())
"""Counts and SHA-256 of the lists of the files that were published."""


def digest(layout: Layout) -> str:
    lines = [f"{name},{'x'.join(map(str, shape))}" for name, shape in layout.items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def tensors(layout: Layout) -> dict[str, torch.Tensor]:
    """Reproducible tensors of a layout: small weights, variances near one, counters of zero."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, shape in layout.items():
        values = torch.randn(shape, generator=generator)
        fan = max(1, values[0].numel() if values.dim() > 1 else 100)
        if name.endswith("running_var"):
            made[name] = 1 + values.abs() / 10
        elif name.endswith("num_batches_tracked"):
            made[name] = torch.zeros((), dtype=torch.int64)
        else:
            made[name] = values * fan**-0.5
    return made


def norm(name: str, channels: int) -> Layout:
    parts: Layout = {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
    return parts | {f"{name}.num_batches_tracked": ()}


def ecgfounder(leads: int) -> Layout:
    """As the 12-lead and the 1-lead file have them, in their order."""
    layout: Layout = {"first_conv.conv.weight": (64, leads, 16), "first_conv.conv.bias": (64,)} | norm("first_bn", 64)
    before = 64
    for stage, (width, blocks) in enumerate(
        zip((64, 160, 160, 400, 400, 1024, 1024), (2, 2, 2, 3, 3, 4, 4), strict=True)
    ):
        for block in range(blocks):
            at = f"stage_list.{stage}.block_list.{block}"
            kernels = ((width, before, 1), (width, 16, 16), (width, width, 1))
            for number, (shape, normed) in enumerate(zip(kernels, (before, width, width), strict=True), start=1):
                layout |= norm(f"{at}.bn{number}", normed)
                layout |= {f"{at}.conv{number}.conv.weight": shape, f"{at}.conv{number}.conv.bias": (width,)}
            half = width // 2
            layout |= {f"{at}.se_fc1.weight": (half, width), f"{at}.se_fc1.bias": (half,)}
            layout |= {f"{at}.se_fc2.weight": (width, half), f"{at}.se_fc2.bias": (width,)}
            before = width
    return layout | {"dense.weight": (150, 1024), "dense.bias": (150,)}


def linear(name: str, narrow: int, wide: int) -> Layout:
    return {f"{name}.weight": (wide, narrow), f"{name}.bias": (wide,)}


def layer_norm(name: str, width: int) -> Layout:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def ecg_fm_encoder(*, width: int = 768, hidden: int = 3072, layers: int = 12, channels: int = 256) -> Layout:
    """As fairseq-signals names the encoder's tensors."""
    layout: Layout = {"feature_extractor.conv_layers.0.0.weight": (channels, 12, 2)}
    layout |= layer_norm("feature_extractor.conv_layers.0.2", channels)
    layout |= {f"feature_extractor.conv_layers.{i}.0.weight": (channels, channels, 2) for i in (1, 2, 3)}
    layout |= layer_norm("layer_norm", channels) | linear("post_extract_proj", channels, width)
    layout |= {"conv_pos.pos_conv.0.weight_g": (1, 1, 128), "conv_pos.pos_conv.0.bias": (width,)}
    layout |= {"conv_pos.pos_conv.0.weight_v": (width, width // 16, 128)} | layer_norm("encoder.layer_norm", width)
    for number in range(layers):
        at = f"encoder.layers.{number}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            layout |= linear(f"{at}.self_attn.{part}", width, width)
        layout |= layer_norm(f"{at}.self_attn_layer_norm", width) | layer_norm(f"{at}.final_layer_norm", width)
        layout |= linear(f"{at}.fc1", width, hidden) | linear(f"{at}.fc2", hidden, width)
    return layout


def ecg_fm_pretrained() -> Layout:
    """The encoder with what pretraining added."""
    return (
        ecg_fm_encoder()
        | {"mask_emb": (768,), "quantizer.vars": (1, 640, 128)}
        | linear("quantizer.weight_proj", 256, 640)
        | linear("project_q", 256, 256)
        | linear("final_proj", 768, 256)
    )


def dsail_snu(outputs: int = 26) -> Layout:
    """As the authors' code names them."""
    layout: Layout = {"conv1.1.weight": (16, 12, 15)}
    before = 16
    for group, width in enumerate((16, 32, 64, 128), start=1):
        for block in range(3):
            at = f"layer{group}.{block}"
            layout |= norm(f"{at}.bn1", before) | norm(f"{at}.bn2", width)
            layout |= {f"{at}.conv1.1.weight": (width, before, 15), f"{at}.conv2.1.weight": (width, width, 15)}
            layout |= {
                f"{at}.se_conv1.weight": (width // 16, width, 1),
                f"{at}.se_conv2.weight": (width, width // 16, 1),
            }
            before = width
    return layout | norm("bn1", 128) | linear("linear", 128 + 5, outputs)


def xresnet1d101(outputs: int = 5) -> Layout:
    """As the benchmark's code names them, each convolution of a block twice."""
    layout: Layout = {}
    for number, (before, width) in enumerate(((12, 32), (32, 32), (32, 64))):
        layout |= {f"{number}.0.weight": (width, before, 5)} | norm(f"{number}.1", width)
    for group, blocks in enumerate((3, 4, 23, 3)):
        for block in range(blocks):
            at, before = f"{4 + group}.{block}", 64 if not group and not block else 256
            kernels = ((64, before, 1), (64, 64, 5), (256, 64, 1))
            for path in ("convs", "convpath.0"):
                for number, shape in enumerate(kernels):
                    layout |= {f"{at}.{path}.{number}.0.weight": shape} | norm(f"{at}.{path}.{number}.1", shape[0])
            if before != 256:
                layout |= {f"{at}.idpath.0.0.weight": (256, before, 1)} | norm(f"{at}.idpath.0.1", 256)
    return layout | norm("8.2", 512) | linear("8.4", 512, 128) | norm("8.6", 128) | linear("8.8", 128, outputs)


def inception_time(leads: int = 12, outputs: int = 5) -> Layout:
    """As the library tsai names them; a BatchNorm alone where a residual connection keeps the width."""
    layout: Layout = {}
    for number in range(6):
        at, before = f"inceptionblock.inception.{number}", 128 if number else leads
        narrow = 32 if before > 1 else 1
        if before > 1:
            layout |= {f"{at}.bottleneck.weight": (narrow, before, 1)}
        layout |= {f"{at}.convs.{i}.weight": (32, narrow, kernel) for i, kernel in enumerate((39, 19, 9))}
        layout |= {f"{at}.maxconvpool.1.weight": (32, before, 1)} | norm(f"{at}.bn", 128)
    layout |= {"inceptionblock.shortcut.0.0.weight": (128, leads, 1)} | norm("inceptionblock.shortcut.0.1", 128)
    return layout | norm("inceptionblock.shortcut.1", 128) | linear("fc", 128, outputs)
