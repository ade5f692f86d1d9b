"""The last layer of a converted network, found by its place in the graph, and the network without it.

Looking for a dimension as large as the number of classes finds layers that have nothing to do with
the answer. Here the walk goes backwards from the answer through everything that has no weights, or
only scales and shifts, to the one layer that all paths to the signal pass: a Linear, a convolution
or a product with a matrix of weights.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from precordia.errors import InvalidModel
from services.trainer.networks.foreign.conversion import operator_of
from services.trainer.networks.foreign.refusal import refused

_AFFINE = ("Add", "Sub", "Mul", "Div")
"""Operators that, with a weight beside the value, scale or shift it: a bias, a temperature."""


@dataclass(frozen=True)
class Features:
    """What a new head sees: the old one's input.

    Attributes:
        size: numbers after averaging.
        batch_axis, feature_axis: of the value; all others are averaged.
        rank: dimensions of the value.
    """

    size: int
    batch_axis: int
    feature_axis: int
    rank: int

    def pooled(self, value: Tensor) -> Tensor:
        """The value as (B, size)."""
        others = [axis for axis in range(self.rank) if axis not in (self.batch_axis, self.feature_axis)]
        mean = value.mean(others) if others else value
        return mean if self.batch_axis < self.feature_axis else mean.transpose(0, 1)


def without_head(network: fx.GraphModule, examples: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]) -> Features:
    """Cut the network, in place, before its last layer.

    Args:
        network: changed: gives the last layer's input from now on.
        examples: what the network takes, at two batch sizes.

    Raises:
        InvalidModel: no single last layer; the operator in the way is named.
    """
    head, feature_axis = _last_layer(network)
    source = _data_input(network, head)
    shapes = [_shape(network, source, example) for example in examples]
    features = _features(operator_of(str(head.target)), shapes[0], shapes[1], feature_axis, examples)
    output = next(node for node in network.graph.nodes if node.op == "output")
    output.args = (source,)
    network.graph.eliminate_dead_code()
    network.delete_all_unused_submodules()
    network.recompile()
    return features


def _last_layer(network: fx.GraphModule) -> tuple[fx.Node, int]:
    """The layer, and the axis of its input that holds features."""
    order = {node: index for index, node in enumerate(network.graph.nodes)}
    output = next(node for node in network.graph.nodes if node.op == "output")
    waiting = set(output.all_input_nodes)
    met = "Output"
    while waiting:
        node = max(waiting, key=order.__getitem__)
        waiting.remove(node)
        if node.op == "placeholder":
            raise refused(
                met, "joins paths before a last layer is found; a base ends in one linear or convolution layer"
            )
        if node.op == "call_module":
            axis = _feature_axis(network, node)
            if axis is not None and not waiting:
                return node, axis
            kind = operator_of(str(node.target))
            if _has_weights(network, node) and not _only_scales(network, node):
                raise refused(kind, "stands behind the last linear layer, or beside it; a base ends in one such layer")
            met = kind
        waiting.update(one for one in node.all_input_nodes if one.op != "get_attr")
    raise InvalidModel("The model has no last layer that could be replaced: its answer does not depend on the signal.")


def _feature_axis(network: fx.GraphModule, node: fx.Node) -> int | None:
    """Which axis of a layer's input its weights sum over; None where it is no such layer."""
    module = network.get_submodule(str(node.target))
    core = module[-1] if isinstance(module, nn.Sequential) else module  # a convolution behind its padding
    if isinstance(core, _ConvNd):
        return 1
    if isinstance(core, nn.Linear):
        return -1
    if operator_of(str(node.target)) not in ("MatMul", "Gemm") or not _reads_weight(network, node):
        return None
    return -1 if not _is_weight(network, node.args[0]) else -2


def _has_weights(network: fx.GraphModule, node: fx.Node) -> bool:
    module = network.get_submodule(str(node.target))
    return next(module.parameters(), None) is not None or _reads_weight(network, node)


def _reads_weight(network: fx.GraphModule, node: fx.Node) -> bool:
    return any(_is_weight(network, one) for one in node.all_input_nodes)


def _is_weight(network: fx.GraphModule, read: object) -> bool:
    return (
        isinstance(read, fx.Node)
        and read.op == "get_attr"
        and isinstance(operator.attrgetter(str(read.target))(network), nn.Parameter)
    )


def _only_scales(network: fx.GraphModule, node: fx.Node) -> bool:
    module = network.get_submodule(str(node.target))
    return isinstance(module, _BatchNorm) or operator_of(str(node.target)) in _AFFINE


def _data_input(network: fx.GraphModule, head: fx.Node) -> fx.Node:
    return next(node for node in head.all_input_nodes if not _is_weight(network, node))


def _shape(network: fx.GraphModule, node: fx.Node, example: tuple[Tensor, ...]) -> tuple[int, ...]:
    with torch.no_grad():
        ShapeProp(network).propagate(*example)
    return tuple(int(size) for size in node.meta["tensor_meta"].shape)


def _features(
    kind: str,
    small: tuple[int, ...],
    large: tuple[int, ...],
    feature_axis: int,
    examples: tuple[tuple[Tensor, ...], tuple[Tensor, ...]],
) -> Features:
    batches = (len(examples[0][0]), len(examples[1][0]))
    rank = len(small)
    axis = feature_axis % rank
    growing = [index for index in range(rank) if small[index] != large[index]]
    if len(growing) != 1 or growing[0] == axis or (small[growing[0]], large[growing[0]]) != batches:
        raise refused(kind, "is the last layer, but does not see each ECG in a row of its own")
    return Features(small[axis], growing[0], axis, rank)
