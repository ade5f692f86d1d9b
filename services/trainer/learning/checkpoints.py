"""Checkpoints: everything a run needs to go on exactly as if it had never stopped, in one file.

Tensors and facts lie in one safetensors file that is replaced in one step, so that a reader sees
the old checkpoint or the new one, never a part. Nothing is unpickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn, optim

from precordia.errors import InternalError
from services.trainer.job.folder import CHECKPOINT


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State after a whole epoch.

    Attributes:
        plan: digest of the plan it belongs to.
        epoch: epochs done.
        facts: history, learning rate, best value ...: JSON.
        tensors: "model.*", "average.*", "best.*", "optimizer.<index>.*"; of a finished network "kept.*".
    """

    plan: str
    epoch: int
    facts: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """Tensors of one part, without its prefix."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


class Checkpoints:
    """The newest checkpoint of one run, in its folder."""

    def __init__(self, folder: Path, name: str = CHECKPOINT) -> None:
        self.path = folder / name

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the newest checkpoint; durable when this returns."""
        temporary = self.path.with_suffix(".tmp")
        facts = {"plan": checkpoint.plan, "epoch": checkpoint.epoch, "facts": checkpoint.facts}
        tensors = {key: value.detach().cpu().contiguous() for key, value in checkpoint.tensors.items()}
        save_file(tensors, temporary, metadata={"checkpoint": json.dumps(facts)})
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(self.path)

    def remove(self) -> None:
        """Drop the checkpoint: nothing goes on from it."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".tmp").unlink(missing_ok=True)

    def load(self, plan: str) -> Checkpoint | None:
        """The newest checkpoint of this plan, or None before the first.

        Raises:
            InternalError: it is damaged, or belongs to another plan.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as opened:
                said = json.loads(opened.metadata()["checkpoint"])
                tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise InternalError("The job's checkpoint is damaged; start the job again.") from error
        if said["plan"] != plan:
            raise InternalError("The job's checkpoint belongs to another plan; start the job again.")
        return Checkpoint(plan, int(said["epoch"]), said["facts"], tensors)


def prefixed(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under a part's name."""
    return {f"{name}.{key}": value for key, value in tensors.items()}


def optimizer_tensors(optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's memory as plain tensors, by number of parameter."""
    return {
        f"{index}.{name}": value
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: optim.Optimizer, tensors: Mapping[str, Tensor], network: nn.Module) -> None:
    """Give an optimizer over the network's parameters the memory that `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    # A step of the optimizer reads its memory beside the weights: it must lie in memory as they do.
    for parameter in network.parameters():
        for name, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                optimizer.state[parameter][name] = _laid_out(value, parameter)


def _laid_out(value: Tensor, like: Tensor) -> Tensor:
    return torch.empty_like(like, dtype=value.dtype).copy_(value)
