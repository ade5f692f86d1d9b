"""Parameters and multiply-adds of graphs, by hand and beside published figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from services.inference.evaluation.graph_cost import multiply_adds, parameters
from tests.services.inference.graphs import linear_graph

make = helper.make_node


def graph(nodes: list[NodeProto], weights: dict[str, tuple[int, ...]], shape: tuple[int, ...]) -> ModelProto:
    tensors = [numpy_helper.from_array(np.zeros(size, np.float32), name) for name, size in weights.items()]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_a_convolution_counts_each_product_once() -> None:
    """12 leads, 100 samples, stride 2: 50 x 8 outputs of 3 leads a group x 5 samples."""
    node = make("Conv", ["x", "w", "b"], ["y"], group=4, strides=[2], pads=[2, 2])
    model = graph([node], {"w": (8, 3, 5), "b": (8,)}, (12, 100))
    assert multiply_adds(model, {"x": (12, 100)}) == 50 * 8 * 3 * 5
    assert parameters(model) == 8 * 3 * 5 + 8


def test_products_and_recurrent_layers_are_counted() -> None:
    nodes = [
        make("Transpose", ["x"], ["steps"], perm=[2, 0, 1]),
        make("LSTM", ["steps", "w", "r"], ["", "h"], hidden_size=7),
        make("Squeeze", ["h", "zero"], ["last"]),
        make("Gemm", ["last", "head"], ["y"], transB=1),
    ]
    model = graph(nodes, {"w": (1, 28, 3), "r": (1, 28, 7), "head": (5, 7)}, (3, 20))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    assert multiply_adds(model, {"x": (3, 20)}) == 20 * (28 * 3 + 28 * 7) + 7 * 5
    assert parameters(model) == 28 * 3 + 28 * 7 + 35


def test_a_transposed_convolution_counts_from_its_input() -> None:
    model = graph([make("ConvTranspose", ["x", "w"], ["y"], strides=[2])], {"w": (4, 6, 3)}, (4, 10))
    assert multiply_adds(model, {"x": (4, 10)}) == 40 * 6 * 3


def test_what_cannot_be_counted_is_not_guessed() -> None:
    model = graph([make("Einsum", ["x", "w"], ["y"], equation="bij,jk->bik")], {"w": (10, 2)}, (4, 10))
    assert multiply_adds(model, {"x": (4, 10)}) is None
    assert parameters(model) == 20


def test_the_process_answers_with_json() -> None:
    command = [sys.executable, "-m", "services.inference.evaluation.graph_cost", '{"signal": [12, 200]}']
    file = linear_graph(np.ones((12, 3)), np.zeros(3))
    done = subprocess.run(command, input=file, capture_output=True, check=True, timeout=120)
    assert json.loads(done.stdout) == {"parameters": 39, "multiply_adds": 36}


def test_the_older_platforms_model_costs_what_its_paper_says() -> None:
    """XceptionTime has 401 thousand parameters and needs 256 million FLOPs: Bickmann et al. 2026."""
    folder = os.environ.get("PRECORDIA_TESTDATA")
    if not folder:
        pytest.skip("PRECORDIA_TESTDATA is not set")
    model = ModelProto.FromString((Path(folder) / "models" / "XceptionTime_untrained.onnx").read_bytes())
    assert parameters(model) == pytest.approx(401_000, rel=0.02)
    assert multiply_adds(model, {"arg0": (12, 1000)}) == pytest.approx(256e6, rel=0.06)
