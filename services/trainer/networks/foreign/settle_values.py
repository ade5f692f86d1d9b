"""Operators that compute: reductions, norms, bounds, resizing, recurrent layers, and those that stay as they are."""

from __future__ import annotations

import numpy as np
from onnx import AttributeProto, NodeProto

from services.trainer.networks.foreign import settings
from services.trainer.networks.foreign.refusal import refused
from services.trainer.networks.foreign.settle_places import axes_of
from services.trainer.networks.foreign.settling import Settling


def standard(graph: Settling, node: NodeProto) -> None:
    """An operator that means the same in every opset, with tensors of its own."""
    kept = NodeProto.FromString(node.SerializeToString())
    kept.input[:] = [graph.operand(node, index) for index in range(len(node.input))]
    settings.same_in_every_opset(kept, graph.shape(node.input[0]) if node.input and node.input[0] else ())
    graph.nodes.append(kept)


def same_inputs(graph: Settling, node: NodeProto) -> None:
    """An operator of ours with the same inputs and attributes."""
    inputs = [graph.operand(node, index) for index in range(len(node.input))]
    kept: list[AttributeProto] = list(node.attribute)
    graph.add(node.op_type, node, inputs)
    graph.nodes[-1].attribute.extend(kept)


def identity(graph: Settling, node: NodeProto) -> None:
    """Dropout, Identity: in a finished network they change nothing."""
    del node.output[1:]
    graph.add("Identity", node, [graph.operand(node, 0)])


def never(graph: Settling, node: NodeProto) -> None:
    """An operator that is refused by name."""
    raise refused(node.op_type, "is not converted")


def cumulate(graph: Settling, node: NodeProto) -> None:
    """CumSum, forwards along one axis."""
    if settings.number(node, "exclusive", 0) or settings.number(node, "reverse", 0):
        raise refused(node.op_type, "runs backwards or leaves its own place out, which is not converted")
    axes = axes_of(graph.needed(node, 1), len(graph.shape(node.input[0])))
    graph.batch_axis_only(node, node.input[0], axes)
    graph.add("CumSum", node, [graph.operand(node, 0)], axis=axes[0])


def reduce(graph: Settling, node: NodeProto) -> None:
    """Reductions, with their axes as they are in any opset."""
    rank = len(graph.shape(node.input[0]))
    given = graph.setting(node, 1)
    listed = settings.numbers(node, "axes") if given is None else [int(axis) for axis in given]
    if not listed and settings.number(node, "noop_with_empty_axes", 0):
        graph.add("Identity", node, [graph.operand(node, 0)])
        return
    axes = sorted(axis % rank for axis in listed) or list(range(rank))
    _reduced(graph, node, node.op_type, axes, settings.number(node, "keepdims", 1))


def global_pool(graph: Settling, node: NodeProto) -> None:
    """GlobalAveragePool, GlobalMaxPool as reductions over everything behind the channels."""
    kind = {"GlobalAveragePool": "ReduceMean", "GlobalMaxPool": "ReduceMax"}[node.op_type]
    _reduced(graph, node, kind, list(range(2, len(graph.shape(node.input[0])))), 1)


def _reduced(graph: Settling, node: NodeProto, kind: str, axes: list[int], keep: int) -> None:
    graph.batch_axis_only(node, node.input[0], axes)
    graph.add("Reduce", node, [graph.operand(node, 0)], kind=kind, axes=axes, keep=keep)


def clip(graph: Settling, node: NodeProto) -> None:
    """Clip with known bounds."""
    bounds = [graph.setting(node, index) for index in (1, 2)]
    low, high = (float(default if one is None else one) for one, default in zip(bounds, (-np.inf, np.inf), strict=True))
    graph.add("Clip", node, [graph.operand(node, 0)], low=low, high=high)


def norm(graph: Settling, node: NodeProto) -> None:
    """LayerNormalization and InstanceNormalization, which have their weights beside them."""
    rank = len(graph.shape(node.input[0]))
    inputs = [graph.operand(node, index) for index in range(len(node.input))]
    layer = node.op_type == "LayerNormalization"
    if layer and len(node.output) > 1 and any(node.output[1:]):
        raise refused(node.op_type, "gives out its statistics, which is not converted")
    del node.output[1:]
    axis = settings.number(node, "axis", -1) % rank
    attributes: dict[str, object] = {"axis": axis} if layer else {}
    graph.add(node.op_type, node, inputs, epsilon=settings.real(node, "epsilon", 1e-5), **attributes)


def resize(graph: Settling, node: NodeProto) -> None:
    """Resize to the size that came out."""
    kind = settings.resize_kind(node)
    before, after = graph.shape(node.input[0]), graph.shape(node.output[0])
    if before[:2] != after[:2]:
        raise refused(node.op_type, "changes the number of channels, which is not converted")
    graph.add("Resize", node, [graph.operand(node, 0)], sizes=list(after[2:]), kind=kind)


def recurrent(graph: Settling, node: NodeProto) -> None:
    """Zeros as the first state are what the converted layer begins with; a length that is the whole is none."""
    lengths = graph.setting(node, 4)
    steps = graph.shape(node.input[0])[0]
    if lengths is not None and not (lengths == steps).all():
        raise refused(node.op_type, "stops before the end of the signal, which is not converted")
    inputs = [graph.operand(node, index) for index in range(4)]
    states = [_state(graph, node, index) for index in range(5, min(len(node.input), 7))]
    settings.check_recurrent(node, has_peepholes=len(node.input) > 7 and bool(node.input[7]))
    kept: list[AttributeProto] = list(node.attribute)
    graph.add(node.op_type, node, [*inputs, *states])
    made = graph.nodes[-1]
    made.attribute.extend(kept)
    while made.input and not made.input[-1]:
        del made.input[-1]


def _state(graph: Settling, node: NodeProto, index: int) -> str:
    name = node.input[index]
    if name and graph.folded.is_constant(name) and not any(values[name].any() for values in graph.folded.constants):
        return ""
    return graph.operand(node, index)
