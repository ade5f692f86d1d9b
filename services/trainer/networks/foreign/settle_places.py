"""Operators that move numbers and change none: shapes, parts, copies, places looked up.

Their settings are known since `folding`, and become attributes. None may reach across the ECGs of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper

from services.trainer.networks.foreign import settings
from services.trainer.networks.foreign.folding import BATCHES, Array
from services.trainer.networks.foreign.refusal import refused
from services.trainer.networks.foreign.settling import Settling


def reshape(graph: Settling, node: NodeProto) -> None:
    """Reshape, Flatten: to the shape that came out, with the batch inferred."""
    output = node.output[0]
    grows = graph.folded.grows(output)
    if len(grows) > 1 or not _in_proportion(graph, output):
        raise refused(node.op_type, "spreads the ECGs of a batch over several dimensions, which is not converted")
    shape = [-1 if axis in grows else size for axis, size in enumerate(graph.shape(output))]
    graph.add("Reshape", node, [graph.operand(node, 0)], shape=shape)


def _in_proportion(graph: Settling, name: str) -> bool:
    small, large = (shapes[name] for shapes in graph.folded.shapes)
    return all(one * BATCHES[1] == other * BATCHES[0] or one == other for one, other in zip(small, large, strict=True))


def squeeze(graph: Settling, node: NodeProto) -> None:
    """By the sizes that came out where no axes are given: a batch of one must not vanish."""
    given = graph.setting(node, 1)
    shape = graph.shape(node.input[0])
    axes = [axis for axis, size in enumerate(shape) if size == 1] if given is None else axes_of(given, len(shape))
    graph.add("Squeeze", node, [graph.operand(node, 0)], axes=axes)


def unsqueeze(graph: Settling, node: NodeProto) -> None:
    """Unsqueeze, its axes counted from the first."""
    axes = axes_of(graph.needed(node, 1), len(graph.shape(node.output[0])))
    graph.add("Unsqueeze", node, [graph.operand(node, 0)], axes=sorted(axes))


def expand(graph: Settling, node: NodeProto) -> None:
    """Expand: -1 where a size stays, so that the batch is free."""
    before, after = graph.shape(node.input[0]), graph.shape(node.output[0])
    padded = (0,) * (len(after) - len(before)) + before
    sizes = [-1 if one == other else other for one, other in zip(padded, after, strict=True)]
    stretched = [axis for axis, size in enumerate(sizes) if size != -1]
    graph.batch_axis_only(node, node.output[0], stretched)
    graph.add("Expand", node, [graph.operand(node, 0)], sizes=sizes)


def cut(graph: Settling, node: NodeProto) -> None:
    """Slice: first, end and step of each axis that is cut; all ECGs of the batch stay."""
    name = node.input[0]
    shape = graph.shape(name)
    whole = set(graph.folded.grows(name)) & set(graph.folded.grows(node.output[0]))
    if len(node.input) > 3 and node.input[3]:
        axes = axes_of(graph.needed(node, 3), len(shape))
    else:
        axes = list(range(len(graph.folded.constants[0][node.input[1]])))
    kept = [index for index, axis in enumerate(axes) if axis not in whole]
    graph.batch_axis_only(node, name, [axes[index] for index in kept])
    for axis in set(axes) & whole:
        if graph.shape(node.output[0])[axis] != shape[axis]:
            raise refused(node.op_type, "takes a part of the ECGs of a batch, which is not converted")
    bounds = [_bounds(graph, node, index, kept) for index in (1, 2, 4)]
    starts, stops, steps = bounds[0], bounds[1], bounds[2] or [1] * len(kept)
    parts = [
        slice(*one).indices(shape[axes[index]])
        for index, one in zip(kept, zip(starts, stops, steps, strict=True), strict=True)
    ]
    flat = [number for index, part in zip(kept, parts, strict=True) for number in (axes[index], *part)]
    graph.add("Slice", node, [graph.operand(node, 0)], parts=flat or [0, 0, shape[0], 0])


def _bounds(graph: Settling, node: NodeProto, index: int, kept: Sequence[int]) -> list[int]:
    """Starts, ends or steps of the axes that are cut; those of the batch may depend on it."""
    if index >= len(node.input) or not node.input[index]:
        return []
    small, large = (values.get(node.input[index]) for values in graph.folded.constants)
    if small is None or large is None or any(small[one] != large[one] for one in kept):
        raise refused(node.op_type, "takes a setting that depends on the signal or on the number of ECGs")
    return [int(small[one]) for one in kept]


def pad(graph: Settling, node: NodeProto) -> None:
    """Pad, with torch's order of sides."""
    rank = len(graph.shape(node.input[0]))
    given = graph.setting(node, 3)
    axes = list(range(rank)) if given is None else axes_of(given, rank)
    pads = [int(size) for size in graph.needed(node, 1)]
    sides = [(0, 0)] * rank
    for position, axis in enumerate(axes):
        sides[axis] = (pads[position], pads[position + len(axes)])
    graph.batch_axis_only(node, node.input[0], [axis for axis, side in enumerate(sides) if any(side)])
    mode = settings.text(node, "mode", "constant")
    value = graph.setting(node, 2)
    flat = [size for side in reversed(sides) for size in side]
    settings.check_padding(node, mode, flat)
    number = 0.0 if value is None or not value.size else float(value.reshape(-1)[0])
    graph.add("Pad", node, [graph.operand(node, 0)], pads=flat, mode=mode, value=number)


