"""A network that trains in no time, and runs of it on ECGs made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from precordia.manifest import Task
from services.trainer.learning.loop import Run
from services.trainer.planning.recipe import DEFAULT, Recipe
from services.trainer.records.examples import Examples
from tests.services.trainer.synthetic import LABELS, RATE_HZ, ecg

FAST: dict[str, Any] = {
    "augmentation": "off",
    "crop_s": 2.0,
    "batch_size": 8,
    "max_epochs": 4,
    "averaging": 0.8,
    "auxiliary": 0.0,
}


class Tiny(nn.Module):
    """Two blocks of convolution, BatchNorm and ReLU, mean over time, a head."""

    def __init__(self, leads: int, outputs: int, dropout: float = 0.0, width: int = 8) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, width, (1, 9), stride=(1, 2), padding=(0, 4)), nn.BatchNorm2d(width))
            for before in (leads, width)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)

    def forward(self, x_blt: Tensor) -> Tensor:
        x = x_blt[:, :, None]
        for block in self.blocks:
            x = torch.relu(block(x))
        logits: Tensor = self.head(self.dropout(x.mean(dim=(2, 3))))
        return logits


def examples(count: int, seed: int, *, exclusive: bool = False, records_a_patient: int = 1) -> Examples:
    generator = np.random.default_rng(seed)
    kinds = [(number & 1, number >> 1 & 1) for number in range(count)]
    x = np.stack([ecg(fast=bool(fast), wide=bool(wide), generator=generator) for fast, wide in kinds])
    y = np.array([[fast, 1 - fast] if exclusive else [fast, wide] for fast, wide in kinds], dtype=np.float32)
    empty = np.zeros((count, 0), dtype=np.float32)
    patients = [f"patient {seed} {number // records_a_patient}" for number in range(count)]
    return Examples(x, np.arange(count), y, empty, patients, [f"{seed}-{number}" for number in range(count)])


def recipe(**changes: Any) -> Recipe:
    return DEFAULT.changed(FAST | changes)


def run(of: Recipe, **changes: Any) -> Run:
    settings: dict[str, Any] = {
        "build": lambda: Tiny(12, 2, of.dropout),
        "recipe": of,
        "task": Task.MULTILABEL,
        "labels": LABELS,
        "train": examples(40, 0),
        "validation": examples(16, 1),
        "rate_hz": RATE_HZ,
        "seed": 5,
        "digest": "plan",
        **changes,
    }
    return Run(**settings)
