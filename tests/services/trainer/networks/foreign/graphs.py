"""Graphs written operator by operator: an input (batch, 12, 160), some nodes, one linear layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

LEADS, SAMPLES = 12, 160
Array = np.ndarray


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> NodeProto:
    return helper.make_node(kind, list(inputs), list(outputs), name="/".join(outputs), **attributes)


def graph(
    nodes: Sequence[NodeProto],
    tensors: Mapping[str, Array],
    *,
    features: int,
    opset: int = 18,
    shape: Sequence[object] = ("batch", LEADS, SAMPLES),
    metadata: Mapping[str, str] | None = None,
    last: str = "y",
) -> onnx.ModelProto:
    """Nodes from "x" to `last`; of it (batch, features, ...) the mean over the rest goes through a linear layer."""
    generator = np.random.default_rng(1)
    weights = {
        "head.weight": generator.standard_normal((features, 3)).astype(np.float32),
        "head.bias": generator.standard_normal(3).astype(np.float32),
    }
    tail = [
        node("GlobalAveragePool", [last], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("Gemm", ["flat", "head.weight", "head.bias"], ["scores"]),
    ]
    made = helper.make_graph(
        [*nodes, *tail],
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [shape[0], 3])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in {**weights, **tensors}.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    return model


def convolution(channels: int = 8, kernel: int = 3, seed: int = 2) -> dict[str, Array]:
    """Weights for a first layer, by the names "w" and "b"."""
    generator = np.random.default_rng(seed)
    w = generator.standard_normal((channels, LEADS, kernel)).astype(np.float32)
    return {"w": w, "b": generator.standard_normal(channels).astype(np.float32)}


def plain(**attributes: object) -> onnx.ModelProto:
    """One convolution."""
    return graph([node("Conv", ["x", "w", "b"], ["y"], **attributes)], convolution(), features=8)
