"""One epoch of the trainer's own loop, and what it changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from precordia.manifest import Task
from services.trainer.learning.checkpoints import Checkpoints
from services.trainer.learning.loop import Loop, Run
from services.trainer.learning.place import Place
from services.trainer.planning.recipe import FINE_TUNE
from services.trainer.records.examples import Examples

RECIPE = FINE_TUNE.changed(
    {"max_epochs": 1, "batch_size": 4, "averaging": 0.0, "weight_decay": 0.0, "augmentation": "off", "crop_s": 0.0}
)
"""Without decay, so that what moves has learnt; on whole signals, as graphs of one length need them."""
COUNT = 8


def epoch(network: nn.Module, inputs: tuple[Tensor, ...], folder: Path, *, trainable: tuple[str, ...]) -> set[str]:
    """Names of all tensors, statistics included, that an epoch over `inputs` changed in the network.

    `inputs` are the signals (COUNT, leads, samples) and, where the network takes them, the numbers beside them.
    """
    head = network.get_submodule("head")
    assert isinstance(head, nn.Linear)
    x, *beside = (part.numpy() for part in inputs)
    labels = tuple("ABCDEFGH"[: head.out_features])
    truth = np.random.default_rng(2).integers(0, 2, (COUNT, len(labels))).astype(np.float32)
    ids = [str(number) for number in range(COUNT)]
    nothing = np.zeros((COUNT, 0), dtype=np.float32)
    part = Examples(x, np.arange(COUNT), truth, nothing, ids, ids, beside[0] if beside else None)
    folder.mkdir()
    run = Run(lambda: network, RECIPE, Task.MULTILABEL, labels, part, part, 100.0, 3, "plan", trainable=trainable)
    loop = Loop(run, place=Place(), checkpoints=Checkpoints(folder), report=lambda *_: None, should_stop=lambda: False)
    before = {name: value.clone() for name, value in loop.network.state_dict().items()}
    after = loop.train().network.state_dict()
    assert after.keys() == before.keys()
    return {name for name, value in after.items() if not torch.equal(value, before[name])}
