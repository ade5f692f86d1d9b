"""Small ONNX graphs, sound and faulty, built for the tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.steps import Step

SAMPLES = 40
LABELS = ("NORM", "MI", "CD")

# Each lead's mean times these weights: an answer that a test can compute by hand.
WEIGHTS = np.arange(36, dtype=np.float32).reshape(12, 3) / 36


def manifest(labels: Sequence[str] = LABELS, **changes: object) -> Manifest:
    """The contract of `linear_model()`: 12 leads, 4 s at 10 Hz."""
    facts: dict[str, object] = {
        "input": InputSpec("signal", STANDARD_LEADS, 10.0, 4.0),
        "task": Task.MULTILABEL,
        "outputs": tuple(Output(label) for label in labels),
        "steps": (Step("resample", 1, {"rate_hz": 10.0}),),
        "activation": Activation.SIGMOID,
    }
    return Manifest(**(facts | changes))


def model(
    nodes: Sequence[NodeProto],
    *,
    constants: dict[str, np.ndarray] | None = None,
    batch: int | str = "batch",
    shape: tuple[int | str, ...] = (12, SAMPLES),
    output_shape: tuple[int | str, ...] = ("batch", 3),
    metadata: Sequence[tuple[str, str]] = (),
    opset: int = 17,
    element: int = TensorProto.FLOAT,
) -> ModelProto:
    """A graph from `signal` to `scores`."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("signal", element, [batch, *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, list(output_shape))],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for key, value in metadata:
        made.metadata_props.append(onnx.StringStringEntryProto(key=key, value=value))
    return made


def linear_model(*, scale: float = 1.0, **facts: object) -> ModelProto:
    """Mean of each lead, times WEIGHTS."""
    nodes = [
        helper.make_node("ReduceMean", ["signal"], ["means"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
    ]
    return model(nodes, constants={"weights": WEIGHTS * np.float32(scale)}, **facts)


def norm_model(*, training_mode: int = 1, outputs: int = 3, **facts: object) -> ModelProto:
    """BatchNorm over the leads' means, in training mode unless told otherwise."""
    named = ["normed", "running_mean", "running_var"][:outputs]
    nodes = [
        helper.make_node(
            "BatchNormalization",
            ["signal", "gain", "shift", "mean", "var"],
            named,
            epsilon=1e-5,
            training_mode=training_mode,
        ),
        helper.make_node("ReduceMean", ["normed"], ["means"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
    ]
    constants = {
        "gain": np.full(12, 3, np.float32),
        "shift": np.full(12, 0.5, np.float32),
        "mean": np.full(12, 0.25, np.float32),
        "var": np.full(12, 4, np.float32),
        "weights": WEIGHTS,
    }
    return model(nodes, constants=constants, **facts)


def answers(content: bytes, signal: np.ndarray) -> np.ndarray:
    """What ONNX Runtime answers."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"signal": signal.astype(np.float32)})
    return np.asarray(scores)


def endless_model() -> ModelProto:
    """A loop that never ends on its own."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Sin", ["state"], ["turned"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("index", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("turned", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["signal"], ["means"], axes=[2], keepdims=0),
        helper.make_node("Loop", ["times", "yes", "means"], ["looped"], body=body),
        helper.make_node("MatMul", ["looped", "weights"], ["scores"]),
    ]
    constants = {
        "times": np.array(2**62, np.int64),
        "yes": np.array(True),
        "weights": WEIGHTS,
    }
    return model(nodes, constants=constants)


def greedy_model() -> ModelProto:
    """Asks for 400 GB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["huge"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("ReduceMean", ["signal"], ["means"], axes=[2], keepdims=0),
        helper.make_node("Add", ["means", "zero"], ["sums"]),
        helper.make_node("MatMul", ["sums", "weights"], ["scores"]),
    ]
    return model(nodes, constants={"huge": np.array([10**11], np.int64), "weights": WEIGHTS})
