"""What a network says of whole parts of the data, and how good that is after an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from precordia.manifest import Task
from services.trainer.learning import metrics
from services.trainer.learning.losses import Criterion
from services.trainer.learning.window_outputs import WindowOutputs
from services.trainer.records.examples import Examples


@torch.no_grad()
def predict_logits(
    network: nn.Module, examples: Examples, outputs: int, *, batch_size: int = 32
) -> NDArray[np.float64]:
    """Logits of every window, float64 (windows, outputs): whole signals, as the network gives them."""
    network.eval()
    device = next(network.parameters()).device
    parts = []
    for start in range(0, len(examples.x), batch_size):
        rows = np.arange(start, min(start + batch_size, len(examples.x)))
        inputs = [examples.windows(rows)]
        if examples.beside is not None:
            inputs.append(examples.beside[examples.record[rows]])
        parts.append(network(*(torch.from_numpy(array).to(device) for array in inputs))[:, :outputs])
    logits: NDArray[np.float64] = torch.cat(parts).double().cpu().numpy()
    return logits


def scores_of(task: Task, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the logits mean: probabilities, or values."""
    given = torch.from_numpy(logits)
    if task is Task.MULTICLASS:
        given = torch.softmax(given, dim=1)
    elif task is Task.MULTILABEL:
        given = torch.sigmoid(given)
    result: NDArray[np.float64] = given.numpy()
    return result


def validation_figures(
    criterion: Criterion, said: WindowOutputs, examples: Examples, labels: tuple[str, ...]
) -> dict[str, Any]:
    """Loss and the short list of figures that an epoch reports, of records as they will be served."""
    task = criterion.task
    logits = said.values() if task is Task.REGRESSION else said.logits(exclusive=task is Task.MULTICLASS)
    row: dict[str, Any] = {"validation_loss": criterion.validation(logits, examples.y)}
    scores = scores_of(task, logits)
    if task is Task.REGRESSION:
        figures = metrics.regression(examples.y.astype(np.float64), scores, labels)
        return row | {name: figures[name] for name in ("mae_macro", "rmse_macro")}
    truth = examples.y.astype(np.uint8)
    figures = metrics.classification(truth, scores, labels, exclusive=task is Task.MULTICLASS)
    return row | {name: figures[name] for name in ("auroc_macro", "f1_macro", "f1_weighted", "accuracy")}
