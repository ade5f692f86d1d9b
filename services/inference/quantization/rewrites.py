"""Graphs written in another way before they are quantized: the same answers, with fewer places that need floats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper

Values = Mapping[str, NDArray[Any]]

_EPSILON = 1e-5
"""ONNX's own, where a norm says none."""


def with_norms_folded(model: ModelProto) -> ModelProto:
    """BatchNorms behind convolutions that are put side by side, within these convolutions: w s and (b - mean) s + beta.

    ONNX Runtime folds a norm behind one convolution alone.
    """
    graph = model.graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(value.name for value in graph.output)
    makers = {name: node for node in graph.node for name in node.output}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        joined = makers.get(norm.input[0])
        if joined is None or joined.op_type != "Concat" or _number(joined, "axis", 0) != 1:
            continue
        sources = [makers.get(name) for name in joined.input]
        convolutions = [one for one in sources if one is not None and _is_ours_alone(one, readers, values)]
        alone = readers[joined.output[0]] == 1 and all(name in values for name in norm.input[1:])
        if len(convolutions) < len(sources) or not alone:
            continue
        _fold(graph, norm, convolutions, values)
        joined.output[0] = norm.output[0]
        graph.node.remove(norm)
    return model


def _is_ours_alone(node: NodeProto, readers: Mapping[str, int], values: Values) -> bool:
    """A convolution that nothing else reads the output, the weights or the bias of."""
    held = all(name in values and readers[name] == 1 for name in node.input[1:])
    return node.op_type == "Conv" and readers[node.output[0]] == 1 and held


def _fold(graph: onnx.GraphProto, norm: NodeProto, convolutions: list[NodeProto], values: Values) -> None:
    gamma, beta, mean, variance = (values[name].astype(np.float64) for name in norm.input[1:5])
    epsilon = next((attribute.f for attribute in norm.attribute if attribute.name == "epsilon"), _EPSILON)
    scale = gamma / np.sqrt(variance + epsilon)
    first = 0
    for node in convolutions:
        weights = values[node.input[1]]
        part = slice(first, first + len(weights))
        first = part.stop
        bias = values[node.input[2]] if len(node.input) > 2 else np.zeros(len(weights))
        scaled = weights * scale[part].reshape(-1, *[1] * (weights.ndim - 1))
        moved = (bias - mean[part]) * scale[part] + beta[part]
        names = f"{node.output[0]}_weights", f"{node.output[0]}_bias"
        for name, tensor in zip(names, (scaled, moved), strict=True):
            graph.initializer.append(onnx.numpy_helper.from_array(tensor.astype(np.float32), name))
        del node.input[1:]
        node.input.extend(names)


def with_bins_convolved(model: ModelProto) -> ModelProto:
    """Means over bins of time, (B, C, 1, T) -> (B, C, 1, bins, T / bins) -> mean, as convolutions of equal weights.

    A mean over an axis would need floats again, at the widest place of a network; pooling of integers is slow.
    """
    graph = model.graph
    shapes = _shapes(onnx.shape_inference.infer_shapes(model))
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    makers = {name: node for node in graph.node for name in node.output}
    for mean in [node for node in graph.node if node.op_type == "ReduceMean"]:
        unfolding = makers.get(mean.input[0])
        if unfolding is None or unfolding.op_type != "Reshape" or readers[mean.input[0]] > 1:
            continue
        before, within = shapes.get(unfolding.input[0], ()), shapes.get(mean.input[0], ())
        if len(before) != 4 or before[2] != 1 or len(within) != 5 or within[1:3] != before[1:3]:
            continue
        if _axes(mean, values) not in ([4], [-1]) or _number(mean, "keepdims", 1) != 0:
            continue
        channels, width, name = before[1], within[4], f"{mean.output[0]}_weights"
        equal = np.full((channels, 1, 1, width), 1 / width, np.float32)
        graph.initializer.append(onnx.numpy_helper.from_array(equal, name))
        pool = helper.make_node(
            "Conv", [unfolding.input[0], name], [mean.output[0]], strides=[1, width], group=channels
        )
        place = list(graph.node).index(mean)
        graph.node.remove(mean)
        graph.node.insert(place, pool)
        graph.node.remove(unfolding)
    del graph.value_info[:]
    return model


def _shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors between nodes; a free dimension is 0."""
    return {
        value.name: tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)
        for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)
    }


def _axes(node: NodeProto, values: Values) -> list[int]:
    """Axes of a reduction: an attribute until opset 17, an input from 18 on."""
    if len(node.input) > 1:
        return [int(axis) for axis in values.get(node.input[1], np.zeros(0)).ravel()]
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == "axes"), [])


def _number(node: NodeProto, name: str, default: int) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), default)