def split(graph: Settling, node: NodeProto) -> None:
    """Split, by the sizes that came out."""
    rank = len(graph.shape(node.input[0]))
    axis = settings.number(node, "axis", 0) % rank
    graph.batch_axis_only(node, node.input[0], [axis])
    sizes = [graph.shape(name)[axis] for name in node.output]
    graph.add("Split", node, [graph.operand(node, 0)], axis=axis, sizes=sizes)


def tile(graph: Settling, node: NodeProto) -> None:
    """Tile, but never along the batch."""
    repeats = [int(times) for times in graph.needed(node, 1)]
    graph.batch_axis_only(node, node.input[0], [axis for axis, times in enumerate(repeats) if times != 1])
    graph.add("Tile", node, [graph.operand(node, 0)], repeats=repeats)


def gather(graph: Settling, node: NodeProto) -> None:
    """Gather at known places of the signal; a table looked up by the signal is not converted."""
    if graph.folded.is_constant(node.input[0]):
        raise refused(node.op_type, "looks rows of a table up by the signal, which is not converted")
    shape = graph.shape(node.input[0])
    axis = settings.number(node, "axis", 0) % len(shape)
    graph.batch_axis_only(node, node.input[0], [axis])
    indices = graph.needed(node, 1) % shape[axis]
    graph.add("Gather", node, [graph.operand(node, 0)], axis=axis, indices=_integers(indices))


def gather_nd(graph: Settling, node: NodeProto) -> None:
    """GatherND at known places."""
    if graph.folded.is_constant(node.input[0]) or settings.number(node, "batch_dims", 0):
        raise refused(node.op_type, "looks places up in a way that is not converted")
    indices = graph.needed(node, 1)
    deep = indices.shape[-1]
    graph.batch_axis_only(node, node.input[0], list(range(deep)))
    wrapped = indices % np.array(graph.shape(node.input[0])[:deep])
    graph.add("GatherND", node, [graph.operand(node, 0)], indices=_integers(wrapped))


def _integers(values: Array) -> TensorProto:
    return helper.make_tensor("indices", TensorProto.INT64, values.shape, values.reshape(-1).tolist())


def axes_of(given: Array, rank: int) -> list[int]:
    """Axes counted from the first."""
    return [int(axis) % rank for axis in given.reshape(-1)]
