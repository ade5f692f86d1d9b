"""Any ONNX model as a base: its layers, ready to learn, under a new last layer."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from precordia.errors import InvalidModel, PrecordiaError
from services.trainer.networks.foreign.conversion import converted
from services.trainer.networks.foreign.folding import BATCHES, fold, value_info
from services.trainer.networks.foreign.graph import ForeignGraph, read_graph
from services.trainer.networks.foreign.head import Features, without_head
from services.trainer.networks.foreign.parity import check_reproduction, made_up
from services.trainer.networks.foreign.settle import settled

_FURTHER_SAMPLES = 64


class ForeignNetwork(nn.Module):
    """A converted network without its last layer, and a new one: `head`."""

    def __init__(self, backbone: fx.GraphModule, features: Features, outputs: int, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooled = features.pooled
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features.size, outputs)

    def forward(self, x_blt: Tensor, beside_bk: Tensor | None = None) -> Tensor:
        """(B, L, T) and, for some, numbers beside it (B, K), to logits (B, outputs)."""
        value = self.backbone(x_blt) if beside_bk is None else self.backbone(x_blt, beside_bk)
        logits: Tensor = self.head(self.dropout(self.pooled(value)))
        return logits


@dataclass(frozen=True, eq=False)
class ForeignBase:
    """A model from elsewhere that was found fit to be trained further.

    Attributes:
        samples: of its input; None where it takes any length.
        co_input_columns: numbers that it takes beside the signal; 0 = none.
        difference: between the converted network and the file in ONNX Runtime, the largest met.
        backbone: the network without its last layer; copied for each build.
        features: what it gives.
    """

    leads: int
    samples: int | None
    input_name: str
    co_input_columns: int
    difference: float
    backbone: fx.GraphModule
    features: Features

    def build(self, outputs: int, dropout: float) -> nn.Module:
        """A network with the base's weights and a new head drawn from torch's global seed."""
        return ForeignNetwork(copy.deepcopy(self.backbone), self.features, outputs, dropout)


def foreign_base(model: bytes) -> ForeignBase:
    """An ONNX file as a base, checked against ONNX Runtime with its own last layer first.

    Raises:
        InvalidModel: broken, or not converted; `operator` in the details where one is to blame.
        TooLarge: beyond a bound.
    """
    try:
        return _base(read_graph(model))
    except PrecordiaError:
        raise
    except (Exception, RecursionError) as error:  # whatever a damaged graph does to a library is the graph's fault
        raise InvalidModel(
            f"The model cannot be a base for training: converting it failed ({type(error).__name__})."
        ) from error


def _base(graph: ForeignGraph) -> ForeignBase:
    network, difference = _reproducing(graph)
    samples: int | None = graph.samples
    if graph.free_samples and _takes_other_lengths(network, graph):
        samples = None
    tensors = [torch.from_numpy(part) for part in made_up(graph, max(BATCHES))]
    small, large = (tuple(part[:batch] for part in tensors) for batch in BATCHES)
    features = without_head(network, (small, large))
    return ForeignBase(graph.leads, samples, graph.input_name, graph.columns, difference, network, features)


def _reproducing(graph: ForeignGraph) -> tuple[fx.GraphModule, float]:
    try:
        network = convert_graph(graph)
        return network, check_reproduction(network, graph)
    except (InvalidModel, RuntimeError) as error:  # torch's own, where shapes do not fit
        if graph.reference_batch is None or "operator" in getattr(error, "details", {}):
            raise
        raise InvalidModel(
            f"The model cannot be a base for training: it was exported for batches of {graph.reference_batch}, and "
            "that number is part of its shapes. Export it with a free batch dimension.",
            field="input",
        ) from error


def convert_graph(graph: ForeignGraph) -> fx.GraphModule:
    """The whole network with its own last layer, every weight a parameter."""
    folded = fold(graph)
    ready = settled(folded, graph.own_names)
    ready.graph.value_info.extend(value_info(folded))
    return converted(ready)


def _takes_other_lengths(network: nn.Module, graph: ForeignGraph) -> bool:
    try:
        check_reproduction(network, graph, samples=graph.samples + _FURTHER_SAMPLES)
    except (PrecordiaError, RuntimeError):  # torch's own, where shapes do not fit
        return False
    return True
