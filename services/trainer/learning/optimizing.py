"""Optimizers: which parameters learn at which rate, in which precision, and how a step is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from precordia.errors import InvalidTrainingSpec
from services.trainer.learning.checkpoints import optimizer_tensors, restore_optimizer
from services.trainer.learning.place import Place
from services.trainer.planning.recipe import Precision, Recipe

_KINDS: dict[str, type[torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "adamax": torch.optim.Adamax,
    "adafactor": torch.optim.Adafactor,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
_MOMENTUM = 0.9
_SHARE = "share"
"""Of the learning rate that a parameter group learns at; kept in the group."""


class Optimizing:
    """Makes steps of one network. With a share for each parameter's depth, blocks learn at rates of their own."""

    def __init__(
        self, network: nn.Module, recipe: Recipe, *, rate: float, dtype: torch.dtype | None, depths: Mapping[str, int]
    ) -> None:
        self.network, self.clip = network, recipe.gradient_clip
        settings: dict[str, Any] = {"lr": rate, "weight_decay": recipe.weight_decay}
        if recipe.optimizer == "sgd":
            settings["momentum"] = _MOMENTUM
        self.optimizer = _KINDS[recipe.optimizer](parameter_groups(network, recipe.layer_decay, depths), **settings)
        device = next(network.parameters()).device.type
        self.scaler = torch.amp.GradScaler(device, enabled=dtype is torch.float16)

    def set_rate(self, rate: float) -> None:
        """The learning rate from the next step on, at the head."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group[_SHARE]

    def step(self, loss: Tensor, place: Place) -> None:
        """One step down the gradient that all processes agree on."""
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        place.average_gradients(self.network)
        if self.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def tensors(self) -> dict[str, Tensor]:
        """Its memory, for a checkpoint."""
        return optimizer_tensors(self.optimizer)

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps of it beside tensors, as JSON."""
        return dict(self.scaler.state_dict())

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go on with the memory that a checkpoint kept."""
        restore_optimizer(self.optimizer, tensors, self.network)
        if facts and self.scaler.is_enabled():
            self.scaler.load_state_dict(dict(facts))


def parameter_groups(network: nn.Module, decay: float, depths: Mapping[str, int]) -> list[dict[str, Any]]:
    """Parameters that learn, by depth below the head (0): a block `d` deep has the share `decay ** d` of the rate."""
    learning = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    if decay == 1:
        return [{"params": [parameter for _, parameter in learning], _SHARE: 1.0}]
    groups: dict[int, list[nn.Parameter]] = {}
    for name, parameter in learning:
        groups.setdefault(depths[name], []).append(parameter)
    return [{"params": groups[depth], _SHARE: decay**depth} for depth in sorted(groups)]


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse what no network can be computed in on this device.

    Raises:
        InvalidTrainingSpec: float16 on a CPU.
    """
    if precision is Precision.FLOAT16 and device.type != "cuda":
        raise InvalidTrainingSpec("float16 needs a GPU; take 'auto', or 'bfloat16'.", field="precision")


def computed_in(precision: Precision, device: torch.device, network: nn.Module) -> torch.dtype | None:
    """Type of the forward pass; None = float32.

    Raises:
        InvalidTrainingSpec: float16 on a CPU, or bfloat16 there with depthwise convolutions.
    """
    check_precision(precision, device)
    if precision is Precision.FLOAT32 or (precision is Precision.AUTO and device.type != "cuda"):
        return None
    if precision is Precision.AUTO:
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if precision is Precision.BFLOAT16 and device.type == "cpu" and _has_depthwise(network):
        # torch's CPU kernels of these take minutes for one step in bfloat16
        raise InvalidTrainingSpec(
            "bfloat16 is no use on a CPU for a network with depthwise convolutions; take 'auto', or 'float32'.",
            field="precision",
        )
    return torch.float16 if precision is Precision.FLOAT16 else torch.bfloat16


def _has_depthwise(network: nn.Module) -> bool:
    kinds = nn.Conv1d | nn.Conv2d
    return any(isinstance(module, kinds) and module.groups > 1 for module in network.modules())
