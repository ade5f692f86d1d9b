"""What a network is to make small. Shape letters: B batch, K targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from precordia.manifest import Task
from services.trainer.planning.recipe import ClassWeights, Recipe

BOUND = 10.0
"""No class counts more, or less than its inverse: a label with three records must not be all that is learnt."""


@dataclass(frozen=True, eq=False)
class Criterion:
    """The loss of a run.

    Attributes:
        main: how many outputs answer the task; those behind them learn the auxiliary labels.
        weights: float32 (main,): of classes (multiclass) or of presence against absence (multilabel).
        smoothing: share of a target that is spread over all classes, in training alone.
        auxiliary: weight of the auxiliary labels' loss.
    """

    task: Task
    main: int
    weights: Tensor | None = None
    smoothing: float = 0.0
    auxiliary: float = 0.0

    @staticmethod
    def of(recipe: Recipe, task: Task, y_bk: NDArray[np.float32]) -> Criterion:
        """By a recipe, with weights from the training records' targets."""
        balanced = recipe.class_weights is ClassWeights.BALANCED
        weights = balanced_weights(task, y_bk) if balanced else None
        return Criterion(task, y_bk.shape[1], weights, recipe.label_smoothing, recipe.auxiliary)

    def on(self, device: torch.device) -> Criterion:
        """The same on a device."""
        weights = None if self.weights is None else self.weights.to(device)
        return Criterion(self.task, self.main, weights, self.smoothing, self.auxiliary)

    def training(self, logits_bk: Tensor, y_bk: Tensor) -> Tensor:
        """Mean loss of a training batch, auxiliary labels included."""
        main = self.main
        loss = task_loss(self.task, logits_bk[:, :main], y_bk[:, :main], self.weights, self.smoothing)
        if y_bk.shape[1] > main:
            extra = nn.functional.binary_cross_entropy_with_logits(logits_bk[:, main:], y_bk[:, main:])
            loss = loss + self.auxiliary * extra
        return loss

    def validation(self, logits_bk: NDArray[np.float64], y_bk: NDArray[np.float32]) -> float:
        """Mean loss of records on the task alone; weighted as in training, so that rare classes choose too."""
        weights = None if self.weights is None else self.weights.double().cpu()
        y = torch.from_numpy(np.asarray(y_bk)).double()
        return float(task_loss(self.task, torch.from_numpy(logits_bk), y, weights))


def task_loss(task: Task, logits: Tensor, y: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Mean loss of a batch; targets may be mixtures. Regression knows no weights and no smoothing."""
    if task is Task.MULTICLASS:
        return nn.functional.cross_entropy(logits, y, weight=weights, label_smoothing=smoothing)
    if task is Task.MULTILABEL:
        softened = y * (1 - smoothing) + smoothing / 2 if smoothing else y
        return nn.functional.binary_cross_entropy_with_logits(logits, softened, pos_weight=weights)
    return nn.functional.mse_loss(logits, y)


def balanced_weights(task: Task, y_bk: NDArray[np.float32]) -> Tensor | None:
    """Weights by which classes count the same, float32 (K,), from targets of 0 and 1; None for regression.

    Multiclass: records over (classes x the class's records), as scikit-learn's "balanced" (King and
    Zeng 2001). Multilabel: absent over present, by label.
    """
    if task is Task.REGRESSION:
        return None
    present = np.maximum((y_bk == 1).sum(axis=0), 0.5)  # a class without records gets the bound
    whole = len(y_bk) / y_bk.shape[1] if task is Task.MULTICLASS else len(y_bk) - present
    return torch.from_numpy(np.clip(whole / present, 1 / BOUND, BOUND).astype(np.float32))
