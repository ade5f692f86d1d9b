"""Size and work of an ONNX graph: run as a process of its own, the file on stdin, JSON on stdout.

    python -m services.inference.evaluation.graph_cost '{"signal": [12, 1000]}' < model.onnx
    {"parameters": 401285, "multiply_adds": 243024640}

Parameters are the numbers that the graph holds as weights: float or integer tensors of more than one
number, the scales and zero points of quantization left out. Multiply-adds are those of convolutions,
matrix products and recurrent layers for one ECG, from the shapes that one run on zeros gives; what the
papers call FLOPs of such networks is this number. It is null where a part of the graph runs in loops or
branches, or by an operator of this kind that is not counted here.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto

_WEIGHTS = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT8,
    TensorProto.UINT8,
)
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Where the weights stand among the inputs."""
_TRANSPOSED = "ConvTranspose"
_PRODUCTS = ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "QGemm")
_RECURRENT = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""Gates."""
_UNCOUNTED = ("Einsum", "Attention", "If", "Loop", "Scan")
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "QLinearAdd", "QGemm")

Shapes = Mapping[str, tuple[int, ...]]


def parameters(model: ModelProto) -> int:
    """Numbers that the graph holds as weights."""
    scales = {
        name
        for node in model.graph.node
        if node.op_type in _QUANTIZERS
        for name in node.input
        if name.endswith(("scale", "zero_point"))
    }
    held = [(tensor.name, tensor) for tensor in model.graph.initializer]
    held += [
        (node.output[0], attribute.t)
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    sizes = (math.prod(tensor.dims) for name, tensor in held if tensor.data_type in _WEIGHTS and name not in scales)
    return sum(size for size in sizes if size > 1)


def multiply_adds(model: ModelProto, inputs: Mapping[str, Sequence[int]]) -> int | None:
    """Of one ECG; `inputs` are the shapes without the batch. None where it cannot be counted."""
    if any(node.op_type in _UNCOUNTED for node in model.graph.node):
        return None
    counted = [node for node in model.graph.node if _is_counted(node)]
    shapes = _shapes(model, inputs, {name for node in counted for name in (*node.input, *node.output) if name})
    return sum(_of_node(node, shapes) for node in counted)


def _is_counted(node: NodeProto) -> bool:
    return node.op_type in (*_CONVOLUTIONS, _TRANSPOSED, *_PRODUCTS, *_RECURRENT)


def _shapes(model: ModelProto, inputs: Mapping[str, Sequence[int]], wanted: set[str]) -> Shapes:
    """Shapes of tensors, from one run with all of them as outputs."""
    constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    watched = ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    given = {name: (1, *shape) for name, shape in inputs.items()}
    computed = sorted(wanted - set(constants) - set(given))
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {name: np.zeros(shape, np.float32) for name, shape in given.items()}
    found = session.run(computed, feeds)
    return constants | given | {name: value.shape for name, value in zip(computed, found, strict=True)}


def _of_node(node: NodeProto, shapes: Shapes) -> int:
    out = math.prod(shapes[next(name for name in node.output if name)])
    if node.op_type in _CONVOLUTIONS:
        # weights are (out, in / groups, kernel...)
        return out * math.prod(shapes[node.input[_CONVOLUTIONS[node.op_type]]][1:])
    if node.op_type == _TRANSPOSED:
        return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type in _RECURRENT:
        return _of_recurrent(node, shapes)
    return out * _inner(node, shapes)


def _inner(node: NodeProto, shapes: Shapes) -> int:
    """The length that a matrix product sums over."""
    first = shapes[node.input[0]]
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return first[0] if transposed else first[-1]


def _of_recurrent(node: NodeProto, shapes: Shapes) -> int:
    """X is (steps, batch, in), W (directions, gates x hidden, in), R (directions, gates x hidden, hidden)."""
    x, weights, recurrence = (shapes[name] for name in node.input[:3])
    steps = x[0] * x[1]
    return steps * (math.prod(weights) + math.prod(recurrence))


def main() -> None:
    """Reads a graph from stdin, answers on stdout."""
    model = onnx.load_from_string(sys.stdin.buffer.read())
    inputs = json.loads(sys.argv[1])
    cost = {"parameters": parameters(model), "multiply_adds": multiply_adds(model, inputs)}
    sys.stdout.write(json.dumps(cost) + "\n")


if __name__ == "__main__":
    main()
