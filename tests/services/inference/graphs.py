"""Small real ONNX graphs whose answers can be worked out by hand, and the contracts for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, CoInput, CoInputs, InputSpec, Manifest, Output, Task, WindowPolicy
from precordia.record import Signal, Unit
from precordia.steps import Step

RATE_HZ = 100.0
SAMPLES = 200
CROP = Step("crop_or_pad", 1, {"duration_s": SAMPLES / RATE_HZ})


def linear_graph(
    weights: NDArray[np.float64], bias: NDArray[np.float64], *, samples: int | None = SAMPLES, co_inputs: int = 0
) -> bytes:
    """scores = mean over time of each lead @ weights + bias (+ the sum of the co-inputs)."""
    leads, outputs = weights.shape
    nodes = [
        helper.make_node("ReduceMean", ["signal", "time"], ["means"], keepdims=0),
        helper.make_node("Gemm", ["means", "weights", "bias"], ["linear"]),
    ]
    inputs = [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", leads, samples])]
    if co_inputs:
        inputs.append(helper.make_tensor_value_info("beside", TensorProto.FLOAT, ["batch", co_inputs]))
        nodes.append(helper.make_node("ReduceSum", ["beside", "columns"], ["extra"], keepdims=1))
        nodes.append(helper.make_node("Add", ["linear", "extra"], ["scores"]))
    else:
        nodes.append(helper.make_node("Identity", ["linear"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "linear",
        inputs,
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", outputs])],
        [
            helper.make_tensor("time", TensorProto.INT64, [1], [2]),
            helper.make_tensor("columns", TensorProto.INT64, [1], [1]),
            helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.astype(np.float32).ravel()),
            helper.make_tensor("bias", TensorProto.FLOAT, [outputs], bias.astype(np.float32)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def bias_graph(*values: float) -> bytes:
    """Answers the same numbers to every ECG: tells versions apart."""
    return linear_graph(np.zeros((12, len(values))), np.array(values))


def heavy_graph(mib: int) -> bytes:
    """One score from so many MiB of weights."""
    hidden = mib * 2**20 // (4 * 12 * SAMPLES)
    weights = np.full((12 * SAMPLES, hidden), 1e-3, np.float32)
    tensors = {"first": weights, "second": np.ones((hidden, 1), np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["signal"], ["flat"]),
            helper.make_node("MatMul", ["flat", "first"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["above"]),
            helper.make_node("MatMul", ["above", "second"], ["scores"]),
        ],
        "heavy",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", 12, SAMPLES])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def contract(
    *names: str,
    task: Task = Task.MULTILABEL,
    activation: Activation = Activation.NONE,
    windows: WindowPolicy | None = None,
    co_inputs: tuple[CoInput, ...] = (),
    label_group: str = "",
    steps: tuple[Step, ...] = (CROP,),
    origin: str = "",
) -> Manifest:
    """A manifest for the graphs above, 12 leads, 2 s at 100 Hz, in millivolt."""
    return Manifest(
        input=InputSpec("signal", STANDARD_LEADS, RATE_HZ, SAMPLES / RATE_HZ),
        task=task,
        outputs=tuple(Output(name) for name in names),
        steps=steps,
        activation=activation,
        windows=windows or WindowPolicy(),
        co_inputs=CoInputs("beside", co_inputs) if co_inputs else None,
        label_group=label_group,
        origin={"made_by": origin} if origin else {},
    )


def levels(*millivolts: float, samples: int = SAMPLES) -> Signal:
    """A signal whose leads are constant: 12 levels, or one for all."""
    each = np.array(millivolts if len(millivolts) == 12 else millivolts * 12, np.float32)
    return Signal(np.repeat(each[:, None], samples, axis=1), STANDARD_LEADS, RATE_HZ, Unit.MILLIVOLT)
